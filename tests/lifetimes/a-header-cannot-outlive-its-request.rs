// error: lifetime may not live long enough
use crate::apache::request::Request;

fn claim<'r>(request: &Request<'r>) -> Option<&'static [u8]> {
    request.headers_in().get(c"Host")
}

// error: lifetime may not live long enough
use crate::apache::request::Request;

fn claim(request: Request<'_>) -> Request<'static> {
    request
}

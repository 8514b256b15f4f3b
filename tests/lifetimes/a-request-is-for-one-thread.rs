// error: `NonNull<bindings::request_rec>` cannot be sent between threads safely
use crate::apache::request::Request;

fn claim(request: Request<'static>) {
    std::thread::spawn(move || request.uri().len());
}

//! Answers that this module makes itself, without an application: whole, from memory, and not to be kept by caches.

use crate::apache::brigade::{Output, Tail};
use crate::apache::request::Request;
use crate::apache::status::Status;
use core::ffi::CStr;

/// An answer of this module.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) status_line: &'a str,
    pub(crate) media_type: &'a str,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: &'a [u8],
}

/// `405`, unless the request only wants to see something.
pub(crate) fn check_method(request: &Request<'_>) -> Result<(), Status> {
    if request.is_get() {
        return Ok(());
    }
    request.allow_get_only();
    Err(Status::METHOD_NOT_ALLOWED)
}

impl Answer<'_> {
    pub(crate) fn send(&self, request: &Request<'_>) -> Status {
        request.set_status(self.status, self.status_line.as_bytes());
        request.set_content_type(self.media_type.as_bytes());
        let (headers, pool) = (request.headers_out(), request.pool());
        const ALWAYS: [(&str, &str); 2] = [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")];
        for (name, value) in ALWAYS.iter().chain(self.headers) {
            headers.add(pool, name.as_bytes(), value.as_bytes());
        }
        request.set_content_length(i64::try_from(self.body.len()).unwrap_or(i64::MAX));
        // A client that is gone needs no answer.
        let _ = Output::new(request).send(self.body, Tail::End);
        Status::OK
    }
}

/// Whether the client asks for a media type by name (`Accept`).
pub(crate) fn accepts(request: &Request<'_>, wanted: &str) -> bool {
    const ACCEPT: &CStr = c"Accept";
    let accepted = request.headers_in().get(ACCEPT).unwrap_or_default();
    accepted.split(|byte| *byte == b',').any(|part| {
        let name = part.split(|byte| *byte == b';').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes())
    })
}

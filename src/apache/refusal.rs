//! What httpd makes of a body that it refuses while it is read (larger than `LimitRequestBody`, or broken chunks): an error
//! bucket, which runs down the output filters and becomes an error page there, or the application of an `ErrorDocument`.
//!
//! That must not happen in the middle of a read, on which another application waits: an output filter that is in front of
//! all others stops the bucket and leaves its status in a note. `module/handler` inserts it, and `request/response` asks for
//! the status once the application has returned. It changes no other bucket.

use super::{boundary::guard, request::Request, status::APR_EAGAIN};
use crate::ffi::{self, inline};
use core::ffi::{CStr, c_int};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use core::time::Duration;
use std::time::Instant;

/// The note with the status of the refusal.
const NOTE: &CStr = c"mod_wsgi-refusal";

/// The note of a request that [`take_rest`] has waited for once.
const WAITED: &CStr = c"mod_wsgi-rest";

/// The record of the filter, which lives as long as the process.
static FILTER: AtomicPtr<ffi::ap_filter_rec_t> = AtomicPtr::new(ptr::null_mut());

/// Called when hooks are registered, at every load of the configuration.
pub(crate) fn register() {
    let kind = ffi::AP_FTYPE_RESOURCE - 1;
    // SAFETY: REGISTRATION: httpd copies the name; the function is static.
    let filter = unsafe { ffi::ap_register_output_filter(c"WSGI_REFUSAL".as_ptr(), Some(filter), None, kind) };
    FILTER.store(filter, Ordering::Relaxed);
}

/// Keeps httpd from answering while the body of this request is read.
pub(crate) fn hold_back(request: &Request<'_>) {
    let filter = FILTER.load(Ordering::Relaxed);
    // SAFETY: REQUEST; the filter was registered before any request.
    unsafe { ffi::ap_add_output_filter_handle(filter, ptr::null_mut(), request.as_raw(), request.connection()) };
}

/// The status with which httpd has refused the body, if it has.
pub(crate) fn status_of(request: &Request<'_>) -> Option<i32> {
    core::str::from_utf8(request.notes().get(NOTE)?).ok()?.parse().ok()
}

/// For how long [`take_rest`] usually waits, and how many bytes it takes.
pub(crate) const REST_TIME: Duration = Duration::from_millis(500);
const REST_SIZE: usize = 256 << 10;
/// How long it sleeps before it looks again.
const PAUSE: Duration = Duration::from_millis(1);

/// Takes what a client of HTTP/2 still sends of the body, and throws it away. mod_http2 resets a stream whose response is
/// complete before its body is, and often before it has sent the response: a short body is taken to its end, so that the
/// client gets the response. HTTP/1.1 needs none of it: httpd reads on before it closes a connection. Returns whether nothing
/// of it is left, as far as that is to be seen within `time`; it waits once for each request.
pub(crate) fn take_rest(request: &Request<'_>, time: Duration) -> bool {
    let headers = request.headers_in();
    let has_body = headers.get(c"Transfer-Encoding").is_some() || headers.get(c"Content-Length").is_some();
    if !has_body || !request.protocol().starts_with(b"HTTP/2") {
        return true;
    }
    let notes = request.notes();
    let time = if notes.get(WAITED).is_some() { Duration::ZERO } else { time };
    if !time.is_zero() {
        notes.set(request.pool(), WAITED, b"1");
    }
    // SAFETY: REQUEST: the connection and its allocator outlive the request.
    let allocator = unsafe { (*request.connection()).bucket_alloc };
    // SAFETY: POOL: the brigade is cleaned up with the pool of the request.
    let brigade = unsafe { ffi::apr_brigade_create(request.pool().as_raw(), allocator) };
    let (until, mut taken) = (Instant::now() + time, 0);
    while taken < REST_SIZE {
        // SAFETY: REQUEST: the connection of a stream is this request's alone.
        let filters = unsafe { (*request.connection()).input_filters };
        let (mode, block, most) = (ffi::AP_MODE_READBYTES, ffi::APR_NONBLOCK_READ, REST_SIZE as ffi::apr_off_t);
        // SAFETY: REQUEST; the brigade is empty.
        let status = unsafe { ffi::ap_get_brigade(filters, brigade, mode, block, most) };
        let (length, ended) = content(brigade);
        // SAFETY: BRIGADE: the brigade lives in the pool of the request.
        unsafe { ffi::apr_brigade_cleanup(brigade.cast()) };
        taken += length;
        match status {
            0 if ended => return true,
            0 if length > 0 => {}
            0 | APR_EAGAIN if Instant::now() < until => std::thread::sleep(PAUSE),
            0 | APR_EAGAIN => return false,
            _ => return true,
        }
    }
    false
}

/// How many bytes a brigade has, and whether the end of the stream is among it.
fn content(brigade: *mut ffi::apr_bucket_brigade) -> (usize, bool) {
    // SAFETY: BRIGADE: the brigade is alive: its owner is `take_rest`.
    let sentinel = unsafe { inline::brigade_sentinel(brigade) };
    // SAFETY: BRIGADE: the brigade is alive: its owner is `take_rest`.
    let mut bucket = unsafe { inline::brigade_first(brigade) };
    let (mut length, mut ended) = (0, false);
    while bucket != sentinel {
        // SAFETY: BRIGADE: a bucket of a brigade that is alive.
        ended |= unsafe { inline::bucket_is_eos(bucket) };
        // SAFETY: BRIGADE: a bucket of a brigade that is alive. Those of a stream have their length from the beginning.
        length += unsafe { (*bucket).length };
        // SAFETY: BRIGADE: the ring of a brigade leads to the sentinel in the end.
        bucket = unsafe { (*bucket).link.next };
    }
    (length, ended)
}

unsafe extern "C" fn filter(this: *mut ffi::ap_filter_t, brigade: *mut ffi::apr_bucket_brigade) -> ffi::apr_status_t {
    guard(ffi::AP_FILTER_ERROR, || {
        let refused = first_refusal(brigade);
        let Some(status) = refused else {
            // SAFETY: REQUEST: filters are alive while the request is.
            let next = unsafe { (*this).next };
            // SAFETY: REQUEST: filters are alive while the request is; the next filter consumes the brigade.
            return unsafe { ffi::ap_pass_brigade(next, brigade) };
        };
        // SAFETY: REQUEST: filters are alive while the request is.
        let request = unsafe { (*this).r };
        // SAFETY: REQUEST: a filter of a request points to it.
        let request = unsafe { Request::from_raw(request) };
        request.notes().add(request.pool(), NOTE.to_bytes(), status.to_string().as_bytes());
        request.forget_end();
        // SAFETY: BRIGADE: the brigade is its sender's, who expects it back empty.
        unsafe { ffi::apr_brigade_cleanup(brigade.cast()) };
        ffi::AP_FILTER_ERROR
    })
}

/// The status of an error bucket that is about the client. This module's own ones are about the server.
fn first_refusal(brigade: *mut ffi::apr_bucket_brigade) -> Option<c_int> {
    // SAFETY: BRIGADE: httpd passes a brigade that is alive.
    let sentinel = unsafe { inline::brigade_sentinel(brigade) };
    // SAFETY: BRIGADE: httpd passes a brigade that is alive.
    let mut bucket = unsafe { inline::brigade_first(brigade) };
    while bucket != sentinel {
        // SAFETY: BRIGADE: a bucket of a brigade that is alive.
        let status = unsafe { inline::bucket_error_status(bucket) };
        if let Some(status) = status.filter(|status| (400..500).contains(status)) {
            return Some(status);
        }
        // SAFETY: BRIGADE: the ring of a brigade leads to the sentinel in the end.
        bucket = unsafe { (*bucket).link.next };
    }
    None
}

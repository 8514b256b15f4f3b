//! What httpd makes of a body that it refuses while it is read (larger than `LimitRequestBody`, or broken chunks): an error
//! bucket, which runs down the output filters and becomes an error page there, or the application of an `ErrorDocument`.
//!
//! That must not happen in the middle of a read, on which another application waits: an output filter that is in front of
//! all others stops the bucket and leaves its status in a note. `module/handler` inserts it, and `module/response` asks for
//! the status once the application has returned. It changes no other bucket.

use super::{boundary::guard, request::Request};
use crate::ffi::{self, inline};
use core::ffi::{CStr, c_int};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// The note with the status of the refusal.
const NOTE: &CStr = c"mod_wsgi-refusal";

/// The record of the filter, which lives as long as the process.
static FILTER: AtomicPtr<ffi::ap_filter_rec_t> = AtomicPtr::new(ptr::null_mut());

/// Called when hooks are registered, at every load of the configuration.
pub(crate) fn register() {
    let kind = ffi::AP_FTYPE_RESOURCE - 1;
    // SAFETY: httpd copies the name; the function is static.
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

unsafe extern "C" fn filter(this: *mut ffi::ap_filter_t, brigade: *mut ffi::apr_bucket_brigade) -> ffi::apr_status_t {
    guard(ffi::AP_FILTER_ERROR, || {
        let refused = first_refusal(brigade);
        let Some(status) = refused else {
            // SAFETY: REQUEST: filters are alive while the request is.
            let next = unsafe { (*this).next };
            // SAFETY: as above; the next filter consumes the brigade.
            return unsafe { ffi::ap_pass_brigade(next, brigade) };
        };
        // SAFETY: REQUEST: a filter of a request points to it.
        let request = unsafe { Request::from_raw((*this).r) };
        request.notes().add(request.pool(), NOTE.to_bytes(), status.to_string().as_bytes());
        // SAFETY: the brigade is its sender's, who expects it back empty.
        unsafe { ffi::apr_brigade_cleanup(brigade.cast()) };
        ffi::AP_FILTER_ERROR
    })
}

/// The status of an error bucket that is about the client. This module's own ones are about the server.
fn first_refusal(brigade: *mut ffi::apr_bucket_brigade) -> Option<c_int> {
    // SAFETY: httpd passes a brigade that is alive.
    let sentinel = unsafe { inline::brigade_sentinel(brigade) };
    // SAFETY: as above.
    let mut bucket = unsafe { inline::brigade_first(brigade) };
    while bucket != sentinel {
        // SAFETY: a bucket of a brigade that is alive.
        let status = unsafe { inline::bucket_error_status(bucket) };
        if let Some(status) = status.filter(|status| (400..500).contains(status)) {
            return Some(status);
        }
        // SAFETY: the ring of a brigade leads to the sentinel in the end.
        bucket = unsafe { (*bucket).link.next };
    }
    None
}

//! The output filter of this module. It stands behind the filters that may change the content of a response (those of
//! mod_deflate, mod_include, mod_cache, ...) and before those of the protocol.
//!
//! `apache/brigade` adds it to the chain of a request whose response passes. It tells what has left the other filters,
//! and never changes a byte; what it may do is to hold back the end of a body that nobody has made, and the body of a
//! response to HEAD once its head is on its way.

use super::boundary::guard;
use super::request::Request;
use super::status::{APR_EGENERAL, AprError};
use crate::ffi::{self, inline};
use core::marker::PhantomData;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering};

/// httpd's record of the filter, made anew at each load of the configuration.
static RECORD: AtomicPtr<ffi::ap_filter_rec_t> = AtomicPtr::new(null_mut());

/// Registers the filter. Called when hooks are registered.
pub(crate) fn register() {
    let (name, kind) = (c"WSGI_PASSAGE", ffi::AP_FTYPE_PROTOCOL - 1);
    // SAFETY: REGISTRATION: httpd calls this during registration, and copies the name.
    let record = unsafe { ffi::ap_register_output_filter(name.as_ptr(), Some(pass), None, kind) };
    RECORD.store(record, Ordering::Relaxed);
}

/// What has gone by. `Copy`: it lies in the pool of the request.
#[derive(Clone, Copy, Default)]
struct Seen {
    /// Something has gone by: the head of the response is on its way, or is no longer ours.
    began: bool,
    /// Bytes of a body were among it.
    has_body: bool,
    /// A filter behind this one has failed: that of the connection, most likely.
    failed_behind: bool,
    /// An end without a body is held back as long as the request has this status; 0 is none.
    held_status: i32,
    has_held_end: bool,
}

/// The filter in the chain of one request.
pub(crate) struct Passage<'r> {
    filter: *mut ffi::ap_filter_t,
    seen: *mut Seen,
    life: PhantomData<Request<'r>>,
}

impl<'r> Passage<'r> {
    pub(crate) fn add(request: &Request<'r>) -> Self {
        let seen: *mut Seen = request.pool().alloc(Seen::default());
        let record = RECORD.load(Ordering::Relaxed);
        // SAFETY: REQUEST: registered before the configuration was read; what is seen lives in the pool of the request.
        let filter =
            unsafe { ffi::ap_add_output_filter_handle(record, seen.cast(), request.as_raw(), request.connection()) };
        Self { filter, seen, life: PhantomData }
    }

    fn seen(&self) -> Seen {
        // SAFETY: REQUEST: one thread at a time; it lives in the pool of the request.
        unsafe { *self.seen }
    }

    /// Whether it is still among the filters of the request: an error page of httpd's goes past it.
    pub(crate) fn is_in_chain(&self, request: &Request<'_>) -> bool {
        request.output_filters().any(|filter| filter == self.filter)
    }

    /// Whether anything of the response has left the filters that change content.
    pub(crate) fn has_begun(&self) -> bool {
        self.seen().began
    }

    /// Whether the end was held back, as nobody has made a body.
    pub(crate) fn has_held_end(&self) -> bool {
        self.seen().has_held_end
    }

    /// Whether a filter behind them has failed.
    pub(crate) fn has_failed_behind(&self) -> bool {
        self.seen().failed_behind
    }

    /// Holds back the end of the response if no filter makes a body, or another status.
    pub(crate) fn hold_empty_end(&self, status: i32) {
        // SAFETY: REQUEST: one thread at a time; it lives in the pool of the request.
        unsafe { (*self.seen).held_status = status };
    }

    /// Passes a brigade from here on, without the filters before.
    ///
    /// # Errors
    /// What the filters return.
    pub(crate) fn pass(&self, brigade: *mut ffi::apr_bucket_brigade) -> Result<(), AprError> {
        self.hold_empty_end(0);
        // SAFETY: REQUEST: the filter stays in the chain; the filters consume the buckets.
        let status = unsafe { ffi::ap_pass_brigade(self.filter, brigade) };
        if status == 0 { Ok(()) } else { Err(AprError(status)) }
    }
}

/// The function of the filter.
unsafe extern "C" fn pass(filter: *mut ffi::ap_filter_t, brigade: *mut ffi::apr_bucket_brigade) -> ffi::apr_status_t {
    guard(APR_EGENERAL, || {
        // SAFETY: HTTPD: httpd calls a filter with what `add` gave it.
        let seen = unsafe { (*filter).ctx }.cast::<Seen>();
        // SAFETY: BRIGADE: httpd calls a filter with a brigade.
        let holds = unsafe { Holds::of(brigade) };
        // SAFETY: REQUEST: `seen` lives in the pool of the request, and one thread at a time works on that.
        let so_far = unsafe { *seen };
        if so_far.held_status != 0 && !so_far.has_body && !holds.body && so_far.held_status == status_of(filter) {
            // SAFETY: BRIGADE: httpd calls a filter with a brigade.
            unsafe { ffi::apr_brigade_cleanup(brigade.cast()) };
            // SAFETY: BRIGADE: httpd calls a filter with a brigade.
            unsafe { (*seen).has_held_end = true };
            return 0;
        }
        if so_far.began && is_head(filter) {
            // mod_http2 leaves a body out only where it comes together with the head: what follows would break the stream.
            // SAFETY: BRIGADE: httpd calls a filter with a brigade.
            unsafe { leave_out_body(brigade) };
        }
        let now = Seen { began: so_far.began || holds.anything, has_body: so_far.has_body || holds.body, ..so_far };
        // SAFETY: BRIGADE: httpd calls a filter with a brigade.
        unsafe { *seen = now };
        // SAFETY: HTTPD: this filter is not the last one of the chain.
        let next = unsafe { (*filter).next };
        // SAFETY: REQUEST; the filters consume the buckets.
        let status = unsafe { ffi::ap_pass_brigade(next, brigade) };
        if status != 0 {
            // SAFETY: REQUEST; the filters consume the buckets.
            unsafe { (*seen).failed_behind = true };
        }
        status
    })
}

fn status_of(filter: *mut ffi::ap_filter_t) -> i32 {
    // SAFETY: HTTPD: a filter of a request knows it.
    let request = unsafe { (*filter).r };
    // SAFETY: REQUEST.
    unsafe { (*request).status }
}

fn is_head(filter: *mut ffi::ap_filter_t) -> bool {
    // SAFETY: HTTPD: a filter of a request knows it.
    let request = unsafe { (*filter).r };
    // SAFETY: REQUEST.
    unsafe { (*request).header_only != 0 }
}

/// Leaves in a brigade only what is no content.
///
/// # Safety
/// The brigade is alive.
unsafe fn leave_out_body(brigade: *mut ffi::apr_bucket_brigade) {
    // SAFETY: CONTRACT: the brigade is alive.
    let end = unsafe { inline::brigade_sentinel(brigade) };
    // SAFETY: CONTRACT: the brigade is alive.
    let mut bucket = unsafe { inline::brigade_first(brigade) };
    while bucket != end {
        // SAFETY: BRIGADE: a bucket of the brigade; the ring leads back to `end`.
        let next = unsafe { (*bucket).link.next };
        // SAFETY: BRIGADE: a bucket of the brigade.
        if !unsafe { inline::bucket_is_metadata(bucket) } {
            // SAFETY: BRIGADE: a bucket of the brigade, which nobody else knows.
            unsafe { inline::bucket_delete(bucket) };
        }
        bucket = next;
    }
}

/// What is in a brigade.
struct Holds {
    anything: bool,
    body: bool,
}

impl Holds {
    /// # Safety
    /// The brigade is alive.
    unsafe fn of(brigade: *mut ffi::apr_bucket_brigade) -> Self {
        // SAFETY: CONTRACT: the brigade is alive.
        let end = unsafe { inline::brigade_sentinel(brigade) };
        // SAFETY: CONTRACT: the brigade is alive.
        let mut bucket = unsafe { inline::brigade_first(brigade) };
        let anything = bucket != end;
        while bucket != end {
            // SAFETY: BRIGADE: a bucket of the brigade.
            let length = unsafe { (*bucket).length };
            // SAFETY: BRIGADE: a bucket of the brigade.
            if length != 0 && !unsafe { inline::bucket_is_metadata(bucket) } {
                return Self { anything, body: true };
            }
            // SAFETY: BRIGADE: a bucket of the brigade; the ring leads back to `end`.
            bucket = unsafe { (*bucket).link.next };
        }
        Self { anything, body: false }
    }
}

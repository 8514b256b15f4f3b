//! The request body, pulled through httpd's input filters.
//!
//! Called by `module/body` with the thread detached from Python: reading blocks
//! until the client sends. The first read makes httpd send `100 Continue` if the
//! client waits for it.

use super::{
    request::Request,
    status::{APR_EOF, AprError},
};
use crate::ffi::{self, inline};

/// The input side of a request.
pub(crate) struct Input<'r> {
    request: Request<'r>,
    /// Made at the first read: most requests have no body.
    brigade: Option<*mut ffi::apr_bucket_brigade>,
    /// What a filter gave beyond what it was asked for, as far as it is not given yet.
    surplus: Surplus,
}

/// Bytes that were not asked for, and whether the body ends behind them.
#[derive(Default)]
struct Surplus {
    data: Vec<u8>,
    start: usize,
    is_last: bool,
}

impl Surplus {
    /// Moves at most `want` bytes to `into`; `None` if there are none.
    fn take(&mut self, want: usize, into: &mut Vec<u8>) -> Option<bool> {
        let rest = self.data.get(self.start..).filter(|rest| !rest.is_empty())?;
        let given = want.min(rest.len());
        into.extend_from_slice(&rest[..given]);
        self.start += given;
        let is_all = self.start == self.data.len();
        Some(is_all && self.is_last)
    }
}

// SAFETY: REQUEST: one thread at a time works on a request and on what belongs to it.
unsafe impl Send for Input<'_> {}

/// Why the body ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// A filter refused the body and httpd has answered the client itself.
    Answered,
    /// The connection failed, timed out, or the client left.
    Connection(AprError),
}

impl<'r> Input<'r> {
    pub(crate) fn new(request: Request<'r>) -> Self {
        Self { request, brigade: None, surplus: Surplus::default() }
    }

    fn brigade(&mut self) -> *mut ffi::apr_bucket_brigade {
        *self.brigade.get_or_insert_with(|| {
            // SAFETY: REQUEST: the connection and its allocator outlive the request.
            let allocator = unsafe { (*self.request.connection()).bucket_alloc };
            // SAFETY: POOL: the brigade is cleaned up with the pool of the request.
            unsafe { ffi::apr_brigade_create(self.request.pool().as_raw(), allocator) }
        })
    }

    /// Appends the next bytes of the body to `into`, at most `want`; blocks until
    /// there are some. `Ok(true)` says that the body has ended.
    ///
    /// # Errors
    /// See [`BodyError`]. The connection is not used again after one.
    pub(crate) fn read(&mut self, want: usize, into: &mut Vec<u8>) -> Result<bool, BodyError> {
        if let Some(ended) = self.surplus.take(want, into) {
            return Ok(ended);
        }
        let before = into.len();
        let brigade = self.brigade();
        // SAFETY: REQUEST: the member points to the first of the request's input filters.
        let filters = unsafe { (*self.request.as_raw()).input_filters };
        // SAFETY: REQUEST; the brigade is empty.
        let status = unsafe {
            ffi::ap_get_brigade(filters, brigade, ffi::AP_MODE_READBYTES, ffi::APR_BLOCK_READ, want as ffi::apr_off_t)
        };
        let outcome = if status == 0 { take_data(brigade, into) } else { Err(failure(status)) };
        // SAFETY: the brigade lives in the pool of the request.
        unsafe { ffi::apr_brigade_cleanup(brigade.cast()) };
        if outcome.is_err() {
            self.request.close_connection_afterwards();
        }
        let is_last = outcome?;
        if into.len() - before > want {
            self.surplus = Surplus { data: into.split_off(before + want), start: 0, is_last };
            return Ok(false);
        }
        Ok(is_last)
    }

    /// Whether the body ends without a byte; waits for the first byte or the end. A byte is lost.
    pub(crate) fn is_empty(&mut self) -> bool {
        let mut data = Vec::new();
        loop {
            match self.read(1, &mut data) {
                Ok(false) if data.is_empty() => {}
                Ok(ended) => return ended && data.is_empty(),
                Err(_) => return false,
            }
        }
    }

    /// Sends `100 Continue` to a client that waits for it, as httpd does at the first read. Waits for nothing.
    pub(crate) fn invite(&mut self) {
        self.request.send_continue();
    }
}

fn failure(status: ffi::apr_status_t) -> BodyError {
    if status == ffi::AP_FILTER_ERROR { BodyError::Answered } else { BodyError::Connection(AprError(status)) }
}

/// Copies the data buckets of `brigade`; `Ok(true)` if the end of the stream is among them.
fn take_data(brigade: *mut ffi::apr_bucket_brigade, into: &mut Vec<u8>) -> Result<bool, BodyError> {
    // SAFETY: the brigade is alive: its owner is `read`.
    let sentinel = unsafe { inline::brigade_sentinel(brigade) };
    // SAFETY: as above.
    let mut bucket = unsafe { inline::brigade_first(brigade) };
    while bucket != sentinel {
        // SAFETY: a bucket of a brigade that is alive.
        if unsafe { inline::bucket_is_eos(bucket) } {
            return Ok(true);
        }
        // SAFETY: as above.
        if !unsafe { inline::bucket_is_metadata(bucket) } {
            // SAFETY: as above.
            let (data, length) = match unsafe { inline::bucket_read(bucket, ffi::APR_BLOCK_READ) } {
                Ok(read) => read,
                Err(status) if status == APR_EOF => return Ok(true),
                Err(status) => return Err(failure(status)),
            };
            if length > 0 {
                // SAFETY: the bytes live as long as the bucket, which lives until the cleanup.
                into.extend_from_slice(unsafe { core::slice::from_raw_parts(data, length) });
            }
        }
        // SAFETY: the ring of a brigade leads to the sentinel in the end.
        bucket = unsafe { (*bucket).link.next };
    }
    Ok(false)
}

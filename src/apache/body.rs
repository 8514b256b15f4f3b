//! The request body, pulled through httpd's input filters.
//!
//! Called by `request/body` with the thread detached from Python. The first read makes httpd send `100 Continue` if the
//! client waits for it. Reading what has arrived never waits for the client: `client_socket` does, without the request.

use super::{
    request::Request,
    status::{APR_EAGAIN, APR_EOF, AprError},
};
use crate::ffi::{self, inline};

/// The input side of a request.
pub(crate) struct Input<'r> {
    request: &'r Request<'r>,
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
    fn take(&mut self, want: usize, into: &mut Vec<u8>) -> Option<Taken> {
        let rest = self.data.get(self.start..).filter(|rest| !rest.is_empty())?;
        let given = want.min(rest.len());
        into.extend_from_slice(&rest[..given]);
        self.start += given;
        let is_all = self.start == self.data.len();
        Some(if is_all && self.is_last { Taken::All } else { Taken::Some })
    }
}

/// Why the body ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// A filter refused the body and httpd has answered the client itself.
    Answered,
    /// The connection failed, timed out, or the client left.
    Connection(AprError),
}

impl<'r> Input<'r> {
    pub(crate) fn new(request: &'r Request<'r>) -> Self {
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

    /// Appends the next bytes of the body to `into`, at most `want`; blocks until there are some. `Ok(true)` says that the
    /// body has ended.
    ///
    /// # Errors
    /// See [`BodyError`]. The connection is not used again after one.
    pub(crate) fn read(&mut self, want: usize, into: &mut Vec<u8>) -> Result<bool, BodyError> {
        Ok(self.pull(want, into, ffi::APR_BLOCK_READ)? == Taken::All)
    }

    /// Appends what has arrived of the body to `into`, at most `want` bytes. Blocks where a filter works on the content of
    /// the body: of those some take "nothing yet" for a failure (mod_request ends the process).
    ///
    /// # Errors
    /// See [`BodyError`]. The connection is not used again after one.
    pub(crate) fn read_now(&mut self, want: usize, into: &mut Vec<u8>) -> Result<Taken, BodyError> {
        if self.request.has_input_filter_for_content() {
            return self.pull(want, into, ffi::APR_BLOCK_READ);
        }
        // httpd does so by itself only where a read waits.
        self.invite();
        let block = if self.request.refuses_to_continue() { ffi::APR_BLOCK_READ } else { ffi::APR_NONBLOCK_READ };
        self.pull(want, into, block)
    }

    fn pull(&mut self, want: usize, into: &mut Vec<u8>, block: ffi::apr_read_type_e) -> Result<Taken, BodyError> {
        if let Some(taken) = self.surplus.take(want, into) {
            return Ok(taken);
        }
        let before = into.len();
        let brigade = self.brigade();
        // SAFETY: REQUEST: the member points to the first of the request's input filters.
        let filters = unsafe { (*self.request.as_raw()).input_filters };
        // SAFETY: REQUEST; the brigade is empty.
        let status =
            unsafe { ffi::ap_get_brigade(filters, brigade, ffi::AP_MODE_READBYTES, block, want as ffi::apr_off_t) };
        let outcome = match status {
            0 => take_data(brigade, into),
            APR_EAGAIN if block == ffi::APR_NONBLOCK_READ => Ok(Taken::Nothing),
            status => Err(failure(status)),
        };
        // SAFETY: BRIGADE: the brigade lives in the pool of the request.
        unsafe { ffi::apr_brigade_cleanup(brigade.cast()) };
        if outcome.is_err() {
            self.request.close_connection_afterwards();
        }
        let taken = outcome?;
        if into.len() - before > want {
            self.surplus = Surplus { data: into.split_off(before + want), start: 0, is_last: taken == Taken::All };
            return Ok(Taken::Some);
        }
        Ok(taken)
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

/// What a read has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Bytes that were appended.
    Some,
    /// The end of the body, and bytes that were appended, if there were any before it.
    All,
    /// No bytes, and no end.
    Nothing,
}

fn failure(status: ffi::apr_status_t) -> BodyError {
    if status == ffi::AP_FILTER_ERROR { BodyError::Answered } else { BodyError::Connection(AprError(status)) }
}

/// Copies the data buckets of `brigade`, as far as the end of the stream if that is among them.
fn take_data(brigade: *mut ffi::apr_bucket_brigade, into: &mut Vec<u8>) -> Result<Taken, BodyError> {
    let before = into.len();
    // SAFETY: BRIGADE: the brigade is alive: its owner is `read`.
    let sentinel = unsafe { inline::brigade_sentinel(brigade) };
    // SAFETY: BRIGADE: the brigade is alive: its owner is `read`.
    let mut bucket = unsafe { inline::brigade_first(brigade) };
    while bucket != sentinel {
        // SAFETY: BRIGADE: a bucket of a brigade that is alive.
        if unsafe { inline::bucket_is_eos(bucket) } {
            return Ok(Taken::All);
        }
        // SAFETY: BRIGADE: a bucket of a brigade that is alive.
        if !unsafe { inline::bucket_is_metadata(bucket) } {
            // SAFETY: BRIGADE: a bucket of a brigade that is alive.
            let (data, length) = match unsafe { inline::bucket_read(bucket, ffi::APR_BLOCK_READ) } {
                Ok(read) => read,
                Err(status) if status == APR_EOF => return Ok(Taken::All),
                Err(status) => return Err(failure(status)),
            };
            if length > 0 {
                // SAFETY: BRIGADE: the bytes live as long as the bucket, which lives until the cleanup.
                into.extend_from_slice(unsafe { core::slice::from_raw_parts(data, length) });
            }
        }
        // SAFETY: BRIGADE: the ring of a brigade leads to the sentinel in the end.
        bucket = unsafe { (*bucket).link.next };
    }
    Ok(if into.len() > before { Taken::Some } else { Taken::Nothing })
}

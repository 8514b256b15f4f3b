//! The response on its way down httpd's output filters, as bucket brigades.
//!
//! Called by `request/response` with the thread detached from Python: passing a
//! brigade may block for as long as the client reads slowly.

use super::passage::Passage;
use super::request::Request;
use super::status::AprError;
use crate::ffi::{self, inline};

/// What follows the data of a brigade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Nothing: more is to come, and httpd may wait for it.
    More,
    /// The client shall have all of it now.
    Flush,
    /// The response is complete.
    End,
}

/// Part of a file, sent without passing through the memory of this process where httpd can.
pub(crate) struct FilePart {
    /// A descriptor that becomes httpd's: it is closed with the request's pool.
    pub(crate) descriptor: std::os::fd::OwnedFd,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    /// `WSGIEnableSendfile`.
    pub(crate) sendfile: bool,
}

/// How much of a file is read at once. A slow client holds as much of it; half of this costs a third more (file of 1 MiB).
const READ_AT_ONCE: ffi::apr_size_t = 512 << 10;

/// Why filters did not take what they were passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PassError {
    /// httpd has answered in the application's place, with a page of its own.
    Answered,
    /// The client is gone or too slow, or the file that was to be sent has become shorter.
    ClientGone(AprError),
    /// A filter that changes content has failed.
    Filter(AprError),
}

/// The output side of a request.
pub(crate) struct Output<'r> {
    request: &'r Request<'r>,
    brigade: *mut ffi::apr_bucket_brigade,
    /// What sees the response leave; added with the first brigade.
    passage: Option<Passage<'r>>,
    /// Whether the end of the response comes from here, and not from a filter.
    sent_end: bool,
}

impl<'r> Output<'r> {
    pub(crate) fn new(request: &'r Request<'r>) -> Self {
        // SAFETY: REQUEST: the connection and its allocator outlive the request.
        let allocator = unsafe { (*request.connection()).bucket_alloc };
        // SAFETY: POOL: the brigade is cleaned up with the pool of the request.
        let brigade = unsafe { ffi::apr_brigade_create(request.pool().as_raw(), allocator) };
        Self { request, brigade, passage: None, sent_end: false }
    }

    fn passage(&mut self) -> &Passage<'r> {
        self.passage.get_or_insert_with(|| Passage::add(self.request))
    }

    /// Whether anything of the response has left the filters that change content: before that it can be taken back.
    pub(crate) fn has_begun(&self) -> bool {
        self.passage.as_ref().is_some_and(Passage::has_begun)
    }

    /// Whether the end of the response was held back ([`Self::hold_empty_end`]).
    pub(crate) fn has_held_end(&self) -> bool {
        self.passage.as_ref().is_some_and(Passage::has_held_end)
    }

    /// Whether a filter has ended the response in the application's place (mod_xsendfile does so): nothing may follow.
    pub(crate) fn is_replaced(&self) -> bool {
        !self.sent_end && self.request.has_ended()
    }

    /// Has the end of the response held back if no filter makes a body or changes the status.
    pub(crate) fn hold_empty_end(&mut self) {
        let status = self.request.status();
        self.passage().hold_empty_end(status);
    }

    fn allocator(&self) -> *mut ffi::apr_bucket_alloc_t {
        // SAFETY: BRIGADE: the brigade lives in the pool of the request.
        unsafe { (*self.brigade).bucket_alloc }
    }

    fn append(&mut self, bucket: *mut ffi::apr_bucket) {
        // SAFETY: BRIGADE: a bucket just made belongs to no brigade.
        unsafe { inline::brigade_insert_tail(self.brigade, bucket) };
    }

    fn append_tail(&mut self, tail: Tail) {
        let bucket = match tail {
            Tail::More => return,
            // SAFETY: BRIGADE: the allocator outlives the request.
            Tail::Flush => unsafe { ffi::apr_bucket_flush_create(self.allocator()) },
            // SAFETY: BRIGADE: the allocator outlives the request.
            Tail::End => unsafe { ffi::apr_bucket_eos_create(self.allocator()) },
        };
        self.append(bucket);
    }

    /// Passes the brigade down the filters and leaves it empty.
    fn pass(&mut self, tail: Tail) -> Result<(), PassError> {
        self.passage();
        self.sent_end |= tail == Tail::End && !self.is_replaced();
        // SAFETY: REQUEST: the member points to the first of the request's output filters.
        let filters = unsafe { (*self.request.as_raw()).output_filters };
        // SAFETY: REQUEST; the filters consume the buckets.
        let status = unsafe { ffi::ap_pass_brigade(filters, self.brigade) };
        // SAFETY: BRIGADE: the brigade lives in the pool of the request.
        unsafe { ffi::apr_brigade_cleanup(self.brigade.cast()) };
        if status == 0 { Ok(()) } else { Err(self.failure(AprError(status))) }
    }

    fn failure(&self, error: AprError) -> PassError {
        // A filter may have had httpd answer, and return something else (mod_xsendfile): the chain is another one then.
        let in_chain = self.passage.as_ref().is_some_and(|passage| passage.is_in_chain(self.request));
        if error.0 == ffi::AP_FILTER_ERROR || self.is_replaced() || !in_chain || self.request.has_successor() {
            return PassError::Answered;
        }
        let behind = self.passage.as_ref().is_some_and(Passage::has_failed_behind);
        if behind || error.is_end_of_file() || self.request.is_aborted() {
            PassError::ClientGone(error)
        } else {
            PassError::Filter(error)
        }
    }

    /// Has the connection send what httpd holds back of a response that has ended: httpd reads the rest of a request body
    /// before it does so itself, for as long as the client likes.
    pub(crate) fn flush_connection(&mut self) {
        self.append_tail(Tail::Flush);
        // SAFETY: REQUEST: the connection outlives the request, and its first output filter is there.
        let filters = unsafe { (*self.request.connection()).output_filters };
        // SAFETY: REQUEST; the filters consume the bucket. A failure means that the client is gone, which is seen later.
        unsafe { ffi::ap_pass_brigade(filters, self.brigade) };
        // SAFETY: BRIGADE: the brigade lives in the pool of the request.
        unsafe { ffi::apr_brigade_cleanup(self.brigade.cast()) };
    }

    /// Sends `data`, then `tail`. The bytes need not outlive the call: a filter
    /// that keeps them for later copies them (`apr_bucket_setaside`).
    ///
    /// # Errors
    /// What the filters return: the client is gone, or too slow.
    pub(crate) fn send(&mut self, data: &[u8], tail: Tail) -> Result<(), PassError> {
        if !data.is_empty() {
            // SAFETY: BRIGADE: the bytes live until `pass` has returned, which is what "transient" asks for.
            let bucket = unsafe {
                ffi::apr_bucket_transient_create(data.as_ptr().cast(), data.len() as ffi::apr_size_t, self.allocator())
            };
            self.append(bucket);
        }
        self.append_tail(tail);
        self.pass(tail)
    }

    /// Sends part of a file, then `tail`.
    ///
    /// # Errors
    /// What the filters return.
    pub(crate) fn send_file(&mut self, part: FilePart, tail: Tail) -> Result<(), PassError> {
        use std::os::fd::IntoRawFd;
        let pool = self.request.pool();
        let mut descriptor = part.descriptor.into_raw_fd();
        pool.on_clear(move || {
            // SAFETY: BRIGADE: the descriptor was handed to httpd, and its pool ends here.
            unsafe { libc::close(descriptor) };
        });
        let mut flags = ffi::APR_FOPEN_READ as i32;
        if part.sendfile {
            flags |= ffi::APR_FOPEN_SENDFILE_ENABLED as i32;
        }
        let mut file = core::ptr::null_mut();
        // SAFETY: POOL; APR copies the descriptor's number. The file is never closed by APR (no cleanup is set).
        let status = unsafe { ffi::apr_os_file_put(&mut file, &mut descriptor, flags, pool.as_raw()) };
        if status != 0 {
            return Err(PassError::ClientGone(AprError(status)));
        }
        // SAFETY: BRIGADE: the file and the pool outlive the brigade.
        let bucket = unsafe {
            ffi::apr_brigade_insert_file(self.brigade, file, part.offset as i64, part.length as i64, pool.as_raw())
        };
        // Not mapped: this process would end if the file became shorter meanwhile. Nor would it be faster.
        // SAFETY: BRIGADE: the bucket just made is a file bucket.
        unsafe { ffi::apr_bucket_file_enable_mmap(bucket, 0) };
        // SAFETY: BRIGADE: the bucket just made is a file bucket.
        unsafe { ffi::apr_bucket_file_set_buf_size(bucket, READ_AT_ONCE) };
        self.append_tail(tail);
        self.pass(tail)
    }

    /// Ends a response that is not complete so that the client can tell: httpd's
    /// HTTP filter leaves out the final chunk when it sees the error bucket of a
    /// broken backend, HTTP/2 resets the stream, and the connection is closed.
    /// Filters that change content do not see this end: none of them finishes what is not whole.
    pub(crate) fn cut(&mut self) {
        if !self.has_begun() {
            // Without the head on its way httpd would make an error page of the cut. The head is to name a framing in which
            // an end can be missing: httpd has none for a connection that it is going to close.
            self.append_tail(Tail::Flush);
            self.pass_behind();
        }
        self.request.give_response_up();
        let pool = self.request.pool().as_raw();
        // SAFETY: REQUEST; the allocator outlives the request.
        let bucket = unsafe {
            ffi::ap_bucket_error_create(ffi::HTTP_BAD_GATEWAY as i32, core::ptr::null(), pool, self.allocator())
        };
        self.append(bucket);
        if !self.request.is_sub_request() {
            self.append_tail(Tail::End);
        }
        self.pass_behind();
    }

    /// Passes the brigade to the filters behind those that change content, and leaves it empty.
    fn pass_behind(&mut self) {
        let brigade = self.brigade;
        // A failure to pass it on means that the connection is gone already.
        let _ = self.passage().pass(brigade);
        // SAFETY: BRIGADE: the brigade lives in the pool of the request.
        unsafe { ffi::apr_brigade_cleanup(brigade.cast()) };
    }

    /// Leaves it to the application whether a part of the resource is sent (`Range`): httpd would cut one out of a
    /// response of status 200 that it has in one piece.
    pub(crate) fn leave_ranges_alone(&self) {
        self.request.remove_output_filter(c"byterange");
    }
}

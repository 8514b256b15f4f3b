//! How far a request has come: its body, its filters, and what has been sent of the response.

use super::{Request, member};
use crate::apache::bytes;
use crate::ffi;
use core::ffi::CStr;
use core::ptr::NonNull;

impl<'r> Request<'r> {
    /// The bytes `LimitRequestBody` allows; 0 is no limit.
    pub(crate) fn body_limit(&self) -> i64 {
        // SAFETY: REQUEST.
        unsafe { ffi::ap_get_limit_req_body(self.as_raw()) }
    }

    /// Whether the first output filter may change the content (its type is below that of protocol filters).
    pub(crate) fn first_filter_changes_content(&self) -> bool {
        let filters = member!(self, output_filters);
        // SAFETY: REQUEST: the chain of a request has at least the core filters.
        let record = unsafe { (*filters).frec };
        // SAFETY: REQUEST: records of filters live as long as the process.
        unsafe { (*record).ftype < ffi::AP_FTYPE_PROTOCOL }
    }

    /// Whether the first input filter works on the content of the body (its type is below that of protocol filters, and the
    /// chain is in the order of types).
    pub(crate) fn has_input_filter_for_content(&self) -> bool {
        let filters = member!(self, input_filters);
        // SAFETY: REQUEST: the chain of a request has at least the core filters.
        let record = unsafe { (*filters).frec };
        // SAFETY: REQUEST: records of filters live as long as the process.
        unsafe { (*record).ftype < ffi::AP_FTYPE_PROTOCOL }
    }

    /// Whether the end of a response has been passed to the filters, by whomever.
    pub(crate) fn has_ended(&self) -> bool {
        member!(self, eos_sent) != 0
    }

    /// Has httpd forget the end of a response that did not get past the first filter: `ap_pass_brigade` has noted it in this
    /// request and in those that were redirected to it. Where the head of a response was sent it is left alone.
    pub(crate) fn forget_end(&self) {
        if member!(self, sent_bodyct) != 0 {
            return;
        }
        let mut next = self.as_raw();
        while !next.is_null() {
            // SAFETY: REQUEST: those before are alive as long as this one is.
            unsafe { (*next).eos_sent = 0 };
            // SAFETY: REQUEST: those before are alive as long as this one is.
            next = unsafe { (*next).prev };
        }
    }

    /// Whether httpd has noticed that the client is gone.
    pub(crate) fn is_aborted(&self) -> bool {
        // SAFETY: REQUEST: the connection outlives the request.
        unsafe { (*self.connection()).aborted != 0 }
    }

    /// Whether another request has taken the place of this one (an internal redirect).
    pub(crate) fn has_successor(&self) -> bool {
        !member!(self, next).is_null()
    }

    /// The filters of the response, from the first one on.
    pub(crate) fn output_filters(&self) -> impl Iterator<Item = *mut ffi::ap_filter_t> + use<> {
        let first = member!(self, output_filters);
        let some = |filter: *mut ffi::ap_filter_t| (!filter.is_null()).then_some(filter);
        core::iter::successors(some(first), move |filter| {
            // SAFETY: REQUEST: the filters of a request live as long as it does.
            some(unsafe { (**filter).next })
        })
    }

    /// Takes the filter of that name (in lower case) out of the way of the response.
    pub(crate) fn remove_output_filter(&self, name: &CStr) {
        let found = self.output_filters().find(|filter| {
            // SAFETY: REQUEST: the filters of a request live as long as it does.
            let record = unsafe { (**filter).frec };
            // SAFETY: REQUEST: records of filters live as long as the configuration.
            let its_name = unsafe { (*record).name };
            // SAFETY: REQUEST: records of filters live as long as the configuration.
            unsafe { bytes(its_name) == Some(name.to_bytes()) }
        });
        if let Some(filter) = found {
            // SAFETY: REQUEST: a filter of this request.
            unsafe { ffi::ap_remove_output_filter(filter) };
        }
    }

    /// No further request may come over this connection.
    pub(crate) fn close_connection_afterwards(&self) {
        // SAFETY: REQUEST: the connection outlives the request.
        unsafe { (*self.connection()).keepalive = ffi::AP_CONN_CLOSE };
    }

    /// The response will not be whole: no further request may come over this connection, and no cache may store what
    /// there is of it. mod_cache looks at `no_cache` once more when it sees the end of a response.
    pub(crate) fn give_response_up(&self) {
        self.close_connection_afterwards();
        // SAFETY: REQUEST.
        unsafe { (*self.as_raw()).no_cache = 1 };
        self.keep_whole_out_of_caches();
    }

    /// Keeps the responses that include this one, which has failed, out of caches: this is a sub-request of them.
    pub(crate) fn keep_whole_out_of_caches(&self) {
        let mut whole = member!(self, main);
        while let Some(record) = NonNull::new(whole) {
            // SAFETY: REQUEST: a request outlives its sub-requests, and the same thread works on both.
            unsafe { (*record.as_ptr()).no_cache = 1 };
            // SAFETY: REQUEST: a request outlives its sub-requests, and the same thread works on both.
            whole = unsafe { (*record.as_ptr()).main };
        }
    }
}

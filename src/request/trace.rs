//! The trace context of a request (W3C Trace Context): checked when httpd has read the request, made where
//! `WSGITraceContext On` asks for one, kept in two notes of the request for the access log.
//!
//! A header that is malformed is removed, and nobody sees anything of it. Applications see what is left as any other header.

use crate::apache::hook::RequestHook;
use crate::apache::log::Level;
use crate::apache::request::Request;
use crate::apache::status::Status;
use crate::observe::trace_context::{TraceIds, is_state};
use crate::request::log_entry::Entry;
use crate::unix::random;
use std::ffi::CStr;

const PARENT: &CStr = c"traceparent";
const STATE: &CStr = c"tracestate";
/// The notes, for `%{...}n`.
const TRACE_NOTE: &CStr = c"WSGI_TRACE_ID";
const SPAN_NOTE: &CStr = c"WSGI_SPAN_ID";

/// The hook that httpd calls when it has read a request, and for what it redirects a request to itself.
pub(crate) struct Check;

impl RequestHook for Check {
    fn run(request: &mut Request<'_>) -> Status {
        let headers = request.headers_in();
        let parent = headers.get(PARENT);
        let ids = parent.and_then(TraceIds::of_header);
        if let Some(ids) = ids {
            note(request, ids);
        }
        let state = headers.get(STATE);
        if ids.is_none() && (parent.is_some() || state.is_some()) {
            headers.remove(PARENT);
            // It means nothing without the other.
            headers.remove(STATE);
            if parent.is_some() {
                say(
                    request,
                    "WSGI1165: the traceparent of the request is malformed, and is dropped with its tracestate",
                );
            }
        } else if state.is_some_and(|state| !is_state(state)) {
            headers.remove(STATE);
            say(request, "WSGI1166: the tracestate of the request is malformed, and is dropped");
        }
        Status::DECLINED
    }
}

fn say(request: &Request<'_>, text: &str) {
    Entry::of_module(Level::Info, text.to_owned()).write(request);
}

fn note(request: &Request<'_>, ids: TraceIds) {
    let (notes, pool) = (request.notes(), request.pool());
    notes.set(pool, TRACE_NOTE, ids.trace_id().as_bytes());
    notes.set(pool, SPAN_NOTE, ids.span_id().as_bytes());
}

/// Makes a trace context for a request that has none.
pub(crate) fn make(request: &Request<'_>) {
    if ids(request).is_some() {
        return;
    }
    let Ok(random) = random::bytes::<24>() else { return };
    let (trace, span) = random.split_at(16);
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number: u128, byte| number << 8 | u128::from(*byte));
    if let Some(ids) = TraceIds::new(number(trace), number(span) as u64) {
        request.headers_in().set(request.pool(), PARENT, ids.header().as_bytes());
        note(request, ids);
    }
}

/// The trace context of a request, if it has one. A part of another request has no notes, and that one's headers.
pub(crate) fn ids(request: &Request<'_>) -> Option<TraceIds> {
    if !request.is_sub_request() && request.notes().get(TRACE_NOTE).is_none() {
        return None;
    }
    request.headers_in().get(PARENT).and_then(TraceIds::of_header)
}

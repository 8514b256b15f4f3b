//! All of a request in httpd for code in the same process, behind one lock: for an application facts, body, response and
//! log; for a script that decides about requests the log, and what mod_ssl knows.

use crate::apache::request::Request;
use crate::python::other_thread::this_thread;
use crate::request::body::EmbeddedBody;
use crate::request::facts::{EmbeddedFacts, Terms};
use crate::request::log_entry::{EntryLog, HttpdLog};
use crate::request::response::EmbeddedSink;
use crate::wsgi::environ::Variable;
use crate::wsgi::gateway::{
    Arrived, ArrivingBody, BodyError, ErrorLog, Exchange, FileRange, RequestFacts, ResponseSink, SinkError, Written,
};
use crate::wsgi::response::ResponseHead;
use core::sync::atomic::AtomicBool;
use std::ffi::CStr;

/// The exchange of an embedded request. Nobody else has the request while it exists.
pub(crate) struct EmbeddedExchange<'r> {
    request: &'r Request<'r>,
    /// The thread that has the request.
    thread: u64,
    facts: EmbeddedFacts<'r>,
    body: EmbeddedBody<'r>,
    sink: EmbeddedSink<'r>,
    log: EntryLog<HttpdLog<'r>>,
}

// SAFETY: REQUEST: it was made from the only reference to the request, so that everything that reaches the request, its
// connection and their memory is inside of it and is used by the one thread that has it.
unsafe impl Send for EmbeddedExchange<'_> {}

impl<'r> EmbeddedExchange<'r> {
    /// `answered` is set when httpd has answered in the application's place.
    pub(crate) fn new(request: &'r mut Request<'_>, terms: Terms<'r>, answered: &'r AtomicBool) -> Self {
        let request: &'r Request<'r> = request;
        Self {
            request,
            thread: this_thread(),
            facts: terms.facts(request),
            body: EmbeddedBody::new(request, answered),
            sink: EmbeddedSink::new(request, terms.settings.enable_sendfile, answered),
            log: EntryLog(HttpdLog { request, script: None }),
        }
    }

    /// The request, for as long as nothing else is done with the exchange.
    pub(crate) fn request(&self) -> &Request<'r> {
        self.request
    }

    pub(crate) fn response(&mut self) -> &mut EmbeddedSink<'r> {
        &mut self.sink
    }

    /// Whether there may be more of the body than was read.
    pub(crate) fn is_unread(&self) -> bool {
        self.body.is_unread()
    }

    /// Whether the client has let the time pass in which it was to send more of the body.
    pub(crate) fn is_client_too_slow(&self) -> bool {
        self.body.timed_out()
    }

    /// Remembers that other threads than that of the request use it.
    fn note_thread(&mut self) {
        if this_thread() != self.thread {
            self.sink.share();
        }
    }
}

impl Exchange for EmbeddedExchange<'_> {
    fn facts(&self) -> &dyn RequestFacts {
        &self.facts
    }

    fn body(&mut self) -> &mut dyn ArrivingBody {
        self.note_thread();
        &mut self.body
    }

    fn sink(&mut self) -> &mut dyn ResponseSink {
        self.note_thread();
        &mut self.sink
    }

    fn log(&mut self) -> &mut dyn ErrorLog {
        self.note_thread();
        &mut self.log
    }

    fn taken_back(&mut self) {
        self.body.end_wait();
    }
}

/// The exchange of a request that has come no further than to a script that decides about it. Nobody else has the request
/// while it exists.
pub(crate) struct ScriptExchange<'r> {
    request: &'r Request<'r>,
    /// For lines about the script.
    log: EntryLog<HttpdLog<'r>>,
}

// SAFETY: REQUEST: as for `EmbeddedExchange`.
unsafe impl Send for ScriptExchange<'_> {}

impl<'r> ScriptExchange<'r> {
    pub(crate) fn new(request: &'r mut Request<'_>, path: &'r [u8]) -> Self {
        let request: &'r Request<'r> = request;
        Self { request, log: EntryLog(HttpdLog { request, script: Some(path) }) }
    }
}

impl Exchange for ScriptExchange<'_> {
    fn facts(&self) -> &dyn RequestFacts {
        self
    }

    fn body(&mut self) -> &mut dyn ArrivingBody {
        self
    }

    fn sink(&mut self) -> &mut dyn ResponseSink {
        self
    }

    fn log(&mut self) -> &mut dyn ErrorLog {
        &mut self.log
    }

    fn taken_back(&mut self) {}

    fn is_over_tls(&self) -> bool {
        self.request.is_over_tls()
    }

    fn tls_variable(&self, name: &CStr) -> Option<Vec<u8>> {
        self.request.tls_variable(name).map(<[u8]>::to_vec)
    }
}

impl RequestFacts for ScriptExchange<'_> {
    /// The environ was made before.
    fn variables(&self, _visit: &mut dyn FnMut(Variable<'_>, &[u8])) {}

    fn request_start(&self) -> i64 {
        self.request.time()
    }
}

/// Scripts have no `wsgi.input`.
impl ArrivingBody for ScriptExchange<'_> {
    fn read_now(&mut self, _want: usize, _into: &mut Vec<u8>) -> Result<Arrived, BodyError> {
        Ok(Arrived::All)
    }
}

/// Scripts have no `start_response`.
impl ResponseSink for ScriptExchange<'_> {
    fn start(&mut self, _head: &ResponseHead, _length: Option<u64>) {}

    fn write(&mut self, _data: &[u8]) -> Result<Written, SinkError> {
        Err(SinkError::Answered)
    }

    fn pass_on(&mut self, _data: &[u8]) -> Result<Written, SinkError> {
        Err(SinkError::Answered)
    }

    fn keep(&mut self, _data: &[u8]) {}

    fn send_file(&mut self, _file: FileRange, _complete: bool) -> Result<(), SinkError> {
        Err(SinkError::Answered)
    }
}

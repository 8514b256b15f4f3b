//! What the host does for an application: the only things this directory asks for.

use super::environ::Variable;
use super::response::ResponseHead;
use crate::metrics::clock::Moment;
use crate::python::detached::Detached;
use crate::python::loan::{Lease, Lendable};
use crate::python::script::Event;
use core::ffi::c_void;
use core::ptr::NonNull;
use core::time::Duration;
use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// What does not change while the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessFacts {
    /// `wsgi.multithread`
    pub(crate) multithread: bool,
    /// `wsgi.multiprocess`
    pub(crate) multiprocess: bool,
    /// `wsgi.run_once`
    pub(crate) run_once: bool,
    /// `apache.version`
    pub(crate) server_version: (u32, u32, u32),
}

/// The request as CGI describes it.
pub(crate) trait RequestFacts {
    /// Calls `visit` with each variable and its bytes; a later one replaces an earlier one of the same name.
    /// Every key for which `Key::is_always_there` holds, and which the environ does not make itself, is to be among them.
    fn variables(&self, visit: &mut dyn FnMut(Variable<'_>, &[u8]));
    /// Microseconds since the epoch at which the host had the request.
    fn request_start(&self) -> i64;
    /// The id that the host's log has for the request.
    fn request_id(&self) -> Option<&[u8]> {
        None
    }
    /// When the request waited, where it did: in a process that has a queue before it.
    fn queue_times(&self) -> Option<QueueTimes> {
        None
    }
    /// The host's own record of the request, for extension modules. It is there until the call of the application has
    /// ended, and not followed here.
    fn record(&self) -> Option<NonNull<c_void>> {
        None
    }
}

/// The way of a request through a queue. What is told are times of day, in microseconds since the epoch; what took how long
/// is measured, since the time of day may be set meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueTimes {
    /// The host began to look for a process.
    pub(crate) queue_start: i64,
    /// A thread of this process took the request.
    pub(crate) daemon_start: i64,
    /// From `request_start` to `queue_start`.
    pub(crate) server: Duration,
    /// From `queue_start` to `daemon_start`.
    pub(crate) queue: Duration,
    /// The moment of `daemon_start`.
    pub(crate) daemon_moment: Moment,
    /// How many processes the host has turned to with it.
    pub(crate) connects: u8,
    /// How many have sent it away, because another one had newer code.
    pub(crate) restarts: u8,
}

/// Why a body cannot be read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BodyError(pub(crate) String);

/// The request body, for one who waits for it.
pub(crate) trait RequestBody {
    /// Appends the next bytes to `into`, at most `want`; blocks until there are some. `Ok(true)` says that the body has ended.
    ///
    /// A `want` of 0 reads nothing and does not wait for the client: one that waits for `100 Continue` gets it.
    fn read(&mut self, want: usize, into: &mut Vec<u8>) -> Result<bool, BodyError>;
}

/// What has arrived of a request body.
pub(crate) enum Arrived {
    /// The bytes that were appended, and the body goes on.
    Some,
    /// The bytes that were appended, and the body has ended.
    All,
    /// Nothing yet. Whoever wants more waits and asks again.
    Nothing(Arc<dyn Arrival>),
}

/// The next bytes of a request body on their way, or the client's taking more of the response.
pub(crate) trait Arrival: Send + Sync {
    /// Waits until that may have happened, or until it is time to ask again. Needs nothing of the exchange.
    fn wait(&self, detached: &Detached<'_>);
}

/// The request body, for one who must not keep others waiting.
pub(crate) trait ArrivingBody {
    /// Appends what has arrived to `into`, at most `want` bytes. Does not wait for more.
    fn read_now(&mut self, want: usize, into: &mut Vec<u8>) -> Result<Arrived, BodyError>;
}

/// Why a response goes no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SinkError {
    /// The client left, or reads too slowly.
    ClientGone(String),
    /// The host has answered in the application's place.
    Answered,
}

/// Part of a regular file.
pub(crate) struct FileRange {
    pub(crate) descriptor: OwnedFd,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// What a sink has taken of a block.
pub(crate) enum Written {
    All,
    /// So many bytes; whoever has more waits, and offers the rest.
    Some(usize, Arc<dyn Arrival>),
}

/// The response, on its way to the client.
pub(crate) trait ResponseSink {
    /// Takes status and headers. Nothing reaches the network yet.
    fn start(&mut self, head: &ResponseHead, length: Option<u64>);
    /// Sends bytes to the client now, as far as the client takes them.
    fn write(&mut self, data: &[u8]) -> Result<Written, SinkError>;
    /// Sends bytes that may wait on their way for those that come next, as far as the client takes them.
    fn pass_on(&mut self, data: &[u8]) -> Result<Written, SinkError>;
    /// Takes the last bytes of the response, which may wait for its end. Does not block.
    fn keep(&mut self, data: &[u8]);
    /// Sends part of a file. `complete` says that it is all of the response; else the response is cut behind it.
    fn send_file(&mut self, file: FileRange, complete: bool) -> Result<(), SinkError>;
}

/// Who raised an exception that ends up in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Raised {
    /// The callable, or the iteration of its result.
    ByApplication,
    /// SystemExit, which ends no process here.
    Exit,
    /// `close()` of the result.
    ByClose,
    /// A function that is subscribed to events.
    BySubscriber,
    /// SystemExit in such a function.
    ExitOfSubscriber,
}

/// How grave it is what an application logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Critical,
    Error,
    Warning,
    Info,
    Debug,
}

impl Severity {
    pub(crate) const ALL: [Self; 5] = [Self::Critical, Self::Error, Self::Warning, Self::Info, Self::Debug];

    /// One bit for each.
    pub(crate) fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Where in the application's source something was logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source<'a> {
    pub(crate) file: &'a str,
    pub(crate) line: u32,
}

/// What an application logs by `logging`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) severity: Severity,
    /// One line or more.
    pub(crate) text: &'a str,
    pub(crate) source: Option<Source<'a>>,
}

impl<'a> Record<'a> {
    /// The lines of the text: a newline at its end begins no further one.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &'a str> {
        self.text.split_terminator('\n')
    }
}

/// The log, in the name of the request.
pub(crate) trait ErrorLog {
    /// Whether a record of that severity would be written. Does not block.
    fn takes(&self, severity: Severity) -> bool;
    /// A record of the application.
    fn record(&mut self, record: &Record<'_>);
    /// One line that the application wrote.
    fn line(&mut self, text: &str);
    /// An exception that the application let through.
    fn exception(&mut self, raised: Raised, class: &str, traceback: &[String]);
    /// Something happens to the script that is to answer.
    fn announce(&mut self, interpreter: &str, event: &Event<'_>);
}

/// A response that is longer or shorter than its own Content-Length says, or ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The application has given all of its response to the sink.
    Complete,
    /// It let an exception through, which has been logged.
    Raised,
    /// It let `mod_wsgi.RequestTimeout` through.
    TimedOut,
    /// It gave fewer bytes than its Content-Length announced.
    Short { announced: u64, given: u64 },
    /// The client is gone.
    ClientGone,
    /// The host has answered in its place.
    Answered,
}

impl Outcome {
    /// As the client sees it: an answer to a HEAD request has no body that could be short.
    pub(crate) fn seen_by_client(self, is_head: bool) -> Self {
        match self {
            Self::Short { .. } if is_head => Self::Complete,
            outcome => outcome,
        }
    }
}

/// All that the host does for one request. Its parts share what is not made for two threads at once (the memory, the
/// connection): so it is one thing, which one thread at a time has.
pub(crate) trait Exchange: Send {
    fn facts(&self) -> &dyn RequestFacts;
    fn body(&mut self) -> &mut dyn ArrivingBody;
    fn sink(&mut self) -> &mut dyn ResponseSink;
    fn log(&mut self) -> &mut dyn ErrorLog;
    /// It is taken back from the application: whoever waits for the body is to ask once more. Does not block.
    fn taken_back(&mut self);
    /// Whether the client's connection is encrypted, where scripts may ask.
    fn is_over_tls(&self) -> bool {
        false
    }
    /// A variable of the encryption, where scripts may ask.
    fn tls_variable(&self, _name: &CStr) -> Option<Vec<u8>> {
        None
    }
}

/// What `wsgi.input`, `wsgi.errors`, `start_response` and `write` share.
pub(crate) struct ExchangeLoan;

impl Lendable for ExchangeLoan {
    type At<'a> = dyn Exchange + 'a;

    fn taken_back(lent: &mut Self::At<'_>) {
        lent.taken_back();
    }
}

/// The exchange of one request, for as long as that runs.
pub(crate) type ExchangeLease = Lease<ExchangeLoan>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newline_at_the_end_of_a_record_begins_no_line() {
        let lines = |text| Record { severity: Severity::Info, text, source: None }.lines().collect::<Vec<_>>();
        assert_eq!(lines("one\n\ntwo\n"), ["one", "", "two"]);
        assert_eq!((lines("\n"), lines("")), (vec![""], vec![]));
    }
}

//! A host that serves requests from memory and records what an application does to them.
//!
//! The tests of this directory run applications given as Python source through it: a real
//! interpreter, no server.

use super::Wsgi;
use super::application::{self, Kept};
use super::environ::{Key, Variable};
use super::errors::{LogStream, RequestErrors};
use super::gateway::{
    Arrival, Arrived, ArrivingBody, BodyError, ErrorLog, Exchange, FileRange, Outcome, ProcessFacts, Raised,
    RequestFacts, ResponseSink, Severity, SinkError, Written,
};
use super::observer::{Ending, Observed, Observer, Watched};
use super::response::ResponseHead;
use crate::metrics::RequestMeter;
use crate::python::detached::Detached;
use crate::python::{Attached, testing, traceback};
use core::ffi::c_void;
use core::ptr::NonNull;
use parking_lot::{Condvar, Mutex};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use std::any::Any;
use std::collections::VecDeque;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What the process of the tests says of itself.
pub(crate) const PROCESS: ProcessFacts =
    ProcessFacts { multithread: true, multiprocess: false, run_once: false, server_version: (2, 4, 71) };

/// `mod_wsgi.application_group` of the tests.
pub(crate) const APPLICATION_GROUP: &str = "the group";

/// What happened to the host, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// `read` of the body, for at most so many bytes.
    Read(usize),
    Start {
        status: String,
        headers: Vec<(String, String)>,
        length: Option<u64>,
    },
    Write(Vec<u8>),
    PassOn(Vec<u8>),
    Keep(Vec<u8>),
    File {
        offset: u64,
        data: Vec<u8>,
        complete: bool,
    },
    Line(String),
    Exception {
        raised: Raised,
        class: String,
        traceback: String,
    },
}

/// The record of one request, shared by the parts of the host.
#[derive(Clone, Default)]
pub(crate) struct Record(Arc<(Mutex<Vec<Event>>, Condvar)>);

impl Record {
    fn add(&self, event: Event) {
        self.0.0.lock().push(event);
        self.0.1.notify_all();
    }

    fn events(&self) -> Vec<Event> {
        self.0.0.lock().clone()
    }

    fn has_line(&self, text: &str) -> bool {
        self.0.0.lock().iter().any(|event| matches!(event, Event::Line(line) if line == text))
    }

    /// Waits for a line of the log; `false` if it does not come.
    fn has_line_soon(&self, text: &str) -> bool {
        let there =
            |events: &mut Vec<Event>| !events.iter().any(|event| matches!(event, Event::Line(line) if line == text));
        !self.0.1.wait_while_for(&mut self.0.0.lock(), there, Duration::from_secs(10)).timed_out()
    }
}

/// A name in the environ, as the host gives it.
#[derive(Clone)]
enum Name {
    Known(Key),
    Header(Vec<u8>),
    Named(Vec<u8>),
}

/// Part of a request body.
#[derive(Clone)]
enum Piece {
    /// Bytes that arrive together, as far as they are asked for.
    Bytes(Arc<[u8]>),
    /// The connection breaks.
    Failure,
}

/// What the sink does with bytes.
#[derive(Clone, Copy)]
enum Client {
    Takes,
    /// Takes so many writes, then is gone.
    LeavesAfter(usize),
    /// Takes nothing before the log has this line.
    WaitsForLine(&'static str),
    /// Takes nothing before there is this file, and keeps the exchange for so long.
    WaitsForFile(&'static str),
    /// Never sees the response, because the host has answered.
    IsAnswered,
}

/// A request to be served.
#[derive(Clone)]
pub(crate) struct Request {
    variables: Vec<(Name, Vec<u8>)>,
    body: VecDeque<Piece>,
    /// Nothing of the body arrives before the log has this line.
    body_waits_for: Option<&'static str>,
    client: Client,
    start: i64,
    lends_record: bool,
}

impl Request {
    /// `GET /app/path?a=b`, with every variable that a host always gives.
    pub(crate) fn new() -> Self {
        let request = Self {
            variables: Vec::new(),
            body: VecDeque::new(),
            body_waits_for: None,
            client: Client::Takes,
            start: 1_234_567_890_500_000,
            lends_record: false,
        };
        let variables: [(Key, &str); 24] = [
            (Key::RequestMethod, "GET"),
            (Key::RequestUri, "/app/path?a=b"),
            (Key::RequestScheme, "http"),
            (Key::ScriptName, "/app"),
            (Key::PathInfo, "/path"),
            (Key::QueryString, "a=b"),
            (Key::ServerProtocol, "HTTP/1.1"),
            (Key::ServerName, "example.org"),
            (Key::ServerPort, "8000"),
            (Key::ServerAddr, "127.0.0.1"),
            (Key::ServerSoftware, "Test/1.0"),
            (Key::RemoteAddr, "127.0.0.2"),
            (Key::RemotePort, "54321"),
            (Key::DocumentRoot, "/srv/www"),
            (Key::ContextPrefix, ""),
            (Key::ContextDocumentRoot, "/srv/www"),
            (Key::ScriptFilename, "/srv/app.wsgi"),
            (Key::ProcessGroup, ""),
            (Key::CallableObject, "application"),
            (Key::RequestHandler, "wsgi-script"),
            (Key::HandlerScript, ""),
            (Key::OriginalScriptName, "/app"),
            (Key::OriginalPathInfo, "/path"),
            (Key::ListenerHost, ""),
        ];
        let request = variables.into_iter().fold(request, |request, (key, value)| request.known(key, value));
        request.known(Key::ListenerPort, "8000").known(Key::ServerPid, "1")
    }

    /// A variable that every host knows; a later one replaces an earlier one.
    pub(crate) fn known(self, key: Key, value: impl AsRef<[u8]>) -> Self {
        self.variable(Name::Known(key), value.as_ref())
    }

    /// A request header.
    pub(crate) fn header(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.variable(Name::Header(name.into()), value.as_ref())
    }

    /// Any other variable, such as one of SetEnv.
    pub(crate) fn named(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.variable(Name::Named(name.into()), value.as_ref())
    }

    fn variable(mut self, name: Name, value: &[u8]) -> Self {
        self.variables.push((name, value.to_vec()));
        self
    }

    /// The next piece of the body; pieces arrive one by one.
    pub(crate) fn body(self, piece: impl AsRef<[u8]>) -> Self {
        self.body_repeated(piece, 1)
    }

    /// So many pieces, which share their memory.
    pub(crate) fn body_repeated(mut self, piece: impl AsRef<[u8]>, times: usize) -> Self {
        let bytes = Arc::from(piece.as_ref());
        self.body.extend(core::iter::repeat_n(Piece::Bytes(bytes), times));
        self
    }

    /// After the pieces so far the connection breaks.
    pub(crate) fn body_breaks(mut self) -> Self {
        self.body.push_back(Piece::Failure);
        self
    }

    /// Nothing of the body arrives before the log has that line.
    pub(crate) fn body_waits_for_line(mut self, line: &'static str) -> Self {
        self.body_waits_for = Some(line);
        self
    }

    /// The client takes so many blocks and is gone then.
    pub(crate) fn client_leaves_after(mut self, writes: usize) -> Self {
        self.client = Client::LeavesAfter(writes);
        self
    }

    /// The client takes nothing before the log has that line.
    pub(crate) fn client_waits_for_line(mut self, line: &'static str) -> Self {
        self.client = Client::WaitsForLine(line);
        self
    }

    /// The client takes nothing before there is that file, and keeps the exchange for so long.
    pub(crate) fn client_waits_for_file(mut self, path: &'static str) -> Self {
        self.client = Client::WaitsForFile(path);
        self
    }

    /// The host lends its own record of the request.
    pub(crate) fn with_record(mut self) -> Self {
        self.lends_record = true;
        self
    }

    /// The host has answered the client itself.
    pub(crate) fn answered_by_the_host(mut self) -> Self {
        self.client = Client::IsAnswered;
        self
    }

    /// Serves the request with `application` of the module that `source` is.
    pub(crate) fn serve(&self, source: &str) -> Response {
        with_application(source, |application| application.serve(self))
    }

    /// Serves the request with an application whose body is `statements`, with `input` and `errors`
    /// for the two streams, and which answers afterwards: none of its assertions may fail.
    pub(crate) fn holds(&self, statements: &str) -> Response {
        let source = run(|attached| call_prelude(attached, "body_of_application", (statements,))?.extract::<String>());
        let response = self.serve(&source.expect("the statements are Python"));
        assert_eq!(response.outcome, Outcome::Complete, "{response}");
        response
    }
}

/// Serves a plain request with `application` of the module that `source` is.
pub(crate) fn serve(source: &str) -> Response {
    Request::new().serve(source)
}

/// See [`Request::holds`].
pub(crate) fn holds(statements: &str) -> Response {
    Request::new().holds(statements)
}

/// What became of a request.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) outcome: Outcome,
    pub(crate) events: Vec<Event>,
}

impl core::fmt::Display for Response {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        writeln!(formatter, "{:?}", self.outcome)?;
        for event in &self.events {
            match event {
                Event::Exception { traceback, .. } => writeln!(formatter, "{traceback}")?,
                other => writeln!(formatter, "{other:?}")?,
            }
        }
        Ok(())
    }
}

impl Response {
    /// The status line; panics if no head was given to the host.
    pub(crate) fn status(&self) -> &str {
        self.head().0
    }

    pub(crate) fn headers(&self) -> Vec<(&str, &str)> {
        self.head().1.iter().map(|(name, value)| (&**name, &**value)).collect()
    }

    /// The length that the host was told to announce.
    pub(crate) fn length(&self) -> Option<u64> {
        self.head().2
    }

    fn head(&self) -> (&str, &[(String, String)], Option<u64>) {
        let mut heads = self.events.iter().filter_map(|event| match event {
            Event::Start { status, headers, length } => Some((&**status, &**headers, *length)),
            _ => None,
        });
        let head = heads.next().unwrap_or_else(|| panic!("no head was sent: {self}"));
        assert!(heads.next().is_none(), "two heads were sent: {self}");
        head
    }

    /// Whether the host was given status and headers.
    pub(crate) fn has_head(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Start { .. }))
    }

    /// The bytes of the body, however they were sent.
    pub(crate) fn body(&self) -> Vec<u8> {
        let data = self.events.iter().filter_map(|event| match event {
            Event::Write(data) | Event::PassOn(data) | Event::Keep(data) | Event::File { data, .. } => Some(&**data),
            _ => None,
        });
        data.collect::<Vec<_>>().concat()
    }

    /// The blocks that went to the client at once, as text.
    pub(crate) fn blocks(&self) -> Vec<&str> {
        self.find(|event| match event {
            Event::Write(data) => Some(core::str::from_utf8(data).expect("a test writes text")),
            _ => None,
        })
    }

    /// The pieces of a ready body that the host need not send at once, as text.
    pub(crate) fn pieces(&self) -> Vec<&str> {
        self.find(|event| match event {
            Event::PassOn(data) => Some(core::str::from_utf8(data).expect("a test writes text")),
            _ => None,
        })
    }

    /// The file that was sent: its offset and bytes.
    pub(crate) fn file(&self) -> Option<(u64, &[u8])> {
        self.find(|event| if let Event::File { offset, data, .. } = event { Some((*offset, &**data)) } else { None })
            .pop()
    }

    /// The lines of the log.
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.find(|event| if let Event::Line(line) = event { Some(&**line) } else { None })
    }

    /// The exceptions that were logged: who raised them, and their classes.
    pub(crate) fn exceptions(&self) -> Vec<(Raised, &str)> {
        self.find(
            |event| if let Event::Exception { raised, class, .. } = event { Some((*raised, &**class)) } else { None },
        )
    }

    /// How many bytes were asked of the body, read by read.
    pub(crate) fn reads(&self) -> Vec<usize> {
        self.find(|event| if let Event::Read(want) = event { Some(*want) } else { None })
    }

    fn find<'a, T>(&'a self, choose: impl FnMut(&'a Event) -> Option<T>) -> Vec<T> {
        self.events.iter().filter_map(choose).collect()
    }

    /// The event of the line; to compare what came before it with what came after.
    pub(crate) fn position_of_line(&self, text: &str) -> usize {
        let found = self.events.iter().position(|event| matches!(event, Event::Line(line) if line == text));
        found.unwrap_or_else(|| panic!("no line '{text}': {self}"))
    }
}

/// A loaded application, on a thread attached to the interpreter.
pub(crate) struct Application<'a, 'py> {
    attached: &'a Attached<'py>,
    wsgi: &'a Wsgi,
    kept: Kept,
    module: Bound<'py, PyDict>,
    watching: Watching<'a>,
}

/// Lends what watches a request of that id, while it runs.
pub(crate) type Watching<'a> = &'a dyn Fn(Option<&[u8]>, &mut dyn FnMut(&Watched));

/// An observer that nobody has asked for anything.
struct Silent;

impl Observer for Silent {
    fn meter(&self, _: Python<'_>, _: u64) -> Option<Arc<RequestMeter>> {
        None
    }

    fn started<'py>(
        &self,
        _: &Observed<'_>,
        _: &Bound<'py, PyDict>,
        _: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(None)
    }

    fn response_started(
        &self,
        _: u64,
        _: &RequestErrors,
        _: &Bound<'_, PyAny>,
        _: &Bound<'_, PyAny>,
        _: Option<&Bound<'_, PyTuple>>,
    ) -> PyResult<()> {
        Ok(())
    }

    fn raised(&self, _: Python<'_>, _: &Observed<'_>, _: &PyErr) {}

    fn finished(&self, _: Python<'_>, _: &Observed<'_>, _: Option<&RequestMeter>, _: &dyn Fn() -> Ending) {}
}

/// Watches nothing.
fn silently(_: Option<&[u8]>, serve: &mut dyn FnMut(&Watched)) {
    serve(&Watched { observer: Arc::new(Silent), request: 0 });
}

/// Loads `source` and gives it to `body`, on this thread.
pub(crate) fn with_application<R>(source: &str, body: impl FnOnce(&Application<'_, '_>) -> R) -> R {
    run(|attached| {
        let module = load(attached, source).unwrap_or_else(|error| panic!("{}", shown(attached.py, &error)));
        let wsgi = wsgi(attached);
        body(&Application::new(attached, wsgi, module, &silently))
    })
}

/// Loads `source` once and gives it to `body` on so many threads side by side.
pub(super) fn on_threads(source: &str, threads: usize, body: impl Fn(&Application<'_, '_>) + Sync) {
    let loaded = run(|attached| load(attached, source).map(Bound::unbind).map_err(|error| shown(attached.py, &error)));
    let module = loaded.unwrap_or_else(|error| panic!("{error}"));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                run(|attached| {
                    let module = module.bind(attached.py).clone();
                    body(&Application::new(attached, wsgi(attached), module, &silently));
                });
            });
        }
    });
    run(|attached| drop(module.into_bound(attached.py)));
}

impl<'a, 'py> Application<'a, 'py> {
    /// The application of a module, with a host that has its requests watched.
    pub(crate) fn new(
        attached: &'a Attached<'py>,
        wsgi: &'a Wsgi,
        module: Bound<'py, PyDict>,
        watching: Watching<'a>,
    ) -> Self {
        let kept = Kept::new(attached.py, wsgi, APPLICATION_GROUP).expect("a template");
        Self { attached, wsgi, kept, module, watching }
    }
}

impl Application<'_, '_> {
    /// Serves one request.
    pub(crate) fn serve(&self, request: &Request) -> Response {
        let py = self.attached.py;
        let application =
            self.module.get_item("application").expect("a dictionary").expect("the source defines application");
        let record = Record::default();
        let facts = RecordedFacts(request);
        let body = RecordedBody {
            record: record.clone(),
            pieces: request.body.clone(),
            given: 0,
            waits_for: request.body_waits_for,
        };
        let sink = RecordedSink { record: record.clone(), client: request.client, writes: 0 };
        let log = RecordedLog(record.clone());
        let mut exchange = RecordedExchange { facts, body, sink, log };
        let mut outcome = None;
        (self.watching)(RecordedFacts(request).request_id(), &mut |watched| {
            let run = application::run(self.attached, self.wsgi, &self.kept, watched, &application, &mut exchange);
            outcome = Some(run.unwrap_or_else(|error| panic!("{}", shown(py, &error))));
        });
        let outcome = outcome.expect("whoever watches serves");
        Response { outcome, events: record.events() }
    }

    /// Runs statements in the module, outside of any request; they assert.
    pub(crate) fn holds_outside(&self, statements: &str) {
        let py = self.attached.py;
        let holds = call_prelude(self.attached, "run_in", (&self.module, statements, source_name()));
        holds.map(drop).unwrap_or_else(|error| panic!("{}", shown(py, &error)));
    }

    /// Sets a variable of the module to a stream as `sys.stderr` is one. See [`reported`].
    pub(crate) fn set_process_stream(&self, name: &str) {
        let (py, wsgi) = (self.attached.py, self.wsgi);
        let report = |line: &str| REPORTED.lock().push(line.to_owned());
        let stream = LogStream::Process { name: "<stderr>", partial: Mutex::default(), report };
        let binary = wsgi.log_stream.instance(py, stream).expect("an instance");
        let stream = application::text_stream(py, wsgi, binary.as_any()).expect("a stream");
        self.module.set_item(name, stream).expect("a dictionary");
    }

    /// Sets a variable of the module to bytes.
    pub(crate) fn set(&self, name: &str, value: &[u8]) {
        self.module.set_item(name, PyBytes::new(self.attached.py, value)).expect("a dictionary");
    }
}

/// Lines that streams of the process gave to the server rather than to a request, from all tests.
static REPORTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The lines with `word` that streams of the process gave to the server.
pub(crate) fn reported(word: &str) -> Vec<String> {
    REPORTED.lock().iter().filter(|line| line.contains(word)).cloned().collect()
}

/// Runs `body` on a thread attached to the interpreter of the tests.
pub(crate) fn run<R>(body: impl for<'py> FnOnce(&Attached<'py>) -> R) -> R {
    testing::interpreter(set_up).run(body)
}

fn set_up(attached: &Attached<'_>) -> PyResult<Box<dyn Any + Send + Sync>> {
    let source = std::ffi::CString::new(include_str!("testing.py"))?;
    let prelude = PyModule::from_code(attached.py, &source, c"testing.py", c"testing")?;
    let wsgi = Wsgi::new(attached.py, PROCESS)?;
    Ok(Box::new(Belongings { wsgi, prelude: prelude.unbind() }))
}

struct Belongings {
    wsgi: Wsgi,
    prelude: Py<PyModule>,
}

fn belongings<'a>(attached: &'a Attached<'_>) -> &'a Belongings {
    attached.interpreter.belongings().expect("the interpreter is set up")
}

fn wsgi<'a>(attached: &'a Attached<'_>) -> &'a Wsgi {
    &belongings(attached).wsgi
}

fn call_prelude<'py>(
    attached: &Attached<'py>,
    function: &str,
    arguments: impl pyo3::call::PyCallArgs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    belongings(attached).prelude.bind(attached.py).getattr(function)?.call1(arguments)
}

/// The module that `source` is, which finds `names` among its own.
pub(crate) fn load_with<'py>(attached: &Attached<'py>, source: &str, names: &Bound<'py, PyDict>) -> Bound<'py, PyDict> {
    let module = call_prelude(attached, "load", (source, source_name(), names));
    let module = module.unwrap_or_else(|error| panic!("{}", shown(attached.py, &error)));
    module.cast_into().expect("a dictionary")
}

fn load<'py>(attached: &Attached<'py>, source: &str) -> PyResult<Bound<'py, PyDict>> {
    Ok(call_prelude(attached, "load", (source, source_name()))?.cast_into()?)
}

/// A name for each piece of source, so that a traceback shows the right one.
fn source_name() -> String {
    static LOADED: AtomicUsize = AtomicUsize::new(0);
    format!("<application {}>", LOADED.fetch_add(1, Ordering::Relaxed))
}

fn shown(py: Python<'_>, error: &PyErr) -> String {
    traceback::lines(py, error).join("\n")
}

struct RecordedFacts<'r>(&'r Request);

impl RequestFacts for RecordedFacts<'_> {
    fn variables(&self, visit: &mut dyn FnMut(Variable<'_>, &[u8])) {
        for (name, value) in &self.0.variables {
            let name = match name {
                Name::Known(key) => Variable::Known(*key),
                Name::Header(name) => Variable::Header(name),
                Name::Named(name) => Variable::Named(name),
            };
            visit(name, value);
        }
    }

    fn request_start(&self) -> i64 {
        self.0.start
    }

    fn request_id(&self) -> Option<&[u8]> {
        let mut known = self.0.variables.iter();
        known.find_map(|(name, value)| matches!(name, Name::Known(Key::RequestId)).then_some(&**value))
    }

    fn record(&self) -> Option<NonNull<c_void>> {
        self.0.lends_record.then(|| NonNull::from(self.0).cast())
    }
}

struct RecordedExchange<'r> {
    facts: RecordedFacts<'r>,
    body: RecordedBody,
    sink: RecordedSink,
    log: RecordedLog,
}

impl Exchange for RecordedExchange<'_> {
    fn facts(&self) -> &dyn RequestFacts {
        &self.facts
    }

    fn body(&mut self) -> &mut dyn ArrivingBody {
        &mut self.body
    }

    fn sink(&mut self) -> &mut dyn ResponseSink {
        &mut self.sink
    }

    fn log(&mut self) -> &mut dyn ErrorLog {
        &mut self.log
    }

    fn taken_back(&mut self) {}
}

/// A body that arrives when the log has a line.
struct LineAwaited(Record, &'static str);

impl Arrival for LineAwaited {
    fn wait(&self, _: &Detached<'_>) {
        assert!(self.0.has_line_soon(self.1), "nothing said '{}' while the body was awaited", self.1);
    }
}

struct RecordedBody {
    record: Record,
    pieces: VecDeque<Piece>,
    /// Bytes of the first piece that were read.
    given: usize,
    waits_for: Option<&'static str>,
}

impl ArrivingBody for RecordedBody {
    fn read_now(&mut self, want: usize, into: &mut Vec<u8>) -> Result<Arrived, BodyError> {
        if let Some(line) = self.waits_for.take() {
            return Ok(Arrived::Nothing(Arc::new(LineAwaited(self.record.clone(), line))));
        }
        self.record.add(Event::Read(want));
        match self.pieces.front() {
            None => Ok(Arrived::All),
            Some(Piece::Failure) => Err(BodyError("connection reset".into())),
            Some(Piece::Bytes(bytes)) => {
                let rest = &bytes[self.given..];
                let data = &rest[..want.min(rest.len())];
                into.extend_from_slice(data);
                self.given += data.len();
                if self.given == bytes.len() {
                    self.pieces.pop_front();
                    self.given = 0;
                }
                Ok(Arrived::Some)
            }
        }
    }
}

fn is_there_soon(path: &str) -> bool {
    (0..1000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        std::fs::remove_file(path).is_ok()
    })
}

struct RecordedSink {
    record: Record,
    client: Client,
    writes: usize,
}

impl RecordedSink {
    fn take(&mut self) -> Result<(), SinkError> {
        self.writes += 1;
        match self.client {
            Client::Takes => Ok(()),
            Client::LeavesAfter(writes) if self.writes <= writes => Ok(()),
            Client::LeavesAfter(_) => Err(SinkError::ClientGone("broken pipe".into())),
            Client::WaitsForLine(_) => Ok(()),
            Client::WaitsForFile(path) if is_there_soon(path) => Ok(()),
            Client::WaitsForFile(path) => Err(SinkError::ClientGone(format!("nothing made '{path}' during the write"))),
            Client::IsAnswered => Err(SinkError::Answered),
        }
    }
}

impl ResponseSink for RecordedSink {
    fn start(&mut self, head: &ResponseHead, length: Option<u64>) {
        let text = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
        let headers = head.headers().map(|(name, value)| (text(name), text(value))).collect();
        self.record.add(Event::Start { status: text(head.status_line()), headers, length });
    }

    fn write(&mut self, data: &[u8]) -> Result<Written, SinkError> {
        if let Client::WaitsForLine(line) = self.client
            && !self.record.has_line(line)
        {
            return Ok(Written::Some(0, Arc::new(LineAwaited(self.record.clone(), line))));
        }
        self.take()?;
        self.record.add(Event::Write(data.to_vec()));
        Ok(Written::All)
    }

    fn pass_on(&mut self, data: &[u8]) -> Result<Written, SinkError> {
        self.take()?;
        self.record.add(Event::PassOn(data.to_vec()));
        Ok(Written::All)
    }

    fn keep(&mut self, data: &[u8]) {
        self.record.add(Event::Keep(data.to_vec()));
    }

    fn send_file(&mut self, range: FileRange, complete: bool) -> Result<(), SinkError> {
        self.take()?;
        let mut data = vec![0; usize::try_from(range.length).expect("a small file")];
        let file = std::fs::File::from(range.descriptor);
        file.read_exact_at(&mut data, range.offset).expect("the range lies within the file");
        self.record.add(Event::File { offset: range.offset, data, complete });
        Ok(())
    }
}

struct RecordedLog(Record);

impl ErrorLog for RecordedLog {
    fn takes(&self, severity: Severity) -> bool {
        severity != Severity::Debug
    }

    fn record(&mut self, record: &super::gateway::Record<'_>) {
        record.lines().for_each(|line| self.0.add(Event::Line(format!("{:?}: {line}", record.severity))));
    }

    fn line(&mut self, text: &str) {
        self.0.add(Event::Line(text.to_owned()));
    }

    fn announce(&mut self, _interpreter: &str, _event: &crate::python::script::Event<'_>) {}

    fn exception(&mut self, raised: Raised, class: &str, traceback: &[String]) {
        self.0.add(Event::Exception { raised, class: class.to_owned(), traceback: traceback.join("\n") });
    }
}

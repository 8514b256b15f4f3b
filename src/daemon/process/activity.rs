//! What the request threads of this process do, for those who watch over it: the limits of the main thread.

use crate::events::Serving;
use crate::events::slow_record::Texts;
use crate::metrics::clock::Moment;
use crate::observe::trace_context::TraceIds;
use crate::python::{Attached, Interpreter, other_thread};
use crate::wsgi::environ::Variable;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use core::time::Duration;
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::wire::request_head::RequestHead;

/// What is known of one request thread.
#[derive(Default)]
pub(crate) struct Worker {
    /// As `threading.get_ident()` has it.
    thread: AtomicU64,
    running: Mutex<Running>,
}

/// What a request thread does. The lock is held for moments only, and by no one who attaches meanwhile.
#[derive(Default)]
struct Running {
    /// Counts its requests: the same number is the same request.
    request: u64,
    /// When its request began, in milliseconds of [`now`]; `None` while it has none.
    since: Option<u64>,
    /// The payload of its request frame.
    head: Option<Arc<Vec<u8>>>,
    /// Whether its code may have run: what only waits for Python is not lost with this process.
    begun: bool,
    /// Where an exception may be raised in it now.
    interpreter: Option<&'static Interpreter>,
    /// Whether one has been.
    raised: bool,
}

/// The request threads of this process.
static WORKERS: OnceLock<Box<[Worker]>> = OnceLock::new();
/// When this process began to count time.
static START: OnceLock<Instant> = OnceLock::new();
/// When the application last did something, in milliseconds of [`now`]; 0 before the first request.
static LAST: AtomicU64 = AtomicU64::new(0);
/// When the first request came, in milliseconds of [`now`]; 0 before it.
static FIRST: AtomicU64 = AtomicU64::new(0);
/// How many requests have ended.
static SERVED: AtomicU64 = AtomicU64::new(0);
/// Whether any application has been loaded.
static LOADED: AtomicBool = AtomicBool::new(false);

/// Milliseconds since this process began to count, never 0.
pub(crate) fn now() -> u64 {
    let start = START.get_or_init(Instant::now);
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}

/// Makes room for so many request threads.
pub(crate) fn prepare(threads: usize) {
    now();
    WORKERS.get_or_init(|| (0..threads).map(|_| Worker::default()).collect());
}

/// The request threads.
pub(crate) fn workers() -> &'static [Worker] {
    WORKERS.get().map_or(&[], |workers| workers)
}

/// A request as another thread sees it.
pub(crate) struct Seen {
    /// The same number is the same request, in one thread.
    pub(crate) request: u64,
    /// In milliseconds.
    pub(crate) age: u64,
    /// Whether its code may have run.
    pub(crate) begun: bool,
    /// Where it runs Python, if it does.
    pub(crate) interpreter: Option<&'static Interpreter>,
    head: Arc<Vec<u8>>,
}

impl Worker {
    /// The request that it has now.
    pub(crate) fn request(&self) -> Option<Seen> {
        let running = self.running.lock();
        let since = running.since?;
        let head = running.head.clone()?;
        let age = now().saturating_sub(since);
        let Running { request, begun, interpreter, .. } = *running;
        Some(Seen { request, age, begun, interpreter, head })
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.running.lock().since.is_some()
    }

    /// The thread, as `threading.get_ident()` has it.
    pub(crate) fn thread(&self) -> u64 {
        self.thread.load(Relaxed)
    }

    /// Says that this thread is it.
    pub(crate) fn is_this_thread(&self) {
        self.thread.store(other_thread::this_thread(), Relaxed);
    }

    /// A request begins; it ends when the guard is dropped.
    pub(crate) fn begin(&self, head: Arc<Vec<u8>>, activity: Activity) -> Busy<'_> {
        let now = now();
        if FIRST.load(Relaxed) == 0 {
            FIRST.store(now, Relaxed);
        }
        activity.note();
        let mut running = self.running.lock();
        running.request += 1;
        running.since = Some(now);
        running.head = Some(head);
        running.begun = false;
        Busy { worker: self, activity }
    }

    /// The code of its request may run from here on.
    pub(crate) fn note_begun(&self) {
        self.running.lock().begun = true;
    }

    /// Runs `body`, in which an exception may be raised; behind it none of this request is.
    pub(crate) fn interruptible<R>(&self, attached: &Attached<'_>, body: impl FnOnce() -> R) -> R {
        let _open = Open::new(self, attached);
        body()
    }

    /// Raises `mod_wsgi.RequestTimeout` in that request, if it runs in the interpreter attached to.
    pub(crate) fn interrupt(&self, attached: &Attached<'_>, request: u64) -> bool {
        let Some(serving) = attached.interpreter.belongings::<Serving>() else { return false };
        let mut running = self.running.lock();
        let is_here = running.interpreter.is_some_and(|interpreter| core::ptr::eq(interpreter, attached.interpreter));
        if running.request != request || !is_here {
            return false;
        }
        running.raised = other_thread::raise(serving.wsgi.request_timeout.bind(attached.py), self.thread());
        running.raised
    }
}

/// The part of a request in which an exception may be raised.
struct Open<'w, 'a, 'py> {
    worker: &'w Worker,
    attached: &'a Attached<'py>,
}

impl<'w, 'a, 'py> Open<'w, 'a, 'py> {
    fn new(worker: &'w Worker, attached: &'a Attached<'py>) -> Self {
        worker.running.lock().interpreter = Some(attached.interpreter);
        Self { worker, attached }
    }
}

impl Drop for Open<'_, '_, '_> {
    fn drop(&mut self) {
        let mut running = self.worker.running.lock();
        running.interpreter = None;
        let raised = core::mem::take(&mut running.raised);
        drop(running);
        if raised {
            // It may have come too late for this request, and is not for the next.
            other_thread::take_back(self.attached.py);
        }
    }
}

/// A request under way.
pub(crate) struct Busy<'w> {
    worker: &'w Worker,
    activity: Activity,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.activity.note();
        let mut running = self.worker.running.lock();
        running.since = None;
        running.head = None;
        drop(running);
        SERVED.fetch_add(1, Relaxed);
    }
}

impl Seen {
    /// The time since httpd began to look for a process, which is a bit less than the request's age.
    pub(crate) fn time_since_queued(&self, now: Moment) -> Duration {
        let (head, _) = RequestHead::read(&self.head).unzip();
        head.map_or(Duration::ZERO, |head| now.since(head.queue_moment))
    }

    /// What the log calls it.
    pub(crate) fn id(&self) -> String {
        let (_, variables) = RequestHead::read(&self.head).unzip();
        let id = variables.and_then(|variables| variables.request_id()).unwrap_or(b"-");
        String::from_utf8_lossy(id).into_owned()
    }
}

impl Seen {
    /// What its variables tell, for telemetry.
    pub(crate) fn texts(&self) -> Texts {
        let (_, variables) = RequestHead::read(&self.head).unzip();
        let mut texts = Texts::default();
        if let Some(variables) = variables {
            variables.visit(&mut |variable, value| texts.take(variable, value));
        }
        texts
    }

    /// Its trace context, if it has one.
    pub(crate) fn trace(&self) -> Option<TraceIds> {
        let (_, variables) = RequestHead::read(&self.head).unzip();
        let mut ids = None;
        variables?.visit(&mut |variable, value| {
            if let Variable::Header(name) = variable
                && name.eq_ignore_ascii_case(b"traceparent")
            {
                ids = TraceIds::of_header(value);
            }
        });
        ids
    }

    /// Whether the logs call it so.
    pub(crate) fn has_id(&self, id: &[u8]) -> bool {
        RequestHead::read(&self.head).is_some_and(|(_, variables)| variables.request_id() == Some(id))
    }
}

impl fmt::Display for Seen {
    /// Names the request for the log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((head, variables)) = RequestHead::read(&self.head) else { return formatter.write_str("a request") };
        let id = String::from_utf8_lossy(variables.request_id().unwrap_or(b"-"));
        let script = String::from_utf8_lossy(head.script);
        let seconds = Duration::from_millis(self.age).as_secs_f32();
        write!(formatter, "request {id} of '{script}', which has run for {seconds:.1} s")
    }
}

/// How many requests have ended.
pub(crate) fn served() -> u64 {
    SERVED.load(Relaxed)
}

/// A sign of life of an application, unless its request is not to count (`WSGIIgnoreActivity`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Activity {
    pub(crate) counts: bool,
}

impl Activity {
    /// The application did something.
    pub(crate) fn note(self) {
        if self.counts {
            LAST.store(now(), Relaxed);
        }
    }
}

/// How long ago an application did something, in milliseconds; `None` before the first request.
pub(crate) fn idle() -> Option<u64> {
    match LAST.load(Relaxed) {
        0 => None,
        last => Some(now().saturating_sub(last)),
    }
}

/// How long ago the first request came, in milliseconds; `None` before it.
pub(crate) fn first_request() -> Option<u64> {
    match FIRST.load(Relaxed) {
        0 => None,
        first => Some(now().saturating_sub(first)),
    }
}

/// An application has been loaded.
pub(crate) fn note_loaded() {
    LOADED.store(true, Relaxed);
}

/// Whether an application has been loaded.
pub(crate) fn has_loaded() -> bool {
    LOADED.load(Relaxed)
}

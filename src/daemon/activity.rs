//! What the request threads of this process do, for those who watch over it: the limits of the main thread.

use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::OnceLock;
use std::time::Instant;

/// What is known of one request thread.
#[derive(Default)]
pub(crate) struct Worker {
    /// When its request began, in milliseconds of [`now`], plus one; 0 while it has none.
    since: AtomicU64,
    /// Counts its requests: the same number is the same request.
    request: AtomicU64,
    /// As `threading.get_ident()` has it.
    thread: AtomicU64,
    /// The place of its interpreter in the list of all; none below 0 ... stored plus one.
    interpreter: AtomicUsize,
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

impl Worker {
    /// How long its request has run, in milliseconds, and the number of that request; `None` if it has none.
    pub(crate) fn busy(&self) -> Option<(u64, u64)> {
        let request = self.request.load(Relaxed);
        match self.since.load(Relaxed) {
            0 => None,
            since => Some((now().saturating_sub(since), request)),
        }
    }

    /// The thread, as `threading.get_ident()` has it.
    pub(crate) fn thread(&self) -> u64 {
        self.thread.load(Relaxed)
    }

    /// The place of the interpreter that the request runs in, among all of the process.
    pub(crate) fn interpreter(&self) -> Option<usize> {
        self.interpreter.load(Relaxed).checked_sub(1)
    }

    /// Says in which interpreter the request runs.
    pub(crate) fn enter(&self, interpreter: Option<usize>) {
        self.interpreter.store(interpreter.map_or(0, |interpreter| interpreter + 1), Relaxed);
    }

    /// Says which thread this is.
    pub(crate) fn name_thread(&self, ident: u64) {
        self.thread.store(ident, Relaxed);
    }

    /// A request begins; it ends when the guard is dropped.
    pub(crate) fn begin(&self) -> Busy<'_> {
        self.request.fetch_add(1, Relaxed);
        let now = now();
        if FIRST.load(Relaxed) == 0 {
            FIRST.store(now, Relaxed);
        }
        self.since.store(now, Relaxed);
        Busy(self)
    }
}

/// A request under way.
pub(crate) struct Busy<'w>(&'w Worker);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.enter(None);
        self.0.since.store(0, Relaxed);
        SERVED.fetch_add(1, Relaxed);
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

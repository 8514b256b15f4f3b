#![forbid(unsafe_code)]
//! What requests cost, counted from `mod_wsgi.start_recording_metrics()` on.
//!
//! Each request thread has a [`Slot`](slot) of its own, with a lock of its own that nobody else takes but a reader, for
//! the moment of copying numbers. A request is entered there once, when it ends, with all that is known of it; a reader
//! takes what is there and leaves nothing. So a request is in one window as a whole: none is lost, none is there twice.
//! The time of a request that is under way is divided at the moment at which a reader looks.
//!
//! Nobody who holds one of these locks waits for Python.

pub(crate) mod clock;
mod counts;
mod distribution;
mod recorder;
mod slot;
mod usage;

pub(crate) use counts::{Counts, Phase, Sample};
pub(crate) use recorder::{Process, Recorder, Window};
pub(crate) use slot::ThreadWindow;
pub(crate) use usage::{CpuUsage, Memory};

use core::cell::{Cell, OnceCell};
use slot::Slot;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Made when recording starts: a process that does not record looks here twice per request, and does no more.
static RECORDER: OnceLock<Recorder> = OnceLock::new();

thread_local! {
    static SEAT: OnceCell<Seat> = const { OnceCell::new() };
}

/// A slot that belongs to this thread until the thread ends.
struct Seat(Arc<Slot>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

/// Records from now on, in a process that has so many request threads.
pub(crate) fn start(threads: usize) {
    RECORDER.get_or_init(|| Recorder::new(threads));
}

/// What this process records. A copy of the process (`os.fork()`) records nothing.
pub(crate) fn recorder() -> Option<&'static Recorder> {
    RECORDER.get().filter(|recorder| recorder.is_of_this_process())
}

/// A request of this thread begins, if requests are recorded. `number` tells the number of the thread.
pub(crate) fn begin(number: fn() -> i64) -> Option<Request> {
    let recorder = RECORDER.get()?;
    let slot = SEAT.with(|seat| seat.get_or_init(|| Seat(recorder.take_slot(number()))).0.clone());
    slot.begin(Instant::now());
    Some(Request { slot, sample: Cell::new(None), is_counted: Cell::new(true) })
}

/// A request under way. It is entered when this is dropped.
pub(crate) struct Request {
    slot: Arc<Slot>,
    sample: Cell<Option<Sample>>,
    is_counted: Cell<bool>,
}

impl Request {
    /// The application has been called, and this is what it took.
    pub(crate) fn note(&self, sample: Sample) {
        self.sample.set(Some(sample));
    }

    /// Another process, or the same thread again, is to serve the request: it is not counted here.
    pub(crate) fn withdraw(&self) {
        self.is_counted.set(false);
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.slot.end(Instant::now(), self.is_counted.get(), self.sample.take().as_ref());
    }
}

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
mod meter;
mod recorder;
mod slot;
mod usage;

pub(crate) use counts::{Counts, Phase, Sample};
pub(crate) use meter::{CpuTime, RequestMeter, Transfer};
pub(crate) use recorder::{Process, Recorder, Window};
pub(crate) use slot::ThreadWindow;
pub(crate) use usage::{CpuUsage, Memory};

use core::cell::{Cell, OnceCell};
use core::time::Duration;
use slot::Slot;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Made when recording starts, for whoever reads: the application ([`start`]), the collector of telemetry
/// ([`start_telemetry`]). Each has windows of its own. A process that does not record looks here twice per request, and does
/// no more.
static RECORDERS: [OnceLock<Recorder>; READERS] = [const { OnceLock::new() }; READERS];
const READERS: usize = 2;
const APPLICATION: usize = 0;
const TELEMETRY: usize = 1;

thread_local! {
    static SEATS: [OnceCell<Seat>; READERS] = const { [const { OnceCell::new() }; READERS] };
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
    RECORDERS[APPLICATION].get_or_init(|| Recorder::new(threads));
}

/// Records for the collector from now on.
pub(crate) fn start_telemetry(threads: usize) {
    RECORDERS[TELEMETRY].get_or_init(|| Recorder::new(threads));
}

/// What this process records. A copy of the process (`os.fork()`) records nothing.
pub(crate) fn recorder() -> Option<&'static Recorder> {
    RECORDERS[APPLICATION].get().filter(|recorder| recorder.is_of_this_process())
}

/// Whether anyone reads what is recorded.
pub(crate) fn is_recording() -> bool {
    RECORDERS.iter().any(|recorder| recorder.get().is_some())
}

/// What this process records for the collector.
pub(crate) fn telemetry() -> Option<&'static Recorder> {
    RECORDERS[TELEMETRY].get().filter(|recorder| recorder.is_of_this_process())
}

/// A request of this thread begins, if requests are recorded. `number` tells the number of the thread.
pub(crate) fn begin(number: fn() -> i64) -> Option<RecordedRequest> {
    if !is_recording() {
        return None;
    }
    let request = RecordedRequest {
        slots: [const { OnceCell::new() }; READERS],
        began: Instant::now(),
        thread: number(),
        active_at_start: RECORDERS[TELEMETRY].get().map(Recorder::enter),
        sample: Cell::new(None),
        is_counted: Cell::new(true),
    };
    request.join();
    Some(request)
}

/// A request under way. It is entered when this is dropped.
pub(crate) struct RecordedRequest {
    slots: [OnceCell<Arc<Slot>>; READERS],
    began: Instant,
    thread: i64,
    /// How many requests ran in the process when it began, where there is a collector.
    active_at_start: Option<u64>,
    sample: Cell<Option<Sample>>,
    is_counted: Cell<bool>,
}

impl RecordedRequest {
    /// Has it recorded for all who read by now.
    pub(crate) fn join(&self) {
        for (at, recorder) in RECORDERS.iter().enumerate() {
            let Some(recorder) = recorder.get().filter(|_| self.slots[at].get().is_none()) else { continue };
            let take = || Seat(recorder.take_slot(self.thread));
            let slot = SEATS.with(|seats| seats[at].get_or_init(take).0.clone());
            slot.begin(Instant::now());
            // This thread alone knows the cell, and it was empty.
            let _ = self.slots[at].set(slot);
        }
    }

    /// The application has been called, and this is what it took.
    pub(crate) fn note(&self, sample: Sample) {
        self.sample.set(Some(sample));
    }

    /// What the application took, if it has been called.
    pub(crate) fn sample(&self) -> Option<Sample> {
        let sample = self.sample.take();
        self.sample.set(sample.clone());
        sample
    }

    /// How long it has run.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The number of its thread.
    pub(crate) fn thread(&self) -> u64 {
        self.thread.unsigned_abs()
    }

    /// How many requests ran in the process when it began, itself included.
    pub(crate) fn active_at_start(&self) -> u64 {
        self.active_at_start.unwrap_or_default()
    }

    /// Another process, or the same thread again, is to serve the request: it is not counted here.
    pub(crate) fn withdraw(&self) {
        self.is_counted.set(false);
    }
}

impl Drop for RecordedRequest {
    fn drop(&mut self) {
        let (now, sample) = (Instant::now(), self.sample.take());
        for slot in self.slots.iter().filter_map(OnceCell::get) {
            slot.end(now, self.is_counted.get(), sample.as_ref());
        }
        if self.active_at_start.is_some()
            && let Some(recorder) = RECORDERS[TELEMETRY].get()
        {
            recorder.leave();
        }
    }
}

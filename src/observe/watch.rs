//! A request of a thread of httpd, from the handler's begin to its end: counted once, and shown while it runs.

use super::board::{Board, board};
use super::clock;
use super::meter::{Meter, Outcome, Subject};
use super::threads::{Description, Phase};
use super::trace_context::TraceIds;
use crate::unix::fork;
use crate::unix::process::{native_thread, this_thread};
use core::cell::Cell;
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// The threads of this process that have a row. Locked when a thread takes a row or ends, never for a request.
static THREADS: Mutex<BTreeMap<usize, u64>> = Mutex::new(BTreeMap::new());

/// The thread of this process that has a row, as `threading.get_ident()` has it.
pub(crate) fn thread_of(row: usize) -> Option<u64> {
    THREADS.lock().get(&row).copied()
}

thread_local! {
    static SEAT: Seat = Seat::take();
}

/// What a thread has of the board, until it ends.
struct Seat {
    board: Option<&'static Board>,
    row: Option<usize>,
    /// The process that took it. A copy of the process (`os.fork()`) counts nothing.
    process: u32,
    /// Whether a request is being watched: one within it is a part of it.
    is_taken: Cell<bool>,
    /// Whether the response of the request has been cut short.
    is_cut: Cell<bool>,
    /// What counts the request, once it is clear who serves it.
    meter: Cell<Option<&'static Meter>>,
}

impl Seat {
    fn take() -> Self {
        let process = std::process::id();
        let board = board();
        let row = board.and_then(|board| board.threads.take(process, native_thread()));
        if let Some(row) = row {
            THREADS.lock().insert(row, this_thread());
        }
        Self { board, row, process, is_taken: Cell::new(false), is_cut: Cell::new(false), meter: Cell::new(None) }
    }

    fn is_of_this_process(&self) -> bool {
        // The system is not asked for the process each time.
        !fork::is_copy()
    }

    /// The row of the request that is being watched.
    fn watched(&self) -> Option<(&'static Board, usize)> {
        if self.is_taken.get() { self.board.zip(self.row) } else { None }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let (Some(board), Some(row)) = (self.board, self.row)
            && self.is_of_this_process()
        {
            THREADS.lock().remove(&row);
            if !board.has_open(row) {
                board.threads.free(row);
            }
        }
    }
}

/// A request that is being counted. If it is dropped without an end, it ended with a panic: an error of the server.
pub(crate) struct Watch {
    began: u64,
    meter: Cell<Option<&'static Meter>>,
    trace: Cell<Option<TraceIds>>,
    has_ended: Cell<bool>,
}

impl Watch {
    /// The request of this thread begins; `None` if it is part of another one, or nothing is counted here.
    pub(crate) fn begin() -> Option<Self> {
        SEAT.with(|seat| {
            if seat.board.is_none() || seat.is_taken.replace(true) {
                return None;
            }
            seat.is_cut.set(false);
            Some(Self {
                began: clock::now(),
                meter: Cell::new(None),
                trace: Cell::new(None),
                has_ended: Cell::new(false),
            })
        })
    }

    /// It is clear who serves the request.
    pub(crate) fn enter(&self, meter: &'static Meter, request: &Description<'_>) {
        SEAT.with(|seat| {
            meter.begin(seat.row);
            self.meter.set(Some(meter));
            seat.meter.set(Some(meter));
            self.trace.set(request.trace);
            if let Some((board, row)) = seat.watched() {
                board.threads.begin(row, self.began, meter.number, request);
            }
        });
    }

    /// The handler is through; the client gets that status. The request counts as ended when what this returns is dropped.
    pub(crate) fn end(self, status: u16) -> Over {
        self.finish(Outcome::of_status(status))
    }

    /// The thread has no request any more.
    fn finish(&self, outcome: Outcome) -> Over {
        self.has_ended.set(true);
        let microseconds = clock::now().saturating_sub(self.began);
        SEAT.with(|seat| {
            seat.is_taken.set(false);
            seat.meter.set(None);
            let board = seat.board.filter(|_| seat.is_of_this_process());
            let meter = board.map(|board| {
                self.meter.get().unwrap_or_else(|| {
                    board.refused.begin(seat.row);
                    &board.refused
                })
            });
            if let Some((meter, ids)) = meter.zip(self.trace.get()) {
                meter.note_trace(ids, microseconds);
            }
            if let Some((board, row)) = board.zip(seat.row) {
                board.threads.end(row);
            }
            let outcome = if seat.is_cut.get() { Outcome::Cut } else { outcome };
            Over { meter, row: seat.row, outcome, microseconds }
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.has_ended.get() {
            self.finish(Outcome::ServerError);
        }
    }
}

/// A request that the handler is through with. Until this is dropped, it runs: httpd may still send the response, from any
/// of its threads, and logs it then.
pub(crate) struct Over {
    meter: Option<&'static Meter>,
    /// Of the thread that had the request.
    row: Option<usize>,
    outcome: Outcome,
    /// How long the handler had it.
    pub(crate) microseconds: u64,
}

impl Drop for Over {
    fn drop(&mut self) {
        if let Some(meter) = self.meter.filter(|_| !fork::is_copy()) {
            meter.end(self.row, self.outcome, self.microseconds);
        }
    }
}

/// The process group that serves the request of this thread: empty if this process does, `None` if that is not clear yet.
pub(crate) fn group() -> Option<String> {
    let meter = SEAT.try_with(|seat| seat.meter.get()).ok().flatten()?;
    Some(if let Subject::Group(name) = &meter.subject { name.clone() } else { String::new() })
}

/// The response of the request of this thread has been cut short.
pub(crate) fn note_cut() {
    let _ = SEAT.try_with(|seat| seat.is_cut.set(true));
}

/// This process runs the application of the request of this thread.
pub(crate) fn note_this_process() {
    let _ = SEAT.try_with(|seat| {
        if let Some((board, row)) = seat.watched() {
            board.threads.set_process(row, seat.process, None);
        }
    });
}

/// That daemon process runs the application of the request of this thread, which has that seat there.
pub(crate) fn note_process(process: u32, number: u32) {
    let _ = SEAT.try_with(|seat| {
        if let Some((board, row)) = seat.watched() {
            board.threads.set_process(row, process, Some(number));
        }
    });
}

/// What the thread does for its request, until this is dropped.
pub(crate) struct InPhase(Option<Phase>);

/// The thread goes on to something else for its request.
pub(crate) fn in_phase(phase: Phase) -> InPhase {
    let before = SEAT.try_with(|seat| {
        let (board, row) = seat.watched()?;
        board.threads.set_phase(row, phase)
    });
    InPhase(before.ok().flatten())
}

impl Drop for InPhase {
    fn drop(&mut self) {
        let Some(before) = self.0 else { return };
        let _ = SEAT.try_with(|seat| {
            if let Some((board, row)) = seat.watched() {
                board.threads.set_phase(row, before);
            }
        });
    }
}

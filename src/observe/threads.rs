//! A row of shared memory for each thread of httpd that serves requests: which process it belongs to, and the request
//! that it runs.
//!
//! A thread takes a free row for its life. If its process dies, the parent of httpd frees the row. Only the thread writes
//! to the row meanwhile. Others read it at any time: a count that is odd while the row changes tells them to look again.

use super::text;
use super::trace_context::TraceIds;
use crate::unix::shared::SharedCounters;
use core::ops::Range;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU64, fence};
use num_enum::TryFromPrimitive;

/// Words of a row.
/// The process, and above [`THREAD`] its thread.
const OWNER: usize = 0;
const VERSION: usize = 1;
const PHASE: usize = 2;
/// The process that runs the application, and above [`SEAT`] the seat that the request has there, counted from 1.
const PROCESS: usize = 3;
const BEGAN: usize = 4;
const METER: usize = 5;
const SERVER: usize = 6;
const GENERATION: usize = 7;
/// Of method, id and path, with 16 bits each.
const LENGTHS: usize = 8;
const METHOD: Range<usize> = 9..11;
const ID: Range<usize> = 11..16;
const PATH: Range<usize> = 16..40;
/// Of its trace context, in two words, and of the span; zeroes if it has none.
const TRACE: usize = 40;
const SPAN: usize = 42;
/// A row of whole cache lines.
const ROW: usize = 48;
const THREAD: u32 = 32;
const SEAT: u32 = 32;

/// How often a row that changes is looked at again. One that a process has left half-written stays as it is.
const LOOKS: usize = 100;

/// What a thread does for its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TryFromPrimitive)]
#[repr(u64)]
pub(crate) enum Phase {
    /// It waits for a thread of a daemon.
    Queue = 1,
    /// The application runs, here or in a daemon.
    Application = 2,
    /// It waits for the client's body.
    Reading = 3,
    /// It gives the response to httpd, which may wait for the client.
    Writing = 4,
}

impl Phase {
    /// For the page.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Application => "application",
            Self::Reading => "reading",
            Self::Writing => "writing",
        }
    }
}

/// What is shown of a request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Description<'a> {
    pub(crate) method: &'a [u8],
    pub(crate) path: &'a [u8],
    /// Empty if it is not to be shown.
    pub(crate) query: &'a [u8],
    /// The id that stands in the logs.
    pub(crate) id: &'a [u8],
    /// The virtual host: a number that means it within its generation of the configuration.
    pub(crate) server: u64,
    pub(crate) generation: u64,
    pub(crate) trace: Option<TraceIds>,
}

/// A request that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Running {
    /// The child of httpd.
    pub(crate) owner: u32,
    /// Its thread there, by the system's number.
    pub(crate) thread: u32,
    /// The row of that thread.
    pub(crate) row: usize,
    pub(crate) phase: Phase,
    /// The process that runs the application, if one has been found.
    pub(crate) process: u32,
    /// What it has there, in a daemon.
    pub(crate) seat: Option<usize>,
    /// By `clock::now`.
    pub(crate) began: u64,
    /// The number of the meter that counts it.
    pub(crate) meter: u64,
    pub(crate) server: u64,
    pub(crate) generation: u64,
    pub(crate) method: Vec<u8>,
    pub(crate) id: Vec<u8>,
    pub(crate) path: Vec<u8>,
    pub(crate) trace: Option<TraceIds>,
}

/// The rows.
pub(crate) struct Threads {
    words: SharedCounters,
    rows: usize,
}

impl Threads {
    /// # Errors
    /// The system has no memory left.
    pub(super) fn new(rows: usize) -> nix::Result<Self> {
        Ok(Self { words: SharedCounters::new(rows * ROW)?, rows })
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    fn row(&self, row: usize) -> &[AtomicU64] {
        &self.words[row * ROW..][..ROW]
    }

    /// The process that has the row; 0 if none.
    pub(super) fn owner(&self, row: usize) -> u32 {
        self.row(row)[OWNER].load(Acquire) as u32
    }

    /// Takes a free row for a thread of this process.
    pub(super) fn take(&self, process: u32, thread: u32) -> Option<usize> {
        let process_and_thread = u64::from(process) | u64::from(thread) << THREAD;
        let take = |row: &usize| {
            let owner = &self.row(*row)[OWNER];
            owner.load(Relaxed) == 0 && owner.compare_exchange(0, process_and_thread, AcqRel, Relaxed).is_ok()
        };
        (0..self.rows).find(take)
    }

    /// The thread ends, or its process has ended.
    pub(super) fn free(&self, row: usize) {
        self.row(row)[PHASE].store(0, Relaxed);
        self.row(row)[OWNER].store(0, Release);
    }

    /// The thread has a request.
    pub(super) fn begin(&self, row: usize, began: u64, meter: u64, request: &Description<'_>) {
        let words = self.row(row);
        let version = words[VERSION].load(Relaxed) | 1;
        words[VERSION].store(version, Relaxed);
        fence(Release);
        words[PHASE].store(Phase::Application as u64, Relaxed);
        words[PROCESS].store(0, Relaxed);
        words[BEGAN].store(began, Relaxed);
        words[METER].store(meter, Relaxed);
        words[SERVER].store(request.server, Relaxed);
        words[GENERATION].store(request.generation, Relaxed);
        let method = text::write(&words[METHOD], request.method);
        let id = text::write(&words[ID], request.id);
        let path = if request.query.is_empty() {
            text::write(&words[PATH], request.path)
        } else {
            text::write(&words[PATH], &[request.path, b"?", request.query].concat())
        };
        let (trace, span) = request.trace.map_or((0, 0), |ids| (ids.trace, ids.span));
        words[TRACE].store((trace >> 64) as u64, Relaxed);
        words[TRACE + 1].store(trace as u64, Relaxed);
        words[SPAN].store(span, Relaxed);
        words[LENGTHS].store((method | id << 16 | path << 32) as u64, Relaxed);
        words[VERSION].store(version.wrapping_add(1), Release);
    }

    /// The request is over.
    pub(super) fn end(&self, row: usize) {
        self.row(row)[PHASE].store(0, Relaxed);
    }

    /// Whether the thread has no request.
    pub(super) fn is_idle(&self, row: usize) -> bool {
        self.row(row)[PHASE].load(Relaxed) == 0
    }

    /// What the thread did before is returned.
    pub(super) fn set_phase(&self, row: usize, phase: Phase) -> Option<Phase> {
        let word = &self.row(row)[PHASE];
        let before = Phase::try_from(word.load(Relaxed)).ok();
        word.store(phase as u64, Relaxed);
        before
    }

    /// That process runs the application; of a daemon, by that seat.
    pub(super) fn set_process(&self, row: usize, process: u32, seat: Option<u32>) {
        let seat = seat.map_or(0, |seat| u64::from(seat) + 1);
        self.row(row)[PROCESS].store(u64::from(process) | seat << SEAT, Relaxed);
    }

    /// The requests that run. Those of processes that have died are among them until their rows are freed.
    pub(crate) fn running(&self) -> impl Iterator<Item = Running> {
        (0..self.rows).filter(|row| self.owner(*row) != 0).filter_map(|row| self.running_in(row))
    }

    fn running_in(&self, row: usize) -> Option<Running> {
        let words = self.row(row);
        for _ in 0..LOOKS {
            let version = words[VERSION].load(Acquire);
            let running = self.read(row);
            fence(Acquire);
            if version & 1 == 0 && words[VERSION].load(Relaxed) == version {
                return running;
            }
            core::hint::spin_loop();
        }
        None
    }

    fn read(&self, row: usize) -> Option<Running> {
        let words = self.row(row);
        let phase = Phase::try_from(words[PHASE].load(Relaxed)).ok()?;
        let lengths = words[LENGTHS].load(Relaxed);
        let length = |shift: u32| usize::from((lengths >> shift) as u16);
        let (owner, process) = (words[OWNER].load(Relaxed), words[PROCESS].load(Relaxed));
        Some(Running {
            owner: owner as u32,
            thread: (owner >> THREAD) as u32,
            row,
            phase,
            process: process as u32,
            seat: ((process >> SEAT) as usize).checked_sub(1),
            began: words[BEGAN].load(Relaxed),
            meter: words[METER].load(Relaxed),
            server: words[SERVER].load(Relaxed),
            generation: words[GENERATION].load(Relaxed),
            method: text::read(&words[METHOD], length(0)),
            id: text::read(&words[ID], length(16)),
            path: text::read(&words[PATH], length(32)),
            trace: TraceIds::new(
                u128::from(words[TRACE].load(Relaxed)) << 64 | u128::from(words[TRACE + 1].load(Relaxed)),
                words[SPAN].load(Relaxed),
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicBool;
    use proptest::prelude::*;
    use std::thread;

    const PATHS: [&[u8]; 2] = [b"/short", b"/a/longer/path/that/takes/several/words/of/the/row"];

    fn description(number: usize) -> Description<'static> {
        let trace = TraceIds::new(number as u128 * 7, 1);
        let method = [&b"GET"[..], b"POST"][number];
        Description { method, path: PATHS[number], query: b"", id: b"id", server: 7, generation: 1, trace }
    }

    #[test]
    fn rows_are_taken_once_and_given_back() {
        let threads = Threads::new(2).expect("memory");
        assert_eq!([threads.take(11, 0), threads.take(12, 9), threads.take(13, 0)], [Some(0), Some(1), None]);
        assert_eq!((threads.owner(0), threads.owner(1)), (11, 12));
        threads.free(0);
        assert_eq!(threads.take(13, 0), Some(0));
    }

    #[test]
    fn a_request_is_shown_while_it_runs() {
        let threads = Threads::new(1).expect("memory");
        let row = threads.take(11, 0).expect("a row");
        assert_eq!(threads.running().count(), 0);
        threads.begin(row, 5, 3, &description(1));
        assert_eq!(threads.set_phase(row, Phase::Queue), Some(Phase::Application));
        threads.set_process(row, 99, Some(3));
        let seen: Vec<_> = threads.running().collect();
        let [
            Running {
                owner: 11,
                phase: Phase::Queue,
                process: 99,
                seat: Some(3),
                began: 5,
                meter: 3,
                method,
                path,
                id,
                ..
            },
        ] = &seen[..]
        else {
            panic!("{seen:?}")
        };
        assert_eq!((&method[..], &path[..], &id[..]), (&b"POST"[..], PATHS[1], &b"id"[..]));
        threads.end(row);
        assert_eq!(threads.running().count(), 0);
    }

    #[test]
    fn what_is_read_is_one_request_and_no_mixture() {
        let threads = Threads::new(1).expect("memory");
        let row = threads.take(11, 0).expect("a row");
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..200_000 {
                    threads.begin(row, number, number, &description(number as usize % 2));
                    threads.end(row);
                }
                over.store(true, Relaxed);
            });
            while !over.load(Relaxed) {
                for running in threads.running() {
                    let expected = description(running.began as usize % 2);
                    assert_eq!((&running.path[..], &running.method[..]), (expected.path, expected.method));
                    assert_eq!(running.trace, expected.trace);
                    assert_eq!(running.began, running.meter);
                }
            }
        });
    }

    proptest! {
        #[test]
        fn any_words_can_be_read(words in proptest::collection::vec(any::<u64>(), ROW)) {
            let threads = Threads::new(1).expect("memory");
            threads.row(0).iter().zip(&words).for_each(|(word, value)| word.store(*value, Relaxed));
            for running in threads.running() {
                prop_assert!(running.path.len() <= 192 && running.method.len() <= 16 && running.id.len() <= 40);
            }
        }
    }
}

//! The numbers of one request thread.

use super::counts::{Counts, Sample};
use core::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use core::time::Duration;
use parking_lot::Mutex;
use std::time::Instant;

/// One thread's at a time; it stays when the thread ends, for what has not been read yet. On cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Slot {
    is_taken: AtomicBool,
    /// Of the thread that has it, or had it last.
    thread: AtomicI64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: Option<Running>,
    /// How many requests are within each other, as a filter of httpd may make another one of a response.
    depth: u32,
    /// Since the last reader took it.
    counts: Counts,
    window: Times,
    /// Since recording started.
    requests: u64,
    busy: Duration,
}

#[derive(Clone, Copy)]
struct Running {
    since: Instant,
    /// Its time up to here has been entered.
    entered: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
struct Times {
    busy: Duration,
    cpu: Duration,
    longest: Duration,
}

/// What a thread did in a window.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ThreadWindow {
    /// Requests that have ended.
    pub(crate) completed: u64,
    /// Time with a request, that of the one under way included.
    pub(crate) busy: Duration,
    /// CPU time of requests whose application has ended.
    pub(crate) cpu: Duration,
    /// The longest request that has ended.
    pub(crate) longest: Duration,
    /// The age of the request under way.
    pub(crate) elapsed: Option<Duration>,
}

/// What a thread did since recording started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadTotal {
    pub(crate) number: i64,
    pub(crate) completed: u64,
    /// Time with a request, that of the one under way included.
    pub(crate) busy: Duration,
    pub(crate) under_way: u32,
}

impl Slot {
    /// Makes the slot that of a thread, unless it is another one's.
    pub(super) fn take(&self, number: i64) -> bool {
        let is_mine = self.is_taken.compare_exchange(false, true, Relaxed, Relaxed).is_ok();
        if is_mine {
            self.thread.store(number, Relaxed);
        }
        is_mine
    }

    /// The thread ends.
    pub(super) fn give_back(&self) {
        self.is_taken.store(false, Relaxed);
    }

    pub(super) fn begin(&self, now: Instant) {
        let mut state = self.state.lock();
        state.depth += 1;
        if state.depth == 1 {
            state.running = Some(Running { since: now, entered: now });
        }
    }

    /// The request that began last has ended.
    pub(super) fn end(&self, now: Instant, is_counted: bool, sample: Option<&Sample>) {
        let mut state = self.state.lock();
        let state = &mut *state;
        state.enter_time(now);
        state.depth = state.depth.saturating_sub(1);
        if is_counted {
            state.requests += 1;
            state.counts.add(sample);
        }
        state.window.cpu += sample.map_or(Duration::ZERO, |sample| sample.cpu);
        if state.depth == 0
            && let Some(running) = state.running.take()
        {
            state.window.longest = state.window.longest.max(now.saturating_duration_since(running.since));
        }
    }

    /// Adds what has not been read yet to `sum`, and begins anew.
    pub(super) fn drain(&self, now: Instant, sum: &mut Counts) -> ThreadWindow {
        let mut state = self.state.lock();
        state.enter_time(now);
        let counts = core::mem::take(&mut state.counts);
        let Times { busy, cpu, longest } = core::mem::take(&mut state.window);
        let elapsed = state.running.map(|running| now.saturating_duration_since(running.since));
        drop(state);
        sum.merge(&counts);
        ThreadWindow { completed: counts.requests, busy, cpu, longest, elapsed }
    }

    pub(super) fn total(&self, now: Instant) -> ThreadTotal {
        let state = self.state.lock();
        let tail = state.running.map_or(Duration::ZERO, |running| now.saturating_duration_since(running.entered));
        let number = self.thread.load(Relaxed);
        ThreadTotal { number, completed: state.requests, busy: state.busy + tail, under_way: state.depth }
    }
}

impl State {
    /// Enters the time of the request under way up to `now`, which may be before what has been entered.
    fn enter_time(&mut self, now: Instant) {
        let Some(running) = self.running.as_mut() else { return };
        let time = now.saturating_duration_since(running.entered);
        running.entered += time;
        self.window.busy += time;
        self.busy += time;
    }
}

//! The wait for a client: until it sends more of a body, or takes more of a response. It needs nothing of the request, so
//! that other threads use that meanwhile.

use crate::apache::client_socket::{ClientWait, Direction};
use crate::apache::request::Request;
use crate::apache::status::AprError;
use crate::observe::threads::Phase;
use crate::observe::watch;
use crate::python::detached::Detached;
use crate::wsgi::gateway::Arrival;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Instant;

/// What a request knows of its client's silence.
pub(crate) struct Patience<'r> {
    request: &'r Request<'r>,
    direction: Direction,
    /// Made at the first wait.
    next: Option<Arc<Next>>,
    /// Since when the client has not moved.
    silent_since: Option<Instant>,
}

/// What a thread waits for.
struct Next {
    client: ClientWait,
    phase: Phase,
    /// How long the client may still take, in microseconds.
    left: AtomicU64,
}

impl Arrival for Next {
    fn wait(&self, _: &Detached<'_>) {
        self.wait_or(None);
    }
}

impl Next {
    fn wait_or(&self, other: Option<RawFd>) {
        let _phase = watch::in_phase(self.phase);
        let left = self.left.load(Ordering::Relaxed);
        self.client.wait((left != u64::MAX).then_some(Duration::from_micros(left)), other);
    }
}

impl<'r> Patience<'r> {
    pub(crate) fn new(request: &'r Request<'r>, direction: Direction) -> Self {
        Self { request, direction, next: None, silent_since: None }
    }

    fn next(&mut self) -> &Arc<Next> {
        let (request, direction) = (self.request, self.direction);
        let phase = if direction == Direction::Receive { Phase::Reading } else { Phase::Writing };
        let make = || Next { client: ClientWait::new(request, direction), phase, left: AtomicU64::new(u64::MAX) };
        self.next.get_or_insert_with(|| Arc::new(make()))
    }

    /// Whether the client can be asked right now, as far as its socket tells.
    pub(crate) fn is_over(&mut self) -> bool {
        self.next().client.is_over()
    }

    /// The client has moved.
    pub(crate) fn note_success(&mut self) {
        self.silent_since = None;
        if let Some(next) = &self.next {
            next.client.note_success();
        }
    }

    /// How to wait for the client. [`Self::end`] ends the wait if `can_be_ended` says so.
    ///
    /// # Errors
    /// It has had its time.
    pub(crate) fn wait(&mut self, can_be_ended: bool) -> Result<Arc<dyn Arrival>, AprError> {
        let next = self.next().clone();
        let now = Instant::now();
        if next.client.has_moved() {
            self.silent_since = None;
        }
        let silent = now.duration_since(*self.silent_since.get_or_insert(now));
        if let Some(limit) = next.client.limit {
            let left = limit.saturating_sub(silent);
            if left.is_zero() {
                return Err(AprError::TIME_UP);
            }
            next.left.store(u64::try_from(left.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        if can_be_ended {
            next.client.can_be_ended();
        }
        Ok(next)
    }

    /// Waits as [`Self::wait`] has said last, or until there is something to read from `other`.
    pub(crate) fn wait_or(&self, other: RawFd) {
        if let Some(next) = &self.next {
            next.wait_or(Some(other));
        }
    }

    /// Has a thread that waits look again, now and from now on.
    pub(crate) fn end(&self) {
        if let Some(next) = &self.next {
            next.client.end();
        }
    }
}

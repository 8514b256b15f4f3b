//! The wait of a daemon's thread for httpd's child: until that sends a piece of a request body, or takes more of a response.
//!
//! It needs nothing of the conversation, which other threads use meanwhile, and may go on when the request is over: then
//! the descriptor may be another one's, and a wait ends for nothing.

use crate::python::detached::Detached;
use crate::unix::readiness::wait_for;
use crate::wsgi::gateway::Arrival;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// The wait for one direction of a connection.
pub(crate) struct ChildWait {
    connection: RawFd,
    events: i16,
    /// Since when the child has been silent, and how long it may be.
    since: Option<Instant>,
    limit: Option<Duration>,
    /// Made at the first wait.
    next: Option<Arc<Next>>,
}

/// What a thread waits for.
struct Next {
    connection: RawFd,
    events: i16,
    /// How long the child may still take, in milliseconds.
    left: AtomicU64,
    /// Ends the wait; without a descriptor for it the end is seen late.
    end: OnceLock<Option<EventFd>>,
}

/// A thread looks again after this time, whatever happens.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The same where nothing can end its wait.
const LOOK_AGAIN_SOON: Duration = Duration::from_millis(25);

impl ChildWait {
    /// The wait for something to read.
    pub(crate) fn to_receive(connection: RawFd, limit: Option<Duration>) -> Self {
        Self { connection, events: libc::POLLIN, since: None, limit, next: None }
    }

    /// The wait for room to write to.
    pub(crate) fn to_send(connection: RawFd, limit: Option<Duration>) -> Self {
        Self { events: libc::POLLOUT, ..Self::to_receive(connection, limit) }
    }

    /// Whether the child is waited for.
    pub(crate) fn is_under_way(&self) -> bool {
        self.since.is_some()
    }

    /// The child has moved.
    pub(crate) fn note_success(&mut self) {
        self.since = None;
    }

    /// The wait begins, unless it has begun.
    pub(crate) fn begin(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    /// Whether a wait would end at once.
    pub(crate) fn is_over(&self) -> bool {
        wait_for([(Some(self.connection), self.events)], Duration::ZERO)[0]
    }

    /// How to wait for the child; `None` if it has had its time. [`Self::end`] ends the wait if `can_be_ended` says so.
    pub(crate) fn next(&mut self, can_be_ended: bool) -> Option<Arc<dyn Arrival>> {
        self.begin();
        let (connection, events) = (self.connection, self.events);
        let make = || Next { connection, events, left: AtomicU64::new(u64::MAX), end: OnceLock::new() };
        let next = self.next.get_or_insert_with(|| Arc::new(make())).clone();
        if let (Some(limit), Some(since)) = (self.limit, self.since) {
            let left = limit.checked_sub(since.elapsed()).filter(|left| !left.is_zero())?;
            next.left.store(u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1), Relaxed);
        }
        if can_be_ended {
            next.end.get_or_init(|| EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).ok());
        }
        Some(next)
    }

    /// Ends the wait of a thread, and all further ones.
    pub(crate) fn end(&self) {
        if let Some(Some(Some(end))) = self.next.as_ref().map(|next| next.end.get()) {
            let _ = end.write(1);
        }
    }
}

impl Arrival for Next {
    fn wait(&self, _: &Detached<'_>) {
        let end = self.end.get();
        let longest = if let Some(None) = end { LOOK_AGAIN_SOON } else { LOOK_AGAIN };
        let end = end.and_then(Option::as_ref).map(AsRawFd::as_raw_fd);
        let time = Duration::from_millis(self.left.load(Relaxed)).min(longest);
        wait_for([(Some(self.connection), self.events), (end, libc::POLLIN)], time);
    }
}

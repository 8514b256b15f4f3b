//! The main thread of a daemon process while requests are served: signals, words of the supervisor, limits.

use super::{Daemon, LOOK};
use crate::daemon::process::limits::Limits;
use crate::daemon::process::questions::Questions;
use crate::daemon::process::signal_events::SignalEvents;
use crate::unix::signals::Signals;
use crate::wire::control::{Heard, Line, Message, Reason};
use core::time::Duration;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use std::os::fd::AsFd;
use std::time::Instant;

/// A daemon that takes no further requests.
struct Drain {
    reason: Reason,
    until: Option<Instant>,
}

impl Drain {
    /// The supervisor is gone. Requests end as they do after a graceful restart.
    fn without_supervisor(daemon: &Daemon) -> Self {
        let config = daemon.config();
        let limit = config.graceful_timeout.filter(|_| config.graceful_timeout_given);
        Self { reason: Reason::ShutdownSignal, until: limit.map(|limit| Instant::now() + limit) }
    }

    /// Whether there is nothing left to wait for: requests that are given up do not count.
    fn is_over(&self, daemon: &Daemon, limits: &Limits) -> bool {
        let left = daemon.group.table.in_flight(daemon.place) as usize;
        left <= limits.given_up() || self.until.is_some_and(|until| until <= Instant::now())
    }
}

/// Whether any child of httpd is left that may wait for this process: without a supervisor no one else tells.
fn is_left_alone(daemon: &Daemon) -> bool {
    !daemon.group.table.has_children()
}

/// Why a daemon ends.
pub(super) struct Cause {
    /// What has it end now.
    pub(super) now: Reason,
    /// What it was to end for in the first place, which may have come before.
    pub(super) first: Reason,
}

impl Cause {
    fn new(now: Reason, draining: Option<&Drain>) -> Self {
        Self { now, first: draining.map_or(now, |drain| drain.reason) }
    }

    /// A signal has come. The supervisor has said why before it sent it, unless it was someone else.
    fn of_signal(line: &Line, draining: Option<&Drain>) -> Self {
        let said = core::iter::from_fn(|| match line.hear() {
            Heard::Message(message) => Some(message),
            Heard::Silence | Heard::Gone => None,
        });
        let mut reasons = said.filter_map(|message| match message {
            Message::Drain { reason, .. } | Message::End { reason } => Some(reason),
            _ => None,
        });
        Self::told(reasons.next().unwrap_or(Reason::ShutdownSignal), draining)
    }

    /// The supervisor has told the daemon to end, for that reason.
    fn told(reason: Reason, draining: Option<&Drain>) -> Self {
        Self { now: Reason::ShutdownSignal, ..Self::new(reason, draining) }
    }
}

/// The main thread while requests are served. Returns why the daemon is to end.
pub(super) fn watch(
    daemon: &'static Daemon,
    signals: &Signals,
    limits: &mut Limits,
    signal_events: &mut SignalEvents,
    questions: &mut Questions,
) -> Cause {
    let mut draining: Option<Drain> = None;
    let mut supervised = true;
    loop {
        let wait = if draining.is_some() { Some(LOOK) } else { limits.next_look() };
        wait_for_news(signals, supervised.then_some(&daemon.line), wait);
        while let Some(signal) = signals.next() {
            if handle_signal(daemon, signal, signal_events) {
                return Cause::of_signal(&daemon.line, draining.as_ref());
            }
        }
        match daemon.line.hear() {
            Heard::Message(Message::Drain { reason, milliseconds }) => {
                daemon.group.table.drain(daemon.place);
                let until = (milliseconds > 0).then(|| Instant::now() + Duration::from_millis(milliseconds));
                draining.get_or_insert(Drain { reason, until });
            }
            // The signal that follows changes nothing any more.
            Heard::Message(Message::End { reason }) => return Cause::told(reason, draining.as_ref()),
            Heard::Message(Message::Ask { number, question }) => questions.take(daemon, number, question),
            // Without a supervisor no one replaces this process, or ends it. The next supervisor starts others.
            Heard::Gone if supervised => {
                supervised = false;
                daemon.group.table.drain(daemon.place);
                draining.get_or_insert_with(|| Drain::without_supervisor(daemon));
            }
            Heard::Message(_) | Heard::Silence | Heard::Gone => {}
        }
        let is_over = |drain: &&Drain| drain.is_over(daemon, limits) || !supervised && is_left_alone(daemon);
        if let Some(drain) = draining.as_ref().filter(is_over) {
            return Cause::new(drain.reason, None);
        }
        if let Some(reason) = limits.check() {
            // Its successor need not wait for its end.
            daemon.ask_to_be_replaced(reason, 0);
            return Cause::new(reason, draining.as_ref());
        }
    }
}

/// Waits for a signal, or for a word of the supervisor if there is one.
fn wait_for_news(signals: &Signals, line: Option<&Line>, at_most: Option<Duration>) {
    let mut descriptors = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    descriptors.extend(line.map(|line| PollFd::new(line.as_fd(), PollFlags::POLLIN)));
    let timeout = at_most.map_or(PollTimeout::NONE, |wait| PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX));
    let _ = poll(&mut descriptors, timeout);
}

/// What a signal means. Returns whether the daemon is to end now.
fn handle_signal(daemon: &Daemon, signal: Signal, signal_events: &mut SignalEvents) -> bool {
    match signal {
        Signal::SIGTERM | Signal::SIGINT => return true,
        Signal::SIGUSR1 => {
            let eviction = daemon.config().eviction_timeout.is_some();
            let reason = if eviction { Reason::EvictionSignal } else { Reason::GracefulSignal };
            // It comes once, so it is not held back like what is said again.
            daemon.line.insist(&Message::Replace { reason, change: 0 });
        }
        Signal::SIGXCPU => daemon.ask_to_be_replaced(Reason::CpuTimeLimit, 0),
        // Of interest to those who subscribe to signals only.
        _ => signal_events.tell(signal),
    }
    false
}

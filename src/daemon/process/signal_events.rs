//! SIGHUP and SIGUSR2 for the applications of a daemon: the event `process_signal`.
//!
//! A thread of its own calls the subscribers, so that the main thread never waits for them. It begins with the first signal.

use crate::apache::log::{self, Level};
use crate::api::events;
use crate::daemon::process::start::Daemon;
use crate::events::subscribers::ProcessEvent;
use crate::python::thread_state;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
use nix::sys::signal::Signal;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// So many signals may wait while a subscriber runs; what comes beyond that is dropped.
const WAITING_AT_MOST: usize = 64;

/// The way of signals to subscribers.
pub(crate) struct SignalEvents {
    daemon: &'static Daemon,
    thread: Option<Thread>,
}

struct Thread {
    signals: SyncSender<Signal>,
    /// Set when signals are of no interest any more.
    over: Arc<AtomicBool>,
    handle: JoinHandle<()>,
}

impl SignalEvents {
    pub(crate) fn new(daemon: &'static Daemon) -> Self {
        Self { daemon, thread: None }
    }

    /// Has subscribers told of a signal.
    pub(crate) fn tell(&mut self, signal: Signal) {
        if self.thread.is_none() {
            match Thread::start(self.daemon) {
                Ok(thread) => self.thread = Some(thread),
                Err(error) => {
                    let text =
                        format!("WSGI1071: {signal} is not passed on to subscribers: a thread cannot be made: {error}");
                    self.daemon.group.log(Level::Error, &text);
                }
            }
        }
        if let Some(thread) = &self.thread {
            let _ = thread.signals.try_send(signal);
        }
    }

    /// No signal is told of from here on. Waits for a subscriber that is running.
    pub(crate) fn end(self) {
        let Some(Thread { signals, over, handle }) = self.thread else { return };
        over.store(true, SeqCst);
        drop(signals);
        let _ = handle.join();
    }
}

impl Thread {
    fn start(daemon: &'static Daemon) -> std::io::Result<Self> {
        let (signals, inbox) = sync_channel(WAITING_AT_MOST);
        let over = Arc::new(AtomicBool::new(false));
        let ended = over.clone();
        let mut builder = std::thread::Builder::new().name("wsgi-signals".into());
        if let Some(size) = daemon.group.config.stack_size {
            builder = builder.stack_size(size);
        }
        let handle = builder.spawn(move || run(&inbox, &ended))?;
        Ok(Self { signals, over, handle })
    }
}

fn run(inbox: &Receiver<Signal>, over: &AtomicBool) {
    while let Ok(signal) = inbox.recv() {
        if over.load(SeqCst) {
            break;
        }
        let event = ProcessEvent::Signal(signal.as_str(), signal as i32);
        events::publish(event, |line| log::server(None, Level::Error, line));
    }
    thread_state::give_up();
}

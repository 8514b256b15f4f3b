//! The thread that looks into Python for the main thread, which never waits for Python itself.
//!
//! It does one errand after the other. If Python does not let it in, it does not come back, and that is what the main
//! thread learns from it.

use crate::apache::log::{self, Level};
use crate::daemon::process::activity;
use crate::daemon::process::start::Daemon;
use crate::python::interpreter;
use crate::python::{Attached, other_thread, thread_state};
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// What it is asked to do.
pub(crate) enum Errand {
    /// Come in and go out again, wherever there is a GIL.
    Probe,
    /// Write down where a request thread is, as long as it has this request.
    Stack { worker: usize, request: u64 },
    /// The same, and raise an exception in it.
    Interrupt { worker: usize, request: u64 },
}

/// The examiner, as the main thread has it.
pub(crate) struct Examiner {
    errands: Sender<Errand>,
    sent: u64,
    done: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Examiner {
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn start(daemon: &'static Daemon) -> std::io::Result<Self> {
        let (errands, inbox) = channel();
        let done = Arc::new(AtomicU64::new(0));
        let count = done.clone();
        let mut builder = std::thread::Builder::new().name("wsgi-examiner".into());
        if let Some(size) = daemon.group.config.stack_size {
            builder = builder.stack_size(size);
        }
        let thread = builder.spawn(move || run(daemon, &inbox, &count))?;
        Ok(Self { errands, sent: 0, done, thread })
    }

    /// Sends it on an errand; returns the number of that.
    pub(crate) fn send(&mut self, errand: Errand) -> u64 {
        // It listens for as long as this end exists.
        let _ = self.errands.send(errand);
        self.sent += 1;
        self.sent
    }

    /// Whether it is back from that errand.
    pub(crate) fn has_done(&self, number: u64) -> bool {
        self.done.load(SeqCst) >= number
    }

    /// Has it end once it is back.
    pub(crate) fn dismiss(self) -> JoinHandle<()> {
        self.thread
    }
}

fn run(daemon: &Daemon, inbox: &Receiver<Errand>, done: &AtomicU64) {
    while let Ok(errand) = inbox.recv() {
        match errand {
            Errand::Probe => interpreter::one_of_each_gil().into_iter().for_each(|interpreter| interpreter.run(|_| ())),
            Errand::Stack { worker, request } => look_into(daemon, worker, request, false),
            Errand::Interrupt { worker, request } => look_into(daemon, worker, request, true),
        }
        done.fetch_add(1, SeqCst);
    }
    thread_state::give_up();
}

fn look_into(daemon: &Daemon, worker: usize, request: u64, interrupt: bool) {
    let worker = &activity::workers()[worker];
    let Some(seen) = worker.request().filter(|seen| seen.request == request) else { return };
    let Some(interpreter) = seen.interpreter else {
        let text = "its thread does not run the application now: there is no stack, and no exception is raised";
        log::server(Some(daemon.group.server), Level::Error, text);
        return;
    };
    interpreter.run(|attached| {
        write_stack(daemon, attached, worker, request);
        if interrupt {
            worker.interrupt(attached, request);
        }
    });
}

fn write_stack(daemon: &Daemon, attached: &Attached<'_>, worker: &activity::Worker, request: u64) {
    let stack = other_thread::stack(attached.py, worker.thread());
    // If another request has come meanwhile, the stack is that one's.
    if worker.request().is_none_or(|seen| seen.request != request) {
        return;
    }
    let say = |text: &str| log::server(Some(daemon.group.server), Level::Error, text);
    match stack {
        Ok(lines) if lines.is_empty() => say("its thread runs no Python code now: there is no stack"),
        Ok(lines) => {
            say(&format!("stack of thread {} (most recent call last):", worker.thread()));
            lines.iter().for_each(|line| say(line));
        }
        Err(error) => say(&format!("its stack cannot be taken: {error}")),
    }
}

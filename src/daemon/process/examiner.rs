//! The thread that looks into Python for the main thread, which never waits for Python itself.
//!
//! It does one task after the other. If Python does not let it in, it does not come back, and that is what the main
//! thread learns from it.

use crate::apache::log::{self, Level};
use crate::daemon::process::activity;
use crate::daemon::process::start::Daemon;
use crate::python::interpreter;
use crate::python::{Attached, other_thread, thread_state};
use crate::request::slow::stack_in_words;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// What it is asked to do.
pub(crate) enum Task {
    /// Come in and go out again, wherever there is a GIL.
    Probe,
    /// Write down where a request thread is, as long as it has this request.
    Stack { worker: usize, request: u64 },
    /// The same, because the request is slow (`WSGISlowRequests`).
    SlowStack { worker: usize, request: u64 },
    /// The same as the first, and raise an exception in it.
    Interrupt { worker: usize, request: u64 },
}

/// The examiner, as the main thread has it.
pub(crate) struct Examiner {
    tasks: Sender<Task>,
    sent: u64,
    done: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Examiner {
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn start(daemon: &'static Daemon) -> std::io::Result<Self> {
        let (tasks, inbox) = channel();
        let done = Arc::new(AtomicU64::new(0));
        let count = done.clone();
        let mut builder = std::thread::Builder::new().name("wsgi-examiner".into());
        if let Some(size) = daemon.group.config.stack_size {
            builder = builder.stack_size(size);
        }
        let thread = builder.spawn(move || run(daemon, &inbox, &count))?;
        Ok(Self { tasks, sent: 0, done, thread })
    }

    /// Sends it on a task; returns the number of that.
    pub(crate) fn send(&mut self, task: Task) -> u64 {
        // It listens for as long as this end exists.
        let _ = self.tasks.send(task);
        self.sent += 1;
        self.sent
    }

    /// Whether it is back from that task.
    pub(crate) fn has_done(&self, number: u64) -> bool {
        self.done.load(SeqCst) >= number
    }

    /// Has it end once it is back.
    pub(crate) fn dismiss(self) -> JoinHandle<()> {
        self.thread
    }
}

fn run(daemon: &Daemon, inbox: &Receiver<Task>, done: &AtomicU64) {
    while let Ok(task) = inbox.recv() {
        match task {
            Task::Probe => interpreter::one_of_each_gil().into_iter().for_each(|interpreter| interpreter.run(|_| ())),
            Task::Stack { worker, request } => Look { daemon, worker, request }.stuck(false),
            Task::SlowStack { worker, request } => Look { daemon, worker, request }.slow(),
            Task::Interrupt { worker, request } => Look { daemon, worker, request }.stuck(true),
        }
        done.fetch_add(1, SeqCst);
    }
    thread_state::give_up();
}

/// A look at a request thread, for as long as it has this request.
#[derive(Clone, Copy)]
struct Look<'d> {
    daemon: &'d Daemon,
    worker: usize,
    request: u64,
}

impl Look<'_> {
    fn worker(self) -> &'static activity::Worker {
        &activity::workers()[self.worker]
    }

    fn seen(self) -> Option<activity::Seen> {
        self.worker().request().filter(|seen| seen.request == self.request)
    }

    fn say(self, level: Level, text: &str) {
        log::server(Some(self.daemon.group.server), level, text);
    }

    /// A request that has taken too long.
    fn stuck(self, interrupt: bool) {
        let Some(seen) = self.seen() else { return };
        let Some(interpreter) = seen.interpreter else {
            let text = "its thread does not run the application now: there is no stack, and no exception is raised";
            self.say(Level::Error, text);
            return;
        };
        interpreter.run(|attached| {
            let heading = format!("stack of thread {}", self.worker().thread());
            self.write_stack(attached, Level::Error, &heading);
            if interrupt {
                self.worker().interrupt(attached, self.request);
            }
        });
    }

    /// A slow one.
    fn slow(self) {
        let Some(seen) = self.seen() else { return };
        let stack = stack_in_words(&seen.id(), self.worker().thread(), seen.trace());
        let what = format!("process group '{}': {stack}", self.daemon.group.config.name);
        match seen.interpreter {
            None => self.say(Level::Warning, &format!("{what}: its thread does not run the application now")),
            Some(interpreter) => {
                interpreter.run(|attached| self.write_stack(attached, Level::Warning, &what));
            }
        }
    }

    fn write_stack(self, attached: &Attached<'_>, level: Level, heading: &str) {
        let stack = other_thread::stack(attached.py, self.worker().thread());
        // If another request has come meanwhile, the stack is that one's.
        if self.seen().is_none() {
            return;
        }
        match stack {
            Ok(lines) if lines.is_empty() && level == Level::Error => {
                self.say(level, "its thread runs no Python code now: there is no stack");
            }
            Ok(lines) if lines.is_empty() => self.say(level, &format!("{heading}: it runs no Python code now")),
            Ok(lines) => {
                let heading = format!("{heading} (most recent call last):");
                log::server_lines(Some(self.daemon.group.server), level, &heading, &lines);
            }
            Err(error) => self.say(level, &format!("its stack cannot be taken: {error}")),
        }
    }
}

//! What an operator asks of this process (`wsgictl`), over the supervisor: where its threads are, an exception in one of
//! them, a collection of garbage.
//!
//! The main thread takes a question and does not wait: a thread of the question's own looks into Python, answers and ends.
//! If Python lets no thread in, it does not come back, and further questions are turned away.

use crate::apache::log::Level;
use crate::daemon::process::activity::{self, Seen, Worker};
use crate::daemon::process::start::Daemon;
use crate::observe::board::board;
use crate::python::{Attached, interpreter, other_thread, thread_state};
use crate::wire::control::Question;
use std::fmt::Write as _;
use std::thread::JoinHandle;
use std::time::Instant;

/// So many questions may be under way.
const AT_ONCE: usize = 4;

/// The questions of this process that are under way.
#[derive(Default)]
pub(crate) struct Questions {
    threads: Vec<JoinHandle<()>>,
}

impl Questions {
    /// Has a question answered.
    pub(crate) fn take(&mut self, daemon: &'static Daemon, number: u64, question: Question) {
        if let Question::Log { level } = question {
            return set_log_level(level);
        }
        self.threads.retain(|thread| !thread.is_finished());
        let refuse = |why: &str| daemon.line.answer(number, Err(why));
        if self.threads.len() >= AT_ONCE {
            return refuse("it has not answered earlier questions yet: a thread may hold up all of Python");
        }
        let mut builder = std::thread::Builder::new().name("wsgi-control".into());
        if let Some(size) = daemon.group.config.stack_size {
            builder = builder.stack_size(size);
        }
        let answer = move || {
            let answer = answer(daemon, &question);
            daemon.line.answer(number, answer.as_deref().map_err(|why| &**why));
            thread_state::give_up();
        };
        match builder.spawn(answer) {
            Ok(thread) => self.threads.push(thread),
            Err(error) => refuse(&format!("it has no thread for the question: {error}")),
        }
    }

    /// No question is taken any more; returns the threads that still answer.
    pub(crate) fn end(self) -> Vec<JoinHandle<()>> {
        self.threads
    }
}

fn answer(daemon: &Daemon, question: &Question) -> Result<String, String> {
    match question {
        Question::Stacks => Ok(stacks()),
        Question::Interrupt { request } => interrupt(daemon, request),
        Question::Collect => Ok(collect()),
        // Not a matter of Python.
        Question::Log { .. } => Ok(String::new()),
    }
}

/// What counts in the place of `LogLevel` from here on.
fn set_log_level(level: u8) {
    if let Some(board) = board() {
        // This process has a copy of its own.
        board.set_log_level(Level::try_from(level).ok().map(|level| level as u8));
    }
}

/// The name of an application group, for people.
fn name_of(attached: &Attached<'_>) -> &'static str {
    if attached.interpreter.is_main() { "%{GLOBAL}" } else { attached.interpreter.name() }
}

/// Where all threads of all interpreters are.
fn stacks() -> String {
    let mut text = String::new();
    for interpreter in interpreter::all() {
        interpreter.run(|attached| {
            let _ = writeln!(text, "application group {}", name_of(attached));
            match other_thread::all_stacks(attached.py) {
                Ok(threads) => threads.iter().for_each(|thread| write_thread(&mut text, thread)),
                Err(error) => {
                    let _ = writeln!(text, "  no stack can be taken: {error}");
                }
            }
        });
    }
    text
}

/// A thread that runs Python. What only asks here is left out.
fn write_thread(text: &mut String, thread: &other_thread::Stack) {
    if thread.thread == other_thread::this_thread() {
        return;
    }
    let worker = activity::workers().iter().find(|worker| worker.thread() == thread.thread);
    let what = match worker.map(Worker::request) {
        Some(Some(seen)) => format!(": {seen}"),
        Some(None) => ": no request".to_owned(),
        None => String::new(),
    };
    let _ = writeln!(text, "  thread {}{what} (most recent call last)", thread.thread);
    if thread.lines.is_empty() {
        text.push_str("    no Python code\n");
    }
    for line in &thread.lines {
        let _ = writeln!(text, "  {line}");
    }
}

/// Raises `RequestTimeout` in the request of that id.
fn interrupt(daemon: &Daemon, id: &[u8]) -> Result<String, String> {
    let found = activity::workers()
        .iter()
        .find_map(|worker| Some((worker, worker.request()?)).filter(|(_, seen)| seen.has_id(id)));
    let Some((worker, seen)) = found else {
        return Err(format!("process {} has no such request any more", std::process::id()));
    };
    let Some(interpreter) = seen.interpreter else {
        return Err("its thread does not run the application now, and no exception can be raised in it".to_owned());
    };
    if interpreter.run(|attached| worker.interrupt(attached, seen.request)) {
        tell(daemon, worker, &seen);
        Ok(format!("RequestTimeout is raised in {seen}"))
    } else {
        Err("it has just ended".to_owned())
    }
}

fn tell(daemon: &Daemon, worker: &Worker, seen: &Seen) {
    let text =
        format!("WSGI1153: RequestTimeout is raised in {seen}: wsgictl asked for it [thread {}]", worker.thread());
    daemon.group.log(Level::Error, &text);
}

/// Collects garbage in all interpreters.
fn collect() -> String {
    let mut text = String::new();
    for interpreter in interpreter::all() {
        interpreter.run(|attached| {
            let begun = Instant::now();
            let collected = crate::python::collect_garbage(attached.py);
            let milliseconds = begun.elapsed().as_secs_f64() * 1000.0;
            let _ = match collected {
                Ok(objects) => {
                    writeln!(text, "application group {}: {objects} objects in {milliseconds:.1} ms", name_of(attached))
                }
                Err(error) => writeln!(text, "application group {}: {error}", name_of(attached)),
            };
        });
    }
    text
}

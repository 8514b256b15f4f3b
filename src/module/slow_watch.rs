//! The thread of a child of httpd that looks for requests which have become slow (`WSGISlowRequests`), and says so in the
//! log while they run: with the stack of those that the child serves itself. Daemons write the stacks of theirs.
//!
//! It reads what `observe` keeps of running requests, which costs the requests nothing. It attaches to Python for a stack
//! alone, and never while a request is to be logged that has none: Python may let no one in.

use crate::apache::log::{self, Level};
use crate::apache::mpm;
use crate::apache::server::Server;
use crate::events::slow_record::{SlowRecord, Texts};
use crate::metrics::{self, clock::TimeOfDay};
use crate::observe::board::{Board, board};
use crate::observe::clock;
use crate::observe::threads::Running;
use crate::observe::watch;
use crate::python::{interpreter, other_thread, thread_state};
use crate::request::counting::server_number;
use crate::request::slow::{self, Pace, Seconds};
use crate::unix::signals;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
use core::time::Duration;
use std::collections::BTreeMap;
use std::time::Instant;

/// The process ends: nothing is to be looked at any more.
static IS_OVER: AtomicBool = AtomicBool::new(false);
/// Whether the thread looks at requests, and may use what belongs to httpd.
static IS_LOOKING: AtomicBool = AtomicBool::new(false);

/// How long the end of the process waits for a look: one that Python holds up has no end.
const PATIENCE: Duration = Duration::from_secs(1);

/// Looks from now on, in a thread of its own. Called when Python has started, if it is to.
///
/// # Errors
/// The system has no thread left.
pub(crate) fn begin(threshold: Duration, main: Server<'static>) -> std::io::Result<()> {
    let Some(board) = board() else { return Ok(()) };
    let mut watcher = Watcher {
        board,
        main,
        process: std::process::id(),
        threshold: slow::microseconds(threshold),
        told: BTreeMap::new(),
        pace: Pace::new(Instant::now()),
    };
    // Signals are for httpd's own threads.
    let _held = signals::Held::new();
    let builder = std::thread::Builder::new().name("wsgi-slow".into());
    builder.spawn(move || {
        while !IS_OVER.load(SeqCst) {
            std::thread::sleep(slow::period(threshold));
            IS_LOOKING.store(true, SeqCst);
            if !IS_OVER.load(SeqCst) {
                watcher.look();
            }
            IS_LOOKING.store(false, SeqCst);
        }
    })?;
    Ok(())
}

/// The requests of this process that have run for at least that long, for telemetry.
pub(crate) fn running(threshold: Duration) -> Vec<SlowRecord> {
    let Some(board) = board() else { return Vec::new() };
    let (now, process) = (clock::now(), std::process::id());
    let age = |running: &Running| Duration::from_micros(now.saturating_sub(running.began));
    let is_slow = |running: &Running| {
        running.owner == process && running.meter == board.embedded.number && age(running) >= threshold
    };
    let record = |running: Running| SlowRecord {
        start: TimeOfDay::now().0 as f64 / 1e6 - age(&running).as_secs_f64(),
        duration: age(&running),
        thread: running.row as u64 + 1,
        texts: Texts {
            id: running.id,
            server_process: process.into(),
            method: running.method,
            path_infos: [running.path, Vec::new()],
            ..Texts::default()
        },
        active_at_start: metrics::telemetry().map_or(0, metrics::Recorder::running),
        ..SlowRecord::default()
    };
    board.threads.running().filter(is_slow).map(record).collect()
}

/// The process ends: what belongs to httpd and to Python is about to go.
pub(crate) fn end() {
    IS_OVER.store(true, SeqCst);
    let until = Instant::now() + PATIENCE;
    while IS_LOOKING.load(SeqCst) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What the thread knows.
struct Watcher {
    board: &'static Board,
    main: Server<'static>,
    process: u32,
    /// In microseconds.
    threshold: u64,
    /// The requests that it has spoken of, by their rows: when they began.
    told: BTreeMap<usize, u64>,
    pace: Pace,
}

impl Watcher {
    fn look(&mut self) {
        let now = clock::now();
        let is_slow =
            |running: &Running| running.owner == self.process && now.saturating_sub(running.began) >= self.threshold;
        let slow: Vec<_> = self.board.threads.running().filter(is_slow).collect();
        self.told.retain(|row, began| slow.iter().any(|running| running.row == *row && running.began == *began));
        let mut stacks = Vec::new();
        for running in slow {
            if self.told.insert(running.row, running.began) == Some(running.began) {
                continue;
            }
            let Some(left_out) = self.pace.admit(Instant::now()) else { continue };
            self.tell(&running, now.saturating_sub(running.began));
            if left_out > 0 {
                log::server(None, Level::Warning, &slow::left_out_in_words(left_out));
            }
            if running.meter == self.board.embedded.number {
                stacks.push(running);
            }
        }
        if !stacks.is_empty() {
            stacks.iter().for_each(|running| self.tell_stack(running));
            thread_state::give_up();
        }
    }

    /// The virtual host of a request, whose log its lines go to.
    fn server(&self, running: &Running) -> Option<Server<'static>> {
        let is_mine = running.generation == u64::try_from(mpm::generation()).unwrap_or(0);
        self.main.and_following().filter(|_| is_mine).find(|server| server_number(*server) == running.server)
    }

    fn tell(&self, running: &Running, age: u64) {
        let place = match self.board.group_of(running.meter) {
            None => "this process".to_owned(),
            Some(group) if running.process == 0 => format!("process group '{group}'"),
            Some(group) => format!("process {} of process group '{group}'", running.process),
        };
        let (what, phase) = (slow::in_words(&running.method, &running.path), running.phase.name());
        let id = String::from_utf8_lossy(&running.id);
        let age = Seconds(age);
        let text = format!(
            "WSGI1160: {what} has run for {age} (WSGISlowRequests); it is in phase '{phase}' in {place} [request {id}]{}",
            slow::trace_in_words(running.trace)
        );
        log::server(self.server(running), Level::Warning, &text);
    }

    /// Where the thread of a request is, in whichever interpreter it runs Python.
    fn tell_stack(&self, running: &Running) {
        let Some(thread) = watch::thread_of(running.row) else { return };
        let stack = interpreter::all().into_iter().find_map(|interpreter| {
            let lines = interpreter.run(|attached| {
                other_thread::stack(attached.py, thread).unwrap_or_else(|error| vec![error.to_string()])
            });
            (!lines.is_empty()).then_some(lines)
        });
        // If another request has come meanwhile, the stack is that one's.
        let is_same = |other: Running| other.row == running.row && other.began == running.began;
        if !self.board.threads.running().any(is_same) {
            return;
        }
        let server = self.server(running);
        let heading = slow::stack_in_words(&String::from_utf8_lossy(&running.id), thread, running.trace);
        match stack {
            None => log::server(server, Level::Warning, &format!("{heading}: it runs no Python code now")),
            Some(lines) => {
                let heading = format!("{heading} (most recent call last):");
                log::server_lines(server, Level::Warning, &heading, &lines);
            }
        }
    }
}

//! Everything that is counted, in the shared memory of one httpd: made by its parent, kept for its life.

use super::bulletin::Bulletin;
use super::clock;
use super::cpu::{CpuTimes, Look};
use super::ends::{self, End};
use super::meter::{Meter, Subject, Totals};
use super::threads::Threads;
use crate::unix::process;
use crate::unix::shared::SharedCounters;
use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Instant;

/// The board of this httpd.
static BOARD: OnceLock<Board> = OnceLock::new();

/// When it was asked that no new requests be sent here, by `clock::now`; 0 if it was not.
const DRAINING: usize = 0;
/// Not 0 once httpd stops when the drain is over.
const STOPPING: usize = 1;
/// The level of the log that counts in the place of the configuration's, in syslog's order and one more; 0 if none does.
const LOG_LEVEL: usize = 2;
const FLAGS: usize = 8;

/// Beside the threads of the MPM, parts of httpd have threads of their own that serve requests (mod_http2: half as many
/// again), and a child that ends may do so beside its successor.
const ROWS_PER_THREAD: usize = 3;
const FURTHER_ROWS: usize = 64;
/// Child processes that finish their requests do so beside their successors.
const CHILDREN_PER_PROCESS: usize = 2;
const FURTHER_CHILDREN: usize = 8;
/// How long the last steps of a request may take, between the last bytes of the response and the access log.
const LAST_STEPS: Duration = Duration::from_millis(10);
/// Daemon processes whose CPU time is kept, beside that of children.
const DAEMONS: usize = 1024;

pub(crate) struct Board {
    pub(crate) threads: Threads,
    pub(crate) embedded: Meter,
    pub(crate) refused: Meter,
    flags: SharedCounters,
    /// What child processes of httpd tell of themselves.
    pub(crate) bulletin: Bulletin,
    pub(crate) cpu: CpuTimes,
    /// Those of process groups, also of those that are not configured any more. Never dropped: settings of processes that
    /// finish their requests may still refer to them.
    groups: Mutex<Vec<&'static Meter>>,
}

impl Board {
    fn new(processes: usize, threads: usize) -> nix::Result<Self> {
        let threads = threads.saturating_mul(processes);
        let children = processes.saturating_mul(CHILDREN_PER_PROCESS).saturating_add(FURTHER_CHILDREN);
        let rows = threads.saturating_mul(ROWS_PER_THREAD).saturating_add(FURTHER_ROWS);
        Ok(Self {
            threads: Threads::new(rows)?,
            embedded: Meter::new(Subject::Embedded, 0, rows)?,
            refused: Meter::new(Subject::Refused, 1, rows)?,
            flags: SharedCounters::new(FLAGS)?,
            bulletin: Bulletin::new(children, 0)?,
            cpu: CpuTimes::new(children + DAEMONS)?,
            groups: Mutex::default(),
        })
    }

    /// The meter of a process group. Called in the parent, before the processes that use it are forked.
    ///
    /// # Errors
    /// The system has no memory left.
    pub(crate) fn meter(&self, group: &str) -> nix::Result<&'static Meter> {
        let mut groups = self.groups.lock();
        let subject = Subject::Group(group.to_owned());
        if let Some(meter) = groups.iter().find(|meter| meter.subject == subject) {
            return Ok(meter);
        }
        let number = groups.len() as u64 + 2;
        let meter: &'static Meter = Box::leak(Box::new(Meter::new(subject, number, self.threads.rows())?));
        groups.push(meter);
        Ok(meter)
    }

    fn meters(&self) -> Vec<&Meter> {
        let groups = self.groups.lock();
        [&self.embedded, &self.refused].into_iter().chain(groups.iter().copied()).collect()
    }

    /// The name of the process group that a meter counts for.
    pub(crate) fn group_of(&self, number: u64) -> Option<String> {
        let groups = self.groups.lock();
        let meter = groups.iter().find(|meter| meter.number == number)?;
        if let Subject::Group(name) = &meter.subject { Some(name.clone()) } else { None }
    }

    /// Whether a request of the row has begun and not ended.
    pub(super) fn has_open(&self, row: usize) -> bool {
        self.meters().iter().any(|meter| meter.has_open(row))
    }

    /// Whether httpd still sends or logs a response of the thread of the row, which has no request any more.
    fn is_ending(&self, row: usize) -> bool {
        self.threads.owner(row) != 0 && self.threads.is_idle(row) && self.has_open(row)
    }

    /// Waits a moment for requests that are over but for their last steps: who has seen the end of a response finds it
    /// counted. Responses that clients take slowly are not waited for.
    pub(crate) fn wait_for_ends(&self) {
        let mut rows: Vec<_> = (0..self.threads.rows()).filter(|row| self.is_ending(*row)).collect();
        let limit = Instant::now() + LAST_STEPS;
        while !rows.is_empty() && Instant::now() < limit {
            std::thread::sleep(LAST_STEPS / 50);
            rows.retain(|row| self.is_ending(*row));
        }
    }

    /// A child of httpd has ended: what it had not ended has died. Called in the parent only.
    fn settle(&self, is_gone: impl Fn(u32) -> bool) {
        let meters = self.meters();
        let mut lost = BTreeMap::<u32, u64>::new();
        for row in 0..self.threads.rows() {
            let owner = self.threads.owner(row);
            if owner != 0 && is_gone(owner) {
                let open: u64 = meters.iter().map(|meter| meter.settle(row)).sum();
                *lost.entry(owner).or_default() += open;
                self.threads.free(row);
            }
        }
        for process in self.bulletin.processes().filter(|process| is_gone(*process)) {
            self.note_end(process, lost.get(&process).copied().unwrap_or_default());
        }
        self.bulletin.free(is_gone);
    }

    /// A child of httpd that ran Python has ended.
    fn note_end(&self, process: u32, lost: u64) {
        let leaves = self.bulletin.leaves(process).unwrap_or_default();
        self.embedded.ends().note(End {
            time: u32::try_from(clock::epoch()).unwrap_or(u32::MAX),
            process,
            cause: if leaves { ends::LEFT } else { ends::DIED },
            signal: 0,
            status: None,
            requests: u16::try_from(lost).unwrap_or(u16::MAX),
        });
    }

    /// Keeps the CPU time of child processes of httpd, and of these daemon processes.
    fn keep_cpu_times(&self, daemons: &[u32]) {
        let look = |process: u32| {
            let cpu = u64::try_from(process::taken(process)?.cpu.as_micros()).unwrap_or(u64::MAX);
            Some((process, Look { taken: clock::now(), cpu }))
        };
        let processes = self.bulletin.processes().chain(daemons.iter().copied());
        self.cpu.keep(&processes.filter_map(look).collect::<Vec<_>>());
    }

    /// Whether it was asked that no new requests be sent here.
    pub(crate) fn is_draining(&self) -> bool {
        self.flags[DRAINING].load(Relaxed) != 0
    }

    /// The level of the log that counts in the place of the configuration's. A daemon has one of its own.
    pub(crate) fn log_level(&self) -> Option<u8> {
        u8::try_from(self.flags[LOG_LEVEL].load(Relaxed)).ok()?.checked_sub(1)
    }

    pub(crate) fn set_log_level(&self, level: Option<u8>) {
        self.flags[LOG_LEVEL].store(level.map_or(0, |level| u64::from(level) + 1), Relaxed);
    }

    /// Whether httpd stops when the drain is over.
    pub(crate) fn is_stopping(&self) -> bool {
        self.flags[STOPPING].load(Relaxed) != 0
    }

    /// Asks that no new requests be sent here, or takes that back.
    pub(crate) fn set_draining(&self, draining: bool) {
        let since = if draining { clock::now().max(1) } else { 0 };
        self.flags[DRAINING].store(since, Relaxed);
    }

    /// The counts of a meter. One that waits to be reaped has died already.
    pub(crate) fn totals(&self, meter: &Meter) -> Totals {
        meter.totals(&self.threads, &process::lives)
    }
}

/// The board, if httpd has got so far.
pub(crate) fn board() -> Option<&'static Board> {
    BOARD.get()
}

/// Makes the board, unless it is there from before a restart. Called in the parent, when a configuration has been read.
///
/// # Errors
/// The system has no memory left.
pub(crate) fn begin(processes: usize, threads: usize) -> nix::Result<&'static Board> {
    if BOARD.get().is_none() {
        let board = Board::new(processes, threads)?;
        let _ = BOARD.set(board);
    }
    let board = BOARD.get().ok_or(nix::errno::Errno::ENOMEM)?;
    board.set_log_level(None);
    // Those that ended with the configuration before.
    board.settle(|owner| !process::lives(owner));
    Ok(board)
}

/// A child of httpd has been started. Called in the parent.
pub(crate) fn child_started() {
    if let Some(board) = board() {
        board.embedded.ends().note_start();
    }
}

/// A child of httpd has ended. Called in the parent.
pub(crate) fn child_ended(process: u32) {
    if let Some(board) = board() {
        board.settle(|owner| owner == process);
    }
}

/// From now on no new requests are to be sent here: httpd stops soon. Safe in a signal handler.
pub(crate) fn drain_to_stop() {
    if let Some(board) = board() {
        board.flags[STOPPING].store(1, Relaxed);
        board.set_draining(true);
    }
}

/// Called in the parent now and then, with the daemon processes that there are.
pub(crate) fn look(daemons: &[u32]) {
    let Some(board) = board() else { return };
    board.settle(|owner| !process::lives(owner));
    let now = clock::now();
    board.meters().iter().for_each(|meter| meter.keep_sample(&board.threads, now));
    board.keep_cpu_times(daemons);
}

#[cfg(test)]
mod tests {
    use super::super::meter::Outcome;
    use super::*;

    #[test]
    fn a_group_that_comes_back_goes_on_counting() {
        let board = Board::new(1, 4).expect("memory");
        let meter = board.meter("one").expect("memory");
        meter.begin(Some(0));
        meter.end(Some(0), Outcome::Success, 1);
        let other = board.meter("two").expect("memory");
        assert_ne!(meter.number, other.number);
        let again = board.meter("one").expect("memory");
        assert_eq!((again.number, board.totals(again).requests()), (meter.number, 1));
    }

    #[test]
    fn requests_of_a_process_that_is_gone_have_died() {
        let board = Board::new(1, 4).expect("memory");
        let meter = board.meter("one").expect("memory");
        let rows = [11, 12].map(|process| board.threads.take(process, 0));
        rows.iter().for_each(|row| meter.begin(*row));
        board.settle(|owner| owner == 11);
        let totals = meter.totals(&board.threads, &|_| true);
        assert_eq!((totals.running, totals.ended[Outcome::Died as usize]), (1, 1));
        assert_eq!((board.threads.owner(0), board.threads.owner(1)), (0, 12));
    }
}

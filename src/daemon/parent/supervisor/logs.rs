//! What daemons write to the log, passed on by the supervisor, which has its descriptor.

use super::Supervisor;
use crate::apache::log::Level;
use crate::daemon::parent::log_pipe::LogReader;
use nix::unistd::Pid;

/// The pipe of a daemon. Copies that its application has made may write into it when the daemon has ended.
pub(super) struct DaemonLog {
    pub(super) group: usize,
    pub(super) pid: Pid,
    pub(super) reader: LogReader,
}

/// How many pipes of daemons that have ended are kept: whoever writes into others afterwards finds them closed.
const KEPT_AT_MOST: usize = 64;
/// As much of a daemon that has ended is passed on, in rounds.
const ROUNDS_AT_LAST: usize = 256;

impl Supervisor {
    /// Passes on what daemons have written. Each has its turn.
    pub(super) fn pass_on_logs(&mut self) {
        for number in (0..self.logs.len()).rev() {
            if self.pass_on(number).0 {
                self.logs.remove(number);
            }
        }
        let members = &self.members;
        let has_ended = |log: &DaemonLog| !members.iter().any(|member| member.pid == log.pid);
        let oldest = self.logs.iter().position(has_ended);
        if let Some(oldest) = oldest.filter(|_| self.logs.len() > members.len() + KEPT_AT_MOST) {
            self.logs.remove(oldest);
        }
    }

    /// Passes on all that a daemon has written which has ended.
    pub(super) fn pass_on_last_words(&mut self, pid: Pid) {
        let Some(number) = self.logs.iter().position(|log| log.pid == pid) else { return };
        for _ in 0..ROUNDS_AT_LAST {
            let (ended, more) = self.pass_on(number);
            if ended {
                self.logs.remove(number);
            }
            if ended || !more {
                return;
            }
        }
    }

    /// Whether the pipe has ended, and whether there may be more at once.
    fn pass_on(&mut self, number: usize) -> (bool, bool) {
        let DaemonLog { group, pid, ref mut reader } = self.logs[number];
        let Some(log) = self.generation.groups[group].server.error_log() else { return (true, false) };
        let passed = reader.pass_on(log);
        if passed.left_out {
            let text =
                format!("WSGI1111: process {pid} writes more to the log than a daemon may; what is beyond is left out");
            self.log(group, Level::Warning, &text);
        }
        (passed.ended, passed.more)
    }
}

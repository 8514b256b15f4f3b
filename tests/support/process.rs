//! Processes as `/proc` shows them.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::process::Command;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// One process of a server, known by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process(pub u32);

impl Process {
    /// Sends a signal, named as `kill` names it: `TERM`, `USR1`.
    pub fn signal(self, name: &str) {
        // The shell's own kill: no package and no unsafe code needed. A
        // process that has just left is no error.
        let _ = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\" 2>/dev/null", name, &self.0.to_string()])
            .status()
            .expect("sh runs");
    }

    /// False once the process is gone or waits only to be reaped.
    pub fn is_alive(self) -> bool {
        !matches!(self.stat_field(0).as_deref(), None | Some("Z" | "X"))
    }

    /// Resident memory in KiB.
    pub fn resident_kib(self) -> u64 {
        self.status_kib("VmRSS:")
    }

    /// The most resident memory that it ever had, in KiB.
    pub fn peak_kib(self) -> u64 {
        self.status_kib("VmHWM:")
    }

    fn status_kib(self, name: &str) -> u64 {
        self.status_word(name).and_then(|word| word.parse().ok()).unwrap_or(0)
    }

    /// Whether it has a handler for SIGUSR1.
    pub fn minds_usr1(self) -> bool {
        let caught = self.status_word("SigCgt:").and_then(|word| u64::from_str_radix(&word, 16).ok());
        caught.is_some_and(|signals| signals >> (10 - 1) & 1 == 1)
    }

    /// The first word behind a name in `/proc/<pid>/status`.
    fn status_word(self, name: &str) -> Option<String> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).ok()?;
        let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
        rest.split_whitespace().next().map(str::to_owned)
    }

    /// Number of open file descriptors.
    pub fn descriptors(self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.0)).map_or(0, Iterator::count)
    }

    /// Number of threads.
    pub fn threads(self) -> usize {
        fs::read_dir(format!("/proc/{}/task", self.0)).map_or(0, Iterator::count)
    }

    /// Whether a thread of it runs or would run if a CPU were free.
    pub fn is_busy(self) -> bool {
        self.thread_states().any(|state| matches!(state, 'R' | 'D'))
    }

    /// Whether all of its threads have been stopped by a signal.
    pub fn is_stopped(self) -> bool {
        self.thread_states().all(|state| state == 'T')
    }

    fn thread_states(self) -> impl Iterator<Item = char> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0)).into_iter().flatten().flatten();
        tasks.filter_map(|task| {
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").and_then(|(_, fields)| fields.chars().next())
        })
    }

    /// Whether a pipe that the process reads from holds something that it has not read.
    pub fn has_unread_pipe(self) -> bool {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", self.0)).into_iter().flatten().flatten();
        let paths = descriptors.map(|entry| entry.path());
        paths.filter(|path| fs::read_link(path).is_ok_and(|target| target.starts_with("pipe:"))).any(|path| {
            // A reader of our own, which takes nothing out. It keeps the pipe open for a moment at most.
            let Ok(pipe) = File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path) else {
                return false;
            };
            let mut asked = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
            let answers = poll(&mut asked, PollTimeout::ZERO);
            answers.is_ok_and(|count| count > 0)
                && asked[0].revents().is_some_and(|events| events.contains(PollFlags::POLLIN))
        })
    }

    /// Files mapped into the process, one line of `/proc/<pid>/maps` each.
    pub fn mappings(self) -> Vec<String> {
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.0)).unwrap_or_default();
        maps.lines().map(str::to_owned).collect()
    }

    /// User and system time so far, in clock ticks.
    pub fn cpu_ticks(self) -> u64 {
        let field = |index| self.stat_field(index).and_then(|text| text.parse::<u64>().ok());
        field(11).unwrap_or(0) + field(12).unwrap_or(0)
    }

    pub fn parent(self) -> Option<Process> {
        self.stat_field(1)?.parse().ok().map(Process)
    }

    pub fn children(self) -> Vec<Process> {
        let mut children: Vec<_> = all().filter(|process| process.parent() == Some(self)).collect();
        children.retain(|process| process.is_alive());
        children.sort();
        children
    }

    /// A field of `/proc/<pid>/stat`, counted from the state letter, which
    /// follows the program's name in parentheses.
    fn stat_field(self, index: usize) -> Option<String> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).ok()?;
        let (_, fields) = stat.rsplit_once(") ")?;
        fields.split_whitespace().nth(index).map(str::to_owned)
    }
}

/// Every living process that was started with this setting in its environment.
pub fn started_with(setting: &str) -> Vec<Process> {
    let marked = |process: &Process| {
        let environ = fs::read(format!("/proc/{}/environ", process.0)).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|entry| entry == setting.as_bytes())
    };
    all().filter(marked).filter(|process| process.is_alive()).collect()
}

pub fn is_root() -> bool {
    fs::metadata("/proc/self").expect("/proc is mounted").uid() == 0
}

fn all() -> impl Iterator<Item = Process> {
    let entries = fs::read_dir("/proc").expect("/proc is mounted");
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok().map(Process))
}

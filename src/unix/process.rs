//! What `/proc` tells of other processes, and which thread this is.

use core::time::Duration;
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::{Pid, SysconfVar, gettid, sysconf};
use std::fs;

/// What a process has taken of the machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Taken {
    /// CPU time, of user and system together.
    pub(crate) cpu: Duration,
    /// Bytes of memory that are resident.
    pub(crate) resident: u64,
    /// How long ago it was started.
    pub(crate) age: Duration,
}

/// This thread, as the system numbers it.
pub(crate) fn native_thread() -> u32 {
    gettid().as_raw().unsigned_abs()
}

/// Whether the process lives. One that only waits to be reaped does not.
pub(crate) fn lives(process: u32) -> bool {
    let Ok(number) = i32::try_from(process) else { return false };
    if number <= 0 || kill(Pid::from_raw(number), None) == Err(Errno::ESRCH) {
        return false;
    }
    // Without /proc there is only the signal to tell.
    stat(process).is_none_or(|stat| !matches!(stat.state, 'Z' | 'X'))
}

/// The process that has started it; `None` if it is gone, or `/proc` does not tell.
pub(crate) fn parent_of(process: u32) -> Option<u32> {
    stat(process).map(|stat| stat.parent)
}

/// What the process has taken; `None` if it is gone, or `/proc` does not tell.
pub(crate) fn taken(process: u32) -> Option<Taken> {
    let stat = stat(process)?;
    let number = |variable| sysconf(variable).ok().flatten().and_then(|value| u64::try_from(value).ok());
    let (per_second, page) = (number(SysconfVar::CLK_TCK)?.max(1), number(SysconfVar::PAGE_SIZE)?);
    let time = |ticks: u64| Duration::from_millis(ticks.saturating_mul(1000) / per_second);
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let uptime = Duration::try_from_secs_f64(uptime.split(' ').next()?.parse().ok()?).ok()?;
    Some(Taken {
        cpu: time(stat.cpu),
        resident: stat.pages.saturating_mul(page),
        age: uptime.saturating_sub(time(stat.started)),
    })
}

/// Fields of `/proc/<pid>/stat` (proc(5)).
struct Stat {
    state: char,
    parent: u32,
    /// Clock ticks of user and system time.
    cpu: u64,
    /// Clock ticks since the system was started.
    started: u64,
    pages: u64,
}

fn stat(process: u32) -> Option<Stat> {
    parse(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// The name of the program, which may hold anything, ends with the last parenthesis.
fn parse(text: &str) -> Option<Stat> {
    let fields: Vec<_> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field)?.parse::<u64>().ok();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: u32::try_from(number(1)?).ok()?,
        cpu: number(11)?.saturating_add(number(12)?),
        started: number(19)?,
        pages: number(21)?,
    })
}

/// This thread, as `threading.get_ident()` has it: a number that means it within the process for as long as it lives.
pub(crate) fn this_thread() -> u64 {
    // SAFETY: SYSTEM: a plain call, which cannot fail.
    unsafe { libc::pthread_self() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_has_taken_something() {
        let here = std::process::id();
        assert!(lives(here));
        let taken = taken(here).expect("Linux");
        assert!(taken.resident > 1 << 20 && taken.age < Duration::from_secs(3600), "{taken:?}");
        assert!(!lives(0) && !lives(u32::MAX));
        assert_eq!(parent_of(here), Some(std::os::unix::process::parent_id()));
    }

    #[test]
    fn one_that_waits_to_be_reaped_does_not_live() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().expect("a process");
        let process = child.id();
        assert!(lives(process));
        child.kill().expect("our own process");
        while lives(process) {
            std::thread::yield_now();
        }
        child.wait().expect("our own process");
        assert!(!lives(process) && taken(process).is_none());
    }

    #[test]
    fn any_name_of_a_program_is_passed_over() {
        let fields = "S 1 2 3 4 5 6 7 8 9 10 30 12 13 14 15 16 17 18 5000 20 77 22";
        for name in ["apache2", "a) S 1 (b", ") (", ""] {
            let stat = parse(&format!("12 ({name}) {fields}")).expect("whole");
            assert_eq!((stat.state, stat.cpu, stat.started, stat.pages), ('S', 42, 5000, 77));
        }
        assert!(parse("").is_none() && parse("12 (a) S 1").is_none());
    }
}

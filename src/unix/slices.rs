//! How long a thread runs before the scheduler has others run, if they wait (`sched_runtime` of sched_setattr(2), Linux 6.12).

use core::marker::PhantomData;
use nix::errno::Errno;

/// In nanoseconds; the scheduler has none that are shorter.
const SHORT: u64 = 100_000;

/// Short slices for this thread, until this is dropped. Where the system has no such thing it is without effect.
///
/// A thread that gives the processor away (sched_yield(2)) is behind the others by one slice, and waits until they have
/// had as much: it is soon back if its slices are short. Its share of the processor stays the same.
pub(crate) struct ShortSlices {
    before: Option<libc::sched_attr>,
    /// It is this thread that has them.
    thread: PhantomData<*const ()>,
}

impl ShortSlices {
    pub(crate) fn new() -> Self {
        let policies = [libc::SCHED_OTHER, libc::SCHED_BATCH];
        let has_slices = |found: &libc::sched_attr| {
            policies.iter().any(|policy| found.sched_policy == *policy as u32) && found.sched_runtime > SHORT
        };
        let before = attributes().ok().filter(has_slices);
        let before = before.filter(|before| set(&libc::sched_attr { sched_runtime: SHORT, ..*before }).is_ok());
        Self { before, thread: PhantomData }
    }
}

impl Drop for ShortSlices {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = set(before);
        }
    }
}

const SIZE: u32 = size_of::<libc::sched_attr>() as u32;

/// What the scheduler knows of this thread.
fn attributes() -> nix::Result<libc::sched_attr> {
    let mut found = libc::sched_attr {
        size: SIZE,
        sched_policy: 0,
        sched_flags: 0,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: 0,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the kernel writes as many bytes as it is told that there are; any of them make a valid value.
    let status = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut found, SIZE, 0) };
    Errno::result(status).map(|_| found)
}

fn set(wanted: &libc::sched_attr) -> nix::Result<()> {
    // SAFETY: the kernel reads as many bytes as the value says that it has.
    Errno::result(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const *wanted, 0) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice() -> u64 {
        attributes().expect("Linux").sched_runtime
    }

    #[test]
    fn slices_are_short_until_the_end_of_the_scope() {
        let before = slice();
        // An older kernel has none to change.
        let short = if before == 0 { 0 } else { SHORT };
        let outer = ShortSlices::new();
        assert_eq!(slice(), short);
        drop(ShortSlices::new());
        assert_eq!(slice(), short, "the inner scope found them short");
        drop(outer);
        assert_eq!(slice(), before);
    }
}

//! How long a thread runs before the scheduler has others run, if they wait (`sched_runtime` of sched_setattr(2), Linux 6.12).

use core::marker::PhantomData;
use core::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use nix::errno::Errno;
use std::fs;

/// In nanoseconds; the scheduler has none that are shorter.
const SHORT: u64 = 100_000;

/// How many [`ShortSlices`] there are.
static HOLDERS: AtomicUsize = AtomicUsize::new(0);

/// Short slices for this thread, until this is dropped. Where the system has no such thing it is without effect.
///
/// A thread that gives the processor away (sched_yield(2)) is behind the others by one slice, and waits until they have
/// had as much: it is soon back if its slices are short. Its share of the processor stays the same. Threads that it makes
/// inherit them, until the last of these values is dropped.
pub(crate) struct ShortSlices {
    before: Option<libc::sched_attr>,
    /// It is this thread that has them.
    thread: PhantomData<*const ()>,
}

/// Stands for the calling thread.
const THIS_THREAD: libc::pid_t = 0;

impl ShortSlices {
    pub(crate) fn new() -> Self {
        let policies = [libc::SCHED_OTHER, libc::SCHED_BATCH];
        let has_slices = |found: &libc::sched_attr| {
            policies.iter().any(|policy| found.sched_policy == *policy as u32) && found.sched_runtime > SHORT
        };
        let before = attributes(THIS_THREAD).ok().filter(has_slices);
        let shortened = |before: &libc::sched_attr| set_slice(THIS_THREAD, before, SHORT).is_ok();
        let before = before.filter(shortened).inspect(|_| {
            HOLDERS.fetch_add(1, SeqCst);
        });
        Self { before, thread: PhantomData }
    }
}

impl Drop for ShortSlices {
    fn drop(&mut self) {
        let Some(before) = &self.before else { return };
        let _ = set_slice(THIS_THREAD, before, before.sched_runtime);
        if HOLDERS.fetch_sub(1, SeqCst) == 1 {
            lengthen_all(before.sched_runtime);
        }
    }
}

/// Gives threads that have inherited short slices longer ones.
fn lengthen_all(slice: u64) {
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return };
    for thread in threads.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
        if let Ok(found) = attributes(thread)
            && found.sched_runtime == SHORT
        {
            let _ = set_slice(thread, &found, slice);
        }
    }
}

const SIZE: u32 = size_of::<libc::sched_attr>() as u32;

/// What the scheduler knows of a thread.
fn attributes(thread: libc::pid_t) -> nix::Result<libc::sched_attr> {
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
    // SAFETY: SYSTEM: the kernel writes as many bytes as it is told that there are; any of them make a valid value.
    let status = unsafe { libc::syscall(libc::SYS_sched_getattr, thread, &raw mut found, SIZE, 0) };
    Errno::result(status).map(|_| found)
}

fn set_slice(thread: libc::pid_t, found: &libc::sched_attr, slice: u64) -> nix::Result<()> {
    let wanted = libc::sched_attr { sched_runtime: slice, ..*found };
    // SAFETY: SYSTEM: the kernel reads as many bytes as the value says that it has.
    Errno::result(unsafe { libc::syscall(libc::SYS_sched_setattr, thread, &raw const wanted, 0) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::Instant;

    fn slice() -> u64 {
        attributes(THIS_THREAD).expect("Linux").sched_runtime
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
        let ((tell, heard), (go_on, wait)) = (channel(), channel::<()>());
        let heir = thread::spawn(move || {
            tell.send(slice()).expect("an ear");
            let _ = wait.recv();
            // Other tests start interpreters, and may be the last.
            let patience = Instant::now() + Duration::from_secs(30);
            while slice() != before && Instant::now() < patience {
                thread::sleep(Duration::from_millis(1));
            }
            slice()
        });
        assert_eq!(heard.recv(), Ok(short), "a thread inherits them");
        drop(outer);
        assert_eq!(slice(), before);
        drop(go_on);
        assert_eq!(heir.join().expect("no panic"), before);
    }
}

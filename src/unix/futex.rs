//! Waiting until another process changes a shared word (futex(2)).

use core::ptr;
use core::sync::atomic::AtomicU32;
use core::time::Duration;

/// Sleeps while `word` has the value `expected`, until it is woken or the time is up. May return early.
pub(crate) fn wait(word: &AtomicU32, expected: u32, at_most: Duration) {
    let timeout = libc::timespec {
        tv_sec: at_most.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: at_most.subsec_nanos().into(),
    };
    // SAFETY: SYSTEM: the word outlives the call; the kernel compares it atomically. Not "private": processes share it.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            expected,
            &raw const timeout,
            ptr::null::<u32>(),
            0,
        )
    };
}

/// Wakes at most `count` of those who wait for `word`, the longest waiting first.
pub(crate) fn wake(word: &AtomicU32, count: i32) {
    // SAFETY: SYSTEM: the word outlives the call.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, count) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::Ordering;

    #[test]
    fn a_word_of_another_value_is_not_waited_for() {
        wait(&AtomicU32::new(1), 0, Duration::from_secs(600));
    }

    #[test]
    fn a_change_that_is_told_ends_the_wait() {
        let word = AtomicU32::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while word.load(Ordering::SeqCst) == 0 {
                    wait(&word, 0, Duration::from_secs(600));
                }
            });
            word.store(1, Ordering::SeqCst);
            wake(&word, 1);
        });
    }
}

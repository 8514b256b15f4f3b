//! Memory that a process shares with those that it forks.

use super::one_thread::errno_of;
use core::num::NonZeroUsize;
use core::ops::{Deref, Range};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicU64};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::fs;

/// What shared memory is made of.
///
/// # Safety
/// SHARED: an atomic number, of which any bits are a value.
pub(crate) unsafe trait Word {}

// SAFETY: SHARED.
unsafe impl Word for AtomicU32 {}
// SAFETY: SHARED.
unsafe impl Word for AtomicU64 {}

/// Words that are zero at first, and that every process forked from here on sees.
pub(crate) struct Shared<W: Word> {
    start: NonNull<W>,
    length: usize,
}

/// Words of 32 bits, which a thread can wait for.
pub(crate) type SharedWords = Shared<AtomicU32>;
/// Words of 64 bits, for counters.
pub(crate) type SharedCounters = Shared<AtomicU64>;

// SAFETY: SHARED: atomic words, which any thread may use.
unsafe impl<W: Word> Send for Shared<W> {}
// SAFETY: SHARED: atomic words, which any thread may use.
unsafe impl<W: Word> Sync for Shared<W> {}

impl<W: Word> Shared<W> {
    /// # Errors
    /// The system has no memory left.
    pub(crate) fn new(length: usize) -> nix::Result<Self> {
        let bytes = NonZeroUsize::new(length * size_of::<W>()).unwrap_or(NonZeroUsize::MIN);
        // SAFETY: SHARED: a new mapping that aliases nothing.
        let start =
            unsafe { mmap_anonymous(None, bytes, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED) }?;
        Ok(Self { start: start.cast(), length })
    }

    pub(crate) fn address(&self) -> Address {
        Address(self.start.addr().get())
    }
}

/// Where some shared memory begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address(usize);

/// Gives up all memory that this process shares with others and could write to, but `kept`: there it sees zeroes of its
/// own from here on. For a process that has just been forked: some of it belongs to code that it never runs.
///
/// # Errors
/// `/proc` cannot be read, or the system has no memory left.
pub(crate) fn give_up_all_but(kept: &[Address]) -> nix::Result<()> {
    let maps = fs::read_to_string("/proc/self/maps").map_err(|error| errno_of(&error))?;
    let is_kept = |range: &Range<usize>| kept.iter().any(|address| range.contains(&address.0));
    for range in maps.lines().filter_map(shared_and_writable).filter(|range| !is_kept(range)) {
        let (Some(start), Some(length)) = (NonZeroUsize::new(range.start), NonZeroUsize::new(range.len())) else {
            continue;
        };
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: FORKED: it takes the place of a mapping, at the same address and with the same access. Other processes
        // may change such memory at any time, so its users expect any value: SHARED for ours.
        unsafe { mmap_anonymous(Some(start), length, access, MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED) }?;
    }
    Ok(())
}

/// The addresses of a line of `/proc/<pid>/maps` (proc(5)), if that memory is shared and may be written to.
fn shared_and_writable(line: &str) -> Option<Range<usize>> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let access = words.next()?;
    let range = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
    (access.contains('w') && access.ends_with('s')).then_some(range)
}

impl<W: Word> Deref for Shared<W> {
    type Target = [W];

    fn deref(&self) -> &[W] {
        // SAFETY: SHARED: the mapping is as long and aligned to a page; zero is a valid word, as is anything another
        // process may write.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl<W: Word> Drop for Shared<W> {
    fn drop(&mut self) {
        // SAFETY: SHARED: the mapping is ours, and the borrows of it have ended. Other processes keep theirs.
        let _ = unsafe { munmap(self.start.cast(), self.length * size_of::<W>()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_shared_and_may_be_written_to_is_found() {
        let lines = [
            ("7f00-8f00 rw-s 00000000 00:01 28340 /dev/zero (deleted)", Some(0x7f00..0x8f00)),
            ("7f00-8f00 r--s 00000000 fe:00 1234 /usr/lib/gconv-modules.cache", None),
            ("7f00-8f00 rw-p 00000000 00:00 0 [heap]", None),
            ("7f00-8f00 -w-s 00000000 00:00 0", Some(0x7f00..0x8f00)),
            ("nonsense", None),
            ("", None),
        ];
        for (line, range) in lines {
            assert_eq!(shared_and_writable(line), range, "{line}");
        }
    }

    #[test]
    fn words_are_found_among_the_mappings() {
        let words = SharedWords::new(4).expect("memory");
        let maps = fs::read_to_string("/proc/self/maps").expect("Linux");
        let holds = |range: Range<usize>| range.contains(&words.start.addr().get());
        assert!(maps.lines().filter_map(shared_and_writable).any(holds), "{maps}");
    }
}

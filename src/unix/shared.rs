//! Memory that a process shares with those that it forks.

use core::num::NonZeroUsize;
use core::ops::Deref;
use core::ptr::NonNull;
use core::sync::atomic::AtomicU32;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// Words that are zero at first, and that every process forked from here on sees.
pub(crate) struct SharedWords {
    start: NonNull<AtomicU32>,
    length: usize,
}

// SAFETY: SHARED: atomic words, which any thread may use.
unsafe impl Send for SharedWords {}
// SAFETY: SHARED: as above.
unsafe impl Sync for SharedWords {}

impl SharedWords {
    /// # Errors
    /// The system has no memory left.
    pub(crate) fn new(length: usize) -> nix::Result<Self> {
        let bytes = NonZeroUsize::new(length * size_of::<AtomicU32>()).unwrap_or(NonZeroUsize::MIN);
        // SAFETY: a new mapping that aliases nothing.
        let start =
            unsafe { mmap_anonymous(None, bytes, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED) }?;
        Ok(Self { start: start.cast(), length })
    }
}

impl SharedWords {
    /// Gives up what is shared: from here on this process sees words of its own, which are zero.
    ///
    /// # Errors
    /// The system has no memory left.
    pub(crate) fn forsake(&self) -> nix::Result<()> {
        let place = self.start.addr();
        let bytes = NonZeroUsize::new(self.length * size_of::<AtomicU32>()).unwrap_or(NonZeroUsize::MIN);
        // SAFETY: SHARED: it takes the place of the mapping, whose borrows see atomic words as before.
        unsafe {
            mmap_anonymous(
                Some(place),
                bytes,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED,
            )
        }
        .map(drop)
    }
}

impl Deref for SharedWords {
    type Target = [AtomicU32];

    fn deref(&self) -> &[AtomicU32] {
        // SAFETY: SHARED: the mapping is as long and aligned to a page; zero is a valid word, as is anything another
        // process may write.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for SharedWords {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and the borrows of it have ended. Other processes keep theirs.
        let _ = unsafe { munmap(self.start.cast(), self.length * size_of::<AtomicU32>()) };
    }
}

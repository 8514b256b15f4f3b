//! Descriptors that wait for input, and the threads that wait for them together.
//!
//! A descriptor is given away while it is parked; when it has input, exactly one thread gets it back and owns it until
//! it parks it again. The kernel wakes the thread that began to wait last, whose caches and thread states are warm.

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::os::fd::AsFd;

/// Descriptors that wait for input.
pub(crate) struct Parked<T> {
    epoll: Epoll,
    owns: core::marker::PhantomData<T>,
}

// SAFETY: PARKED: values only pass through from one thread to another.
unsafe impl<T: Send> Sync for Parked<T> {}

/// One report, then silence until the descriptor is parked again: that is what makes its owner unique.
const ONCE: EpollFlags = EpollFlags::EPOLLIN.union(EpollFlags::EPOLLRDHUP).union(EpollFlags::EPOLLONESHOT);

impl<T: AsFd> Parked<T> {
    /// # Errors
    /// The system has no descriptor left.
    pub(crate) fn new() -> nix::Result<Self> {
        Ok(Self { epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?, owns: core::marker::PhantomData })
    }

    /// Parks a descriptor for the first time.
    ///
    /// # Errors
    /// The system has no memory left; the descriptor is closed.
    pub(crate) fn add(&self, value: Box<T>) -> nix::Result<()> {
        let raw = Box::into_raw(value);
        // SAFETY: PARKED: just made from a box. Another thread may own it only after the call, which borrows the
        // descriptor.
        let descriptor = unsafe { &*raw }.as_fd();
        self.epoll.add(descriptor, EpollEvent::new(ONCE, raw as u64)).inspect_err(|_| {
            // SAFETY: PARKED: the kernel did not take it.
            drop(unsafe { Box::from_raw(raw) });
        })
    }

    /// Parks a descriptor that [`Self::next`] returned.
    ///
    /// # Errors
    /// None that a valid descriptor can cause; it is closed then.
    pub(crate) fn park_again(&self, value: Box<T>) -> nix::Result<()> {
        let raw = Box::into_raw(value);
        // SAFETY: PARKED: the kernel did not take it.
        let descriptor = unsafe { &*raw }.as_fd();
        self.epoll.modify(descriptor, &mut EpollEvent::new(ONCE, raw as u64)).inspect_err(|_| {
            // SAFETY: PARKED: the kernel did not take it.
            drop(unsafe { Box::from_raw(raw) });
        })
    }

    /// Waits for a descriptor with input, and takes it.
    ///
    /// # Errors
    /// What the system says; an interruption by a signal is none, it waits again.
    pub(crate) fn next(&self) -> nix::Result<Box<T>> {
        let mut events = [EpollEvent::empty()];
        loop {
            match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(0) | Err(Errno::EINTR) => {}
                // SAFETY: PARKED: the number is that of a box which was given to the kernel, and which it reports once.
                Ok(_) => return Ok(unsafe { Box::from_raw(events[0].data() as *mut T) }),
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_descriptor_with_input_is_taken_once() {
        let parked = Parked::new().expect("epoll");
        let (mut here, there) = UnixStream::pair().expect("a pair");
        parked.add(Box::new(there)).expect("parked");
        for _ in 0..3 {
            here.write_all(b"x").expect("written");
            let mut taken = parked.next().expect("a descriptor");
            let mut byte = [0];
            taken.read_exact(&mut byte).expect("the byte");
            parked.park_again(taken).expect("parked");
        }
    }
}

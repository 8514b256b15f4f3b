//! A new process from this one.

use core::ffi::{c_int, c_void};
use core::ops::Deref;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use nix::errno::Errno;
use nix::unistd::{ForkResult, Pid};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

/// The exit status after a panic, as Rust programs have it.
const PANICKED: i32 = 101;

/// Forks. `body` is all that the new process does; what it returns is its exit status.
///
/// # Errors
/// The system allows no further process.
///
/// The parent of httpd and the supervisor have one thread each (SAFETY.md, AFTER-FORK).
pub(crate) fn fork(body: impl FnOnce() -> i32) -> nix::Result<Pid> {
    // SAFETY: AFTER-FORK. Should another module of httpd have a thread in the parent, glibc still keeps its own locks whole.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let status = catch_unwind(AssertUnwindSafe(body)).unwrap_or(PANICKED);
            leave(status)
        }
    }
}

/// Whether this process is a copy that an application has made of a daemon or of a child of httpd.
static IS_COPY: AtomicBool = AtomicBool::new(false);

/// What a copy does before it ends because the application has returned in it.
static RETURNED: OnceLock<fn()> = OnceLock::new();

/// The exit status of a copy in which the application has returned.
const RETURNED_STATUS: i32 = 255;

/// From here on a process that is forked from this one knows that it is a copy. `returned` says so where a copy comes back
/// from the application.
///
/// # Errors
/// The system has no memory left.
pub(crate) fn mark_copies(returned: fn()) -> nix::Result<()> {
    let _ = RETURNED.set(returned);
    // SAFETY: COPY: `note_copy` only stores and closes. AFTER-FORK: the module stays mapped.
    let status = unsafe { libc::pthread_atfork(None, None, Some(note_copy)) };
    if status != 0 {
        return Err(Errno::from_raw(status));
    }
    // SAFETY: AFTER-FORK: the module stays mapped.
    match unsafe { on_exit(leave_copy, core::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(Errno::ENOMEM),
    }
}

unsafe extern "C" {
    /// glibc's `atexit` that is told the exit status.
    fn on_exit(function: extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
}

/// A copy runs none of the exit functions of httpd, which clean up for the process that it is a copy of. It is registered
/// last and called first.
extern "C" fn leave_copy(status: c_int, _: *mut c_void) {
    if is_copy() {
        leave(status);
    }
}

/// Ends this process if it is a copy: the request is not its own, nor is anything that httpd would do next.
pub(crate) fn leave_if_copy() {
    if is_copy() {
        if let Some(returned) = RETURNED.get() {
            returned();
        }
        leave(RETURNED_STATUS);
    }
}

extern "C" fn note_copy() {
    IS_COPY.store(true, Ordering::Relaxed);
    for (index, word) in PRIVATE.iter().enumerate() {
        let bits = word.load(Ordering::Relaxed);
        for bit in (0..64).filter(|bit| bits >> bit & 1 == 1) {
            // SAFETY: COPY: who owns the descriptor uses it no more.
            unsafe { libc::close((index * 64 + bit) as RawFd) };
        }
    }
}

/// Which descriptors are closed in copies, by their numbers; those of higher ones stay open.
static PRIVATE: [AtomicU64; 1024] = [const { AtomicU64::new(0) }; 1024];

fn word_and_bit(descriptor: BorrowedFd<'_>) -> Option<(&'static AtomicU64, u64)> {
    let number = usize::try_from(descriptor.as_raw_fd()).ok()?;
    PRIVATE.get(number / 64).map(|word| (word, 1 << (number % 64)))
}

/// A descriptor that copies do not keep open: who waits for the end of a connection waits for all who have it.
pub(crate) struct Private<T: AsFd>(T);

impl<T: AsFd> Private<T> {
    pub(crate) fn new(value: T) -> Self {
        if let Some((word, bit)) = word_and_bit(value.as_fd()) {
            word.fetch_or(bit, Ordering::Relaxed);
        }
        Self(value)
    }
}

impl<T: AsFd> Deref for Private<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: AsFd> Drop for Private<T> {
    fn drop(&mut self) {
        // Before the descriptor is closed: its number may be another's afterwards.
        if let Some((word, bit)) = word_and_bit(self.0.as_fd()) {
            word.fetch_and(!bit, Ordering::Relaxed);
        }
    }
}

/// Whether this is a copy that an application has made: the request is not its own, nor is any connection.
pub(crate) fn is_copy() -> bool {
    IS_COPY.load(Ordering::Relaxed)
}

/// Leaves the process at once: the exit functions of httpd are its parent's.
pub(crate) fn leave(status: i32) -> ! {
    // SAFETY: SYSTEM: a plain system call.
    unsafe { libc::_exit(status) }
}

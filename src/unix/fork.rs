//! A new process from this one.

use nix::unistd::{ForkResult, Pid};
use std::panic::{AssertUnwindSafe, catch_unwind};

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

/// Leaves the process at once: the exit functions of httpd are its parent's.
pub(crate) fn leave(status: i32) -> ! {
    // SAFETY: a plain system call.
    unsafe { libc::_exit(status) }
}

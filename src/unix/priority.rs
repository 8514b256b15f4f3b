//! How much of the CPU a process gets.

use nix::errno::Errno;

/// Sets the nice value of this process, and of what it starts. The system takes the nearest value it has.
///
/// # Errors
/// A lower value than before needs a privilege.
pub(crate) fn set(nice: i32) -> nix::Result<()> {
    // SAFETY: SYSTEM: a plain system call.
    Errno::result(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) }).map(drop)
}

//! The descriptors that a process was forked with.

use nix::sys::socket::{AddressFamily, SockaddrLike, SockaddrStorage, getsockname};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// Which of them stay open, besides standard input, output and error.
pub(crate) struct Kept<'k> {
    pub(crate) descriptors: &'k [BorrowedFd<'k>],
    /// Whether the process writes to syslog, by a socket that only C knows.
    pub(crate) syslog: bool,
}

impl Kept<'_> {
    fn has(&self, number: RawFd) -> bool {
        number <= libc::STDERR_FILENO
            || self.descriptors.iter().any(|kept| kept.as_raw_fd() == number)
            || self.syslog && is_local_socket(number)
    }
}

fn is_local_socket(number: RawFd) -> bool {
    let name = getsockname::<SockaddrStorage>(number);
    name.is_ok_and(|name| name.family() == Some(AddressFamily::Unix))
}

/// Closes all others, in a process that has just been forked: what it was forked from had them for itself.
///
/// # Errors
/// `/proc` cannot be read.
pub(crate) fn close_others(kept: &Kept<'_>) -> nix::Result<()> {
    let directory = std::fs::read_dir("/proc/self/fd").map_err(|error| super::one_thread::errno_of(&error))?;
    let numbers: Vec<RawFd> =
        directory.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for number in numbers.into_iter().filter(|number| !kept.has(*number)) {
        // SAFETY: FORKED: whoever owned it here never uses it in this process, nor closes it. One of the numbers was that of
        // the directory, which is closed already.
        unsafe { libc::close(number) };
    }
    Ok(())
}

/// Has standard error go where `target` goes, and standard output as well unless nobody sees it.
///
/// # Errors
/// None that two open descriptors can cause.
pub(crate) fn redirect_standard_output(target: impl AsFd) -> nix::Result<()> {
    if !is_null(std::io::stdout()) {
        nix::unistd::dup2_stdout(&target)?;
    }
    nix::unistd::dup2_stderr(target)
}

fn is_null(descriptor: impl AsFd) -> bool {
    let null = nix::sys::stat::stat("/dev/null");
    let its = nix::sys::stat::fstat(descriptor);
    null.is_ok_and(|null| its.is_ok_and(|its| its.st_rdev == null.st_rdev && its.st_mode == null.st_mode))
}

/// Has the descriptor `place` stand for what `target` stands for, in this process. Programs that it starts do not have it.
///
/// # Errors
/// None that two open descriptors can cause.
pub(crate) fn put_in_place(target: impl AsFd, place: BorrowedFd<'_>) -> nix::Result<()> {
    // SAFETY: FORKED: whoever owns the descriptor in this process writes lines to it, and knows it by its number only.
    let status = unsafe { libc::dup3(target.as_fd().as_raw_fd(), place.as_raw_fd(), libc::O_CLOEXEC) };
    nix::errno::Errno::result(status).map(drop)
}

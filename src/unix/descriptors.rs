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
    let folder = std::fs::read_dir("/proc/self/fd").map_err(|error| super::one_thread::errno_of(&error))?;
    let numbers: Vec<RawFd> = folder.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for number in numbers.into_iter().filter(|number| !kept.has(*number)) {
        // SAFETY: FORKED: whoever owned it here never uses it in this process, nor closes it. One of the numbers was that of
        // the folder, which is closed already.
        unsafe { libc::close(number) };
    }
    Ok(())
}

/// Has standard error go where `target` goes.
///
/// # Errors
/// None that two open descriptors can cause.
pub(crate) fn redirect_standard_error(target: impl AsFd) -> nix::Result<()> {
    nix::unistd::dup2_stderr(target)
}

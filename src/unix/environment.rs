//! The environment of this process.

use super::one_thread::Threads;
use nix::errno::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Sets a variable of this process.
///
/// # Errors
/// The process has other threads, or a NUL stands in the text, which no variable can hold.
pub(crate) fn set(threads: &Threads, name: &'static str, value: &OsStr) -> nix::Result<()> {
    if value.as_bytes().contains(&0) {
        return Err(Errno::EINVAL);
    }
    threads.check_alone()?;
    // SAFETY: ONE-THREAD: nobody reads the environment meanwhile.
    unsafe { std::env::set_var(name, value) };
    Ok(())
}

//! The locale of C.

use super::one_thread::Threads;
use nix::errno::Errno;
use std::ffi::CString;

/// Sets the locale in all its categories (`LC_ALL`).
///
/// # Errors
/// The process has other threads, or the system does not have that locale (`ENOENT`).
pub(crate) fn set(threads: &Threads, name: &str) -> nix::Result<()> {
    let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
    threads.check_alone()?;
    // SAFETY: ONE-THREAD: nobody uses the locale meanwhile; the name is a C string.
    let set = unsafe { libc::setlocale(libc::LC_ALL, name.as_ptr()) };
    if set.is_null() { Err(Errno::ENOENT) } else { Ok(()) }
}

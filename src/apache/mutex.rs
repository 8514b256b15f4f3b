//! The mutexes between processes that APR has on this platform.

use crate::ffi;

/// Their names, as httpd's own `Mutex` directive spells them.
pub(crate) fn mechanisms() -> impl Iterator<Item = &'static str> {
    let all = [
        ("flock", ffi::APR_HAS_FLOCK_SERIALIZE),
        ("fcntl", ffi::APR_HAS_FCNTL_SERIALIZE),
        ("sysvsem", ffi::APR_HAS_SYSVSEM_SERIALIZE),
        ("posixsem", ffi::APR_HAS_POSIXSEM_SERIALIZE),
        ("pthread", ffi::APR_HAS_PROC_PTHREAD_SERIALIZE),
    ];
    all.into_iter().filter(|(_, there)| *there != 0).map(|(name, _)| name)
}

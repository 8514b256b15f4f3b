//! `User` and `Group`: who httpd's own children are.

use crate::ffi;

/// The id of `User`. Without such a directive it is the user that httpd was built for.
pub(crate) fn user_id() -> u32 {
    // SAFETY: HTTPD: httpd writes it while it reads its configuration, as long as it has only one thread.
    unsafe { ffi::ap_unixd_config.user_id }
}

/// Whether `CoreDumpDirectory` is set: then processes that have changed their user may leave core dumps.
pub(crate) fn wants_core_dumps() -> bool {
    // SAFETY: HTTPD: httpd writes it while it reads its configuration, as long as it has only one thread.
    unsafe { ffi::ap_coredumpdir_configured != 0 }
}

/// Whether `ChrootDir` gives httpd's child processes a root of their own.
pub(crate) fn has_root_of_its_own() -> bool {
    // SAFETY: HTTPD: httpd writes it while it reads its configuration, as long as it has only one thread.
    unsafe { !ffi::ap_unixd_config.chroot_dir.is_null() }
}

/// The id of `Group`.
pub(crate) fn group_id() -> u32 {
    // SAFETY: HTTPD: httpd writes it while it reads its configuration, as long as it has only one thread.
    unsafe { ffi::ap_unixd_config.group_id }
}

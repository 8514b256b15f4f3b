//! `User` and `Group`: who httpd's own children are.

use crate::ffi;

/// The id of `User`. Without such a directive it is the user that httpd was built for.
pub(crate) fn user_id() -> u32 {
    // SAFETY: httpd writes it while it reads its configuration, as long as it has only one thread.
    unsafe { ffi::ap_unixd_config.user_id }
}

/// The id of `Group`.
pub(crate) fn group_id() -> u32 {
    // SAFETY: httpd writes it while it reads its configuration, as long as it has only one thread.
    unsafe { ffi::ap_unixd_config.group_id }
}

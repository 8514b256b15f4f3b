//! Where httpd keeps what lives as long as it runs (`DefaultRuntimeDir`), and who its children run as.

use super::{bytes, pool::Pool};
use crate::ffi;
use core::ffi::CStr;

/// The path of a file of that name in the runtime directory.
pub(crate) fn file(pool: Pool<'_>, name: &CStr) -> Option<String> {
    // SAFETY: POOL; httpd copies the name.
    let path = unsafe { ffi::ap_runtime_dir_relative(pool.as_raw(), name.as_ptr()) };
    // SAFETY: HTTPD: null, or a string in the pool.
    let path = unsafe { bytes(path) }?;
    core::str::from_utf8(path).ok().map(str::to_owned)
}

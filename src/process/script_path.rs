//! The path of a script, as it names a module, and when the file behind it changed.

use crate::process::this_process::process;
use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

/// The path that a script's module is named after: in lower case under `WSGICaseSensitivity Off`.
pub(crate) fn of(path: &[u8]) -> Cow<'_, [u8]> {
    if process().is_some_and(|process| process.start_up.case_insensitive) {
        path.to_ascii_lowercase().into()
    } else {
        path.into()
    }
}

/// When the file changed last, in microseconds since the epoch; 0 if it cannot be looked at.
pub(crate) fn modified(path: &[u8]) -> i64 {
    let metadata = std::fs::metadata(OsStr::from_bytes(path));
    metadata.map_or(0, |metadata| metadata.mtime() * 1_000_000 + metadata.mtime_nsec() / 1000)
}

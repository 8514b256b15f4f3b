//! Scripts by their paths: what their modules are named after, and when the files behind them changed.

use crate::process::this_process::process;
use crate::python::script::{Reloading, Script};
use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

/// A script, as requests name it.
pub(crate) fn script<'a>(
    path: &'a [u8],
    modified: i64,
    resource: &'a [u8],
    reloading: Reloading,
    callable: &'a str,
) -> Script<'a> {
    Script { path, module_path: module_path(path), modified, resource, reloading, callable }
}

/// The path that a script's module is named after: in lower case under `WSGICaseSensitivity Off`.
fn module_path(path: &[u8]) -> Cow<'_, [u8]> {
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

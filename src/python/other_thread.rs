//! What one thread can do about another that runs Python: see where it is, and raise an exception in it.
//!
//! The thread is named as `threading.get_ident()` has it, and belongs to the interpreter attached to.

use super::config::GilMode;
use super::interpreter;
use core::ffi::c_long;
use nix::sys::memfd::{MFdFlags, memfd_create};
use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::AsRawFd;

pub(crate) use crate::unix::process::this_thread;

/// Where `thread` is, a line each, the most recent call last; empty if it runs no Python.
///
/// # Errors
/// What CPython raises.
pub(crate) fn stack(py: Python<'_>, thread: u64) -> PyResult<Vec<String>> {
    if interpreter::gil_mode() == Some(GilMode::FreeThreading) { dumped(py, thread) } else { walked(py, thread) }
}

/// With a GIL its holder may look at the frames of others.
fn walked(py: Python<'_>, thread: u64) -> PyResult<Vec<String>> {
    let _slices = super::short_slices();
    let frames = py.import("sys")?.call_method0("_current_frames")?;
    let Some(frame) = frames.cast::<PyDict>()?.get_item(thread)? else { return Ok(Vec::new()) };
    let entries: Vec<String> = py.import("traceback")?.call_method1("format_stack", (frame,))?.extract()?;
    let lines = entries.iter().flat_map(|entry| entry.lines());
    Ok(lines.filter(|line| !line.trim().is_empty()).map(str::to_owned).collect())
}

/// Without a GIL frames may be looked at while all threads stand still. `faulthandler` does that, since 3.13.2.
fn dumped(py: Python<'_>, thread: u64) -> PyResult<Vec<String>> {
    Ok(lines_of(&dump(py)?, thread))
}

/// What a thread of the interpreter runs, a line each, the most recent call last.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stack {
    pub(crate) thread: u64,
    pub(crate) lines: Vec<String>,
}

/// Where all threads of the interpreter are, up to a hundred.
///
/// # Errors
/// What CPython raises.
pub(crate) fn all_stacks(py: Python<'_>) -> PyResult<Vec<Stack>> {
    let dump = dump(py)?;
    let threads = threads_of(&dump).into_iter();
    Ok(threads.map(|thread| Stack { thread, lines: lines_of(&dump, thread) }).collect())
}

/// What `faulthandler` writes of all threads of the interpreter.
fn dump(py: Python<'_>) -> PyResult<String> {
    let is_free = interpreter::gil_mode() == Some(GilMode::FreeThreading);
    if is_free && py.version_info() < (3, 13, 2) {
        return Err(PyRuntimeError::new_err("before Python 3.13.2 no stack can be taken without the GIL"));
    }
    let mut file = File::from(memfd_create(c"stacks", MFdFlags::MFD_CLOEXEC).map_err(std::io::Error::from)?);
    py.import("faulthandler")?.call_method1("dump_traceback", (file.as_raw_fd(), true))?;
    file.rewind()?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The threads that `faulthandler` has written of.
fn threads_of(dump: &str) -> Vec<u64> {
    let heads = dump.lines().filter(|line| line.starts_with("Thread 0x") || line.starts_with("Current thread 0x"));
    let number = |line: &str| {
        let digits = line.split_once("0x")?.1;
        let end = digits.find(|letter: char| !letter.is_ascii_hexdigit()).unwrap_or(digits.len());
        u64::from_str_radix(&digits[..end], 16).ok()
    };
    heads.filter_map(number).collect()
}

/// What `faulthandler` has written of one thread, turned into the order of tracebacks.
fn lines_of(dump: &str, thread: u64) -> Vec<String> {
    let mark = format!("0x{thread:016x} ");
    let mut lines = dump.lines().skip_while(|line| !line.contains(&mark)).skip(1);
    let frames = lines.by_ref().take_while(|line| line.starts_with("  File "));
    let mut stack: Vec<_> = frames.map(str::to_owned).collect();
    stack.reverse();
    stack
}

/// Has `class` raised in `thread` when it runs bytecode next; `false` if the interpreter does not know the thread.
pub(crate) fn raise(class: &Bound<'_, PyType>, thread: u64) -> bool {
    // SAFETY: ATTACHED: the class is proof.
    unsafe { ffi::PyThreadState_SetAsyncExc(thread as c_long, class.as_ptr()) > 0 }
}

/// Takes back an exception that was to be raised in this thread and was not yet.
pub(crate) fn take_back(_py: Python<'_>) {
    // SAFETY: ATTACHED: the token is proof.
    unsafe { ffi::PyThreadState_SetAsyncExc(this_thread() as c_long, core::ptr::null_mut()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_one_thread_are_found_among_those_of_all() {
        let dump = "Thread 0x000000000000000a (most recent call first):\n  File \"a\", line 1 in f\n\n\
                    Current thread 0x00000000000000ab (most recent call first):\n  File \"b\", line 3 in inner\n  \
                    File \"b\", line 2 in outer\n\nThread 0x000000000000000c (most recent call first):\n  <no Python \
                    frame>\n";
        assert_eq!(lines_of(dump, 0xab), ["  File \"b\", line 2 in outer", "  File \"b\", line 3 in inner"]);
        assert_eq!(lines_of(dump, 10), ["  File \"a\", line 1 in f"]);
        assert_eq!(lines_of(dump, 12), [""; 0]);
        assert_eq!(threads_of(dump), [10, 0xab, 12]);
        assert_eq!(threads_of("Thread 0x00ff [name] (most recent call first):\n  File \"a\""), [0xff]);
        assert_eq!(lines_of(dump, 0xa0), [""; 0]);
    }
}

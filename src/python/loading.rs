//! Which script this thread executes as a module at the moment, for the log: what code prints while it is loaded belongs to
//! no request, or to one that has only caused it.
//!
//! `script` says so around each execution; whoever writes a line of a process asks.

use super::thread_state::Attached;
use core::cell::RefCell;
use pyo3::prelude::*;

/// A script that is being executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loading {
    pub(crate) path: Box<[u8]>,
    /// Empty for the main interpreter.
    pub(crate) application_group: Box<str>,
}

thread_local! {
    static LOADING: RefCell<Option<Loading>> = const { RefCell::new(None) };
}

/// What this thread loads.
pub(crate) fn current() -> Option<Loading> {
    LOADING.with_borrow(Clone::clone)
}

/// Whether this thread loads a script.
pub(crate) fn is_loading() -> bool {
    LOADING.with_borrow(Option::is_some)
}

/// Runs `body`, which executes the script at `path`. What it leaves of a line is written before this returns.
pub(super) fn during<R>(attached: &Attached<'_>, path: &[u8], body: impl FnOnce() -> R) -> R {
    /// A script may have another one executed.
    struct Restore(Option<Loading>);
    impl Drop for Restore {
        fn drop(&mut self) {
            LOADING.set(self.0.take());
        }
    }
    let loading = Loading { path: path.into(), application_group: attached.interpreter.name().into() };
    let _restore = Restore(LOADING.replace(Some(loading)));
    let result = body();
    flush_streams(attached.py);
    result
}

fn flush_streams(py: Python<'_>) {
    let Ok(sys) = py.import("sys") else { return };
    for stream in ["stdout", "stderr"] {
        // A script may have put anything in the place of its streams.
        let _ = sys.getattr(stream).and_then(|stream| stream.call_method0("flush"));
    }
}

//! No memory for an object of Python: where CPython returns none, safe functions of pyo3 panic.
//!
//! Asked by whoever catches a panic. Never decides what becomes of the process.

/// What pyo3 says then. It is pinned to the patch.
pub(crate) const NO_OBJECT: &str = "PyObject pointer is null";

/// What this module says where CPython makes no thread state.
pub(crate) const NO_THREAD_STATE: &str = "no memory for a thread state of Python";

/// Whether a panic with this message says that memory is exhausted.
pub(crate) fn is_named_by(panic: &str) -> bool {
    [NO_OBJECT, NO_THREAD_STATE].contains(&panic)
}

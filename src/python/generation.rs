//! The generation of all scripts in this process: one number that threads compare
//! before they use an application that they have kept.
//!
//! It moves when a script is loaded, and when a script's own code puts another
//! object in the place of its callable: the module's dictionary is watched for
//! that (CPython 3.12 and later; before, nothing is kept from request to request).

use core::sync::atomic::{AtomicU64, Ordering};
use parking_lot::RwLock;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

static GENERATION: AtomicU64 = AtomicU64::new(0);

/// Milliseconds since [`start`] until which nothing is kept: see [`is_settled`].
static UNSETTLED_UNTIL: AtomicU64 = AtomicU64::new(0);

/// How long threads look things up anew after a dictionary was changed.
const UNSETTLED: Duration = Duration::from_secs(1);

/// Names whose change matters: the callables that were ever asked for, and what the reload rule reads.
static NAMES: RwLock<Vec<Box<str>>> = RwLock::new(Vec::new());

fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// The current generation.
pub(crate) fn current() -> u64 {
    GENERATION.load(Ordering::Acquire)
}

/// Makes every thread look again.
pub(crate) fn advance() {
    GENERATION.fetch_add(1, Ordering::AcqRel);
}

/// Whether what is looked up now may be kept. CPython tells of a change just before it
/// makes it, and without the GIL another thread may read in between: so for a moment
/// after a change nothing is kept.
pub(crate) fn is_settled() -> bool {
    cfg!(Py_3_12) && start().elapsed().as_millis() as u64 >= UNSETTLED_UNTIL.load(Ordering::Acquire)
}

#[cfg_attr(not(Py_3_12), expect(dead_code, reason = "dictionaries cannot be watched"))]
fn changed() {
    let until = start().elapsed() + UNSETTLED;
    UNSETTLED_UNTIL.store(until.as_millis() as u64, Ordering::Release);
    advance();
}

/// Says that a change of `name` in a watched dictionary matters.
pub(crate) fn mind(name: &str) {
    if !NAMES.read().iter().any(|known| &**known == name) {
        NAMES.write().push(name.into());
    }
}

#[cfg(not(Py_3_12))]
pub(crate) fn watch(_: &Bound<'_, PyDict>) -> PyResult<()> {
    Ok(())
}

/// Advances the generation when one of the names changes in `globals`.
///
/// # Errors
/// The interpreter has no watcher left: CPython has eight.
#[cfg(Py_3_12)]
pub(crate) fn watch(globals: &Bound<'_, PyDict>) -> PyResult<()> {
    watcher::watch(globals)
}

#[cfg(Py_3_12)]
mod watcher {
    use super::{NAMES, changed};
    use core::ffi::{c_char, c_int};
    use pyo3::ffi;
    use pyo3::prelude::*;
    use pyo3::types::PyDict;
    use std::panic::catch_unwind;

    // pyo3-ffi leaves these out; cpython/dictobject.h has them since 3.12.
    unsafe extern "C" {
        fn PyDict_AddWatcher(callback: Callback) -> c_int;
        fn PyDict_Watch(watcher: c_int, dict: *mut ffi::PyObject) -> c_int;
    }

    type Callback = unsafe extern "C" fn(
        event: c_int,
        dict: *mut ffi::PyObject,
        key: *mut ffi::PyObject,
        value: *mut ffi::PyObject,
    ) -> c_int;

    /// Where an interpreter keeps its watcher's number: in its own dictionary, so that no static does.
    const KEY: &str = "mod_wsgi.dict_watcher";

    pub(super) fn watch(globals: &Bound<'_, PyDict>) -> PyResult<()> {
        let number = number(globals.py())?;
        // SAFETY: ATTACHED; a dict, and a watcher of this interpreter.
        let status = unsafe { PyDict_Watch(number, globals.as_ptr()) };
        if status < 0 { Err(PyErr::fetch(globals.py())) } else { Ok(()) }
    }

    fn number(py: Python<'_>) -> PyResult<c_int> {
        // SAFETY: ATTACHED.
        let interpreter = unsafe { ffi::PyInterpreterState_Get() };
        // SAFETY: ATTACHED; the interpreter is alive.
        let dict = unsafe { ffi::PyInterpreterState_GetDict(interpreter) };
        // SAFETY: ATTACHED; a borrowed reference, or null without an exception.
        let dict = unsafe { Bound::from_borrowed_ptr_or_err(py, dict) }?.cast_into::<PyDict>()?;
        if let Some(number) = dict.get_item(KEY)? {
            return number.extract();
        }
        // SAFETY: ATTACHED; the callback is static.
        let number = unsafe { PyDict_AddWatcher(on_change) };
        if number < 0 {
            return Err(PyErr::fetch(py));
        }
        dict.set_item(KEY, number)?;
        Ok(number)
    }

    /// Called by CPython before a watched dictionary changes. Must not raise, and runs no Python code.
    unsafe extern "C" fn on_change(
        _: c_int,
        _: *mut ffi::PyObject,
        key: *mut ffi::PyObject,
        _: *mut ffi::PyObject,
    ) -> c_int {
        let outcome = catch_unwind(|| {
            // SAFETY: ATTACHED; the key is null when the whole dictionary is cleared.
            if key.is_null() || unsafe { is_minded(key) } {
                changed();
            }
        });
        // NO-UNWIND: a panic here has changed nothing.
        drop(outcome);
        0
    }

    /// # Safety
    /// ATTACHED; `key` is a borrowed reference.
    unsafe fn is_minded(key: *mut ffi::PyObject) -> bool {
        // SAFETY: ATTACHED; `key` is a borrowed reference.
        if unsafe { ffi::PyUnicode_Check(key) } == 0 {
            return false;
        }
        let mut length = 0;
        // SAFETY: ATTACHED; a str, which keeps its UTF-8 form alive.
        let text: *const c_char = unsafe { ffi::PyUnicode_AsUTF8AndSize(key, &mut length) };
        if text.is_null() {
            // SAFETY: ATTACHED.
            unsafe { ffi::PyErr_Clear() };
            return false;
        }
        // SAFETY: OBJECT: the str has that many bytes.
        let name = unsafe { core::slice::from_raw_parts(text.cast::<u8>(), length as usize) };
        matches!(name, b"__mtime__" | b"reload_required") || NAMES.read().iter().any(|known| known.as_bytes() == name)
    }
}

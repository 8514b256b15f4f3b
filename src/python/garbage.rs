//! Collections of garbage, as CPython tells of them (`gc.callbacks`): how many there are, and how long each takes.
//!
//! Set up in each interpreter. Never changes what is collected, and when.

use super::class::{Arguments, Class, ClassType, Method, Object, Returns, none};
use core::ffi::CStr;
use core::time::Duration;
use parking_lot::Mutex;
use pyo3::prelude::*;
use std::time::Instant;

/// Hears of a collection: its generation, how many objects it has freed, and how long it took.
pub(crate) type Note = fn(usize, u64, Duration);

/// What CPython calls before and after each collection.
struct Collections {
    note: Note,
    /// When the one that is under way began. An interpreter has one at a time.
    began: Mutex<Option<Instant>>,
}

impl Class for Collections {
    const NAME: &'static CStr = c"mod_wsgi.Collections";
    const METHODS: &'static [Method] = &[Method::positional(c"note", Collections::note), Method::END];
}

impl Collections {
    /// `note(phase, info)`
    fn note<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        let py = this.py();
        let (Some(phase), Some(info)) = (arguments.get(0), arguments.get(1)) else { return none(py) };
        if phase.extract::<&str>()? == "start" {
            *this.began.lock() = Some(Instant::now());
        } else if let Some(began) = this.began.lock().take() {
            let number = |name: &str| info.get_item(name).and_then(|value| value.extract::<u64>()).unwrap_or(0);
            (this.note)(number("generation") as usize, number("collected"), began.elapsed());
        }
        none(py)
    }
}

/// Has every collection in the interpreter attached to noted.
///
/// # Errors
/// What CPython raises.
pub(crate) fn install(py: Python<'_>, note: Note) -> PyResult<()> {
    let collections = ClassType::<Collections>::new(py)?.instance(py, Collections { note, began: Mutex::new(None) })?;
    py.import("gc")?.getattr("callbacks")?.call_method1("append", (collections.bound_method(0)?,)).map(drop)
}

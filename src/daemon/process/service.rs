//! A group of services (`threads=0`): its import scripts are programs that run on the main thread of its processes.
//!
//! The process ends with the last of them, and the supervisor starts another one. It takes no requests. Signals are the
//! scripts' own business; until they say otherwise, SIGTERM raises SystemExit in them.

use crate::apache::log::Level;
use crate::apache::server::Server;
use crate::daemon::process::start::Daemon;
use crate::python::class::{Arguments, Class, ClassType, Method, Object, Returns, boolean, none};
use crate::python::interpreter;
use crate::scripts::preload::{self, Interruptible};
use crate::unix::signals::Signals;
use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, Ordering};
use nix::sys::signal::Signal;
use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::ffi::CString;

/// Set once a signal has told this process to end: no further script is begun.
static TOLD_TO_END: AtomicBool = AtomicBool::new(false);

/// What SIGTERM may interrupt.
static PROGRAM: Interruptible = Interruptible::new();

/// What the handlers of signals ask for.
struct EndNote;

impl Class for EndNote {
    const NAME: &'static CStr = c"mod_wsgi.EndNote";
    const METHODS: &'static [Method] = &[
        Method::positional(c"note", EndNote::note),
        Method::positional(c"may_interrupt", EndNote::may_interrupt),
        Method::END,
    ];
}

/// [`EndNote::note`] and [`EndNote::may_interrupt`] in [`Class::METHODS`].
const NOTE: usize = 0;
const MAY_INTERRUPT: usize = 1;

impl EndNote {
    /// The process is to end: no further script is begun.
    fn note<'py>(this: &Object<'py, Self>, _: Arguments<'_, 'py>) -> Returns<'py> {
        TOLD_TO_END.store(true, Ordering::Relaxed);
        none(this.py())
    }

    /// Whether there is something to interrupt now.
    fn may_interrupt<'py>(this: &Object<'py, Self>, _: Arguments<'_, 'py>) -> Returns<'py> {
        boolean(this.py(), PROGRAM.interrupt())
    }
}

/// Runs the scripts, and waits for the threads that they have left behind.
pub(crate) fn run(daemon: &Daemon, signals: &Signals, main: Server<'static>) {
    let failed = |error: String| daemon.group.log(Level::Error, &format!("WSGI1043: a service cannot run: {error}"));
    let Some(python) = interpreter::main() else { return };
    if let Err(error) = python.run(|attached| prepare(attached.py).map_err(in_words)) {
        return failed(error);
    }
    // Signals that came before Python's handlers were in place.
    while let Some(signal) = signals.next() {
        TOLD_TO_END.fetch_or(matches!(signal, Signal::SIGTERM | Signal::SIGINT), Ordering::Relaxed);
    }
    preload::run_services(main, &daemon.group.config.name, &PROGRAM, &|| !TOLD_TO_END.load(Ordering::Relaxed));
    if let Err(error) = python.run(|attached| wait(attached.py).map_err(in_words)) {
        failed(error);
    }
}

/// An exception, which is dropped while the thread is attached.
fn in_words(error: PyErr) -> String {
    error.to_string()
}

/// Puts the handlers of signals in place that a script finds.
fn prepare(py: Python<'_>) -> PyResult<()> {
    let notes = ClassType::<EndNote>::new(py)?.instance(py, EndNote)?;
    let (note, may_interrupt) = (notes.bound_method(NOTE)?, notes.bound_method(MAY_INTERRUPT)?);
    function(py, "prepare")?.call1((note, may_interrupt)).map(drop)
}

/// A function of service.py.
fn function<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    const SOURCE: &str = include_str!("service.py");
    let namespace = PyDict::new(py);
    namespace.set_item("__name__", "mod_wsgi")?;
    py.run(&CString::new(SOURCE)?, Some(&namespace), None)?;
    namespace.as_any().get_item(name)
}

/// Waits for threads that are not daemonic, unless SIGTERM comes.
fn wait(py: Python<'_>) -> PyResult<()> {
    let waited = PROGRAM.run(|| {
        // SIGTERM came where it could interrupt nothing.
        if PROGRAM.was_missed() { Ok(None) } else { function(py, "wait")?.call0().map(Some) }
    });
    match waited {
        Err(error) if !error.is_instance_of::<PySystemExit>(py) => Err(error),
        _ => Ok(()),
    }
}

//! A group of services (`threads=0`): its import scripts are programs that run on the main thread of its processes.
//!
//! The process ends with the last of them, and the supervisor starts another one. It takes no requests. Signals are the
//! scripts' own business; until they say otherwise, SIGTERM raises SystemExit in them.

use super::process::Daemon;
use crate::apache::log::Level;
use crate::apache::server::Server;
use crate::module::preload::{self, Interruptible};
use crate::python::class::{Arguments, Class, ClassType, Method, Object, Returns, boolean};
use crate::python::interpreter;
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

/// A function of Python that notes that the process is to end, and says whether there is something to interrupt.
struct EndNote;

impl Class for EndNote {
    const NAME: &'static CStr = c"mod_wsgi.EndNote";
    const METHODS: &'static [Method] = &[Method::positional(c"note", EndNote::note), Method::END];
}

impl EndNote {
    fn note<'py>(this: &Object<'py, Self>, _: Arguments<'_, 'py>) -> Returns<'py> {
        TOLD_TO_END.store(true, Ordering::Relaxed);
        boolean(this.py(), PROGRAM.interrupt())
    }
}

/// Runs the scripts, and waits for the threads that they have left behind.
pub(crate) fn run(daemon: &Daemon, signals: &Signals, main: Server<'static>) {
    let failed = |error: PyErr| daemon.group.log(Level::Error, &format!("WSGI1043: a service cannot run: {error}"));
    let Some(python) = interpreter::main() else { return };
    if let Err(error) = python.run(|attached| prepare(attached.py)) {
        return failed(error);
    }
    // Signals that came before Python's handlers were in place.
    while let Some(signal) = signals.next() {
        TOLD_TO_END.fetch_or(matches!(signal, Signal::SIGTERM | Signal::SIGINT), Ordering::Relaxed);
    }
    preload::run_services(main, &daemon.group.config.name, &PROGRAM, &|| !TOLD_TO_END.load(Ordering::Relaxed));
    if let Err(error) = python.run(|attached| wait(attached.py)) {
        failed(error);
    }
}

/// Puts the handlers of signals in place that a script finds.
fn prepare(py: Python<'_>) -> PyResult<()> {
    const SOURCE: &str = include_str!("service.py");
    let note = ClassType::<EndNote>::new(py)?.instance(py, EndNote)?.bound_method(0)?;
    let namespace = PyDict::new(py);
    namespace.set_item("__name__", "mod_wsgi")?;
    py.run(&CString::new(SOURCE)?, Some(&namespace), None)?;
    namespace.as_any().get_item("prepare")?.call1((note,)).map(drop)
}

/// Waits for threads that are not daemonic, unless SIGTERM comes.
fn wait(py: Python<'_>) -> PyResult<()> {
    let waited = PROGRAM.run(|| {
        // SIGTERM came where it could interrupt nothing.
        if PROGRAM.was_missed() { Ok(None) } else { py.import("threading")?.call_method0("_shutdown").map(Some) }
    });
    match waited {
        Err(error) if !error.is_instance_of::<PySystemExit>(py) => Err(error),
        _ => Ok(()),
    }
}

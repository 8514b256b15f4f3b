//! The set-up of a new interpreter: audit, classes, streams, restrictions, path
//! and modules, in this order, before any code of an application.

use crate::apache::log::{self, Level};
use crate::api::{self, restrictions::Restrictions};
use crate::config::interpreter_options::{Resolved, SwitchInterval};
use crate::config::values::Audit;
use crate::events::Serving;
use crate::observe::bulletin;
use crate::process::telemetry;
use crate::process::this_process::{EMBEDDED, Process, process};
use crate::python::Attached;
use crate::python::audit::{self, Policy};
use crate::python::config::GilMode;
use crate::python::garbage;
use crate::python::interpreter::gil_mode;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::any::Any;

/// Sets up the interpreter attached to.
///
/// # Errors
/// What CPython raises; the interpreter is of no use then.
pub(crate) fn set_up(attached: &Attached<'_>) -> PyResult<Box<dyn Any + Send + Sync>> {
    let py = attached.py;
    let process = process().ok_or_else(|| PyRuntimeError::new_err("the process has no settings"))?;
    let options = options_of(process, attached.interpreter.name());
    tell_how_it_scales(attached);
    install_audit(py, process)?;
    garbage::install(py, bulletin::note_collection)?;
    let serving = Serving::new(py, process.facts)?;
    api::set_up(attached, &serving, &process.surroundings)?;
    let restrictions = Restrictions {
        stdin: options.restrict_stdin,
        stdout: options.restrict_stdout,
        signal: options.restrict_signal && !process.is_service(),
    };
    api::children::prepare(attached)?;
    api::restrictions::apply(py, restrictions, process.surroundings.log_info)?;
    if let Some(eggs) = process.python_eggs() {
        api::path::set_egg_cache(py, eggs)?;
    }
    for path in &options.python_paths {
        if let Err(error) = api::path::extend(py, path) {
            tell_of_path(process, path, &error);
        }
    }
    if let Some(home) = process.home() {
        api::path::put_first(py, home)?;
    }
    // What the process group says holds for the GIL that its interpreters share.
    let is_own = options.per_interpreter_gil && !attached.interpreter.is_main();
    if let Some(interval) = options.switch_interval.filter(|_| is_own || process.switch_interval().is_none()) {
        set_switch_interval(attached, interval, options.per_interpreter_gil)?;
    }
    if process.start_up.log_handler
        && let Err(error) = api::log_handler::install_on_root(py, process.surroundings.server_log)
    {
        error.write_unraisable(py, None);
    }
    if process.start_up.telemetry.service.is_some()
        && !process.is_service()
        && let Err(error) = telemetry::gc::install(py)
    {
        error.write_unraisable(py, None);
    }
    Ok(Box::new(serving))
}

fn options_of<'p>(process: &'p Process, application_group: &str) -> Resolved<'p> {
    process.start_up.interpreters.resolve(process.group, application_group, process.python_path())
}

/// Says that this is a copy of a process that has come back from the application, where it ends.
pub(crate) fn tell_of_copy() {
    let text = "WSGI1060: a process that an application forked returned from the application; it ends here (expected \
                os._exit() at its end)";
    tell(Level::Warning, text);
}

/// One line about an interpreter of this process, which names the process group.
fn tell(level: Level, text: &str) {
    match process().map(|process| process.group) {
        None | Some(EMBEDDED) => log::server(None, level, text),
        Some(name) => log::server(None, level, &format!("process group '{name}': {text}")),
    }
}

fn tell_of_path(process: &Process, path: &str, error: &PyErr) {
    let is_of_group = process.group != EMBEDDED && process.python_path() == Some(path);
    let origin = if is_of_group { "python-path=" } else { "WSGIPythonPath" };
    tell(Level::Error, &format!("WSGI0091: {origin} '{path}': {error}"));
}

fn is_free_threading() -> bool {
    gil_mode() == Some(GilMode::FreeThreading)
}

/// Whether a new sub-interpreter of that name gets a GIL of its own; says why not where one was asked for.
pub(crate) fn has_own_gil(application_group: &str) -> bool {
    let Some(process) = process() else { return false };
    if !options_of(process, application_group).per_interpreter_gil {
        return false;
    }
    if is_free_threading() {
        let text = format!(
            "WSGI0202: WSGIPerInterpreterGIL is ignored for '{application_group}': this process runs without the GIL"
        );
        tell(Level::Warning, &text);
        return false;
    }
    // What is said about older Pythons is said when the configuration is read.
    cfg!(Py_3_12)
}

/// Before 3.14 CPython spares functions, classes and constants their reference counts in the main interpreter only.
fn tell_how_it_scales(attached: &Attached<'_>) {
    if is_free_threading() && !attached.interpreter.is_main() && cfg!(not(Py_3_14)) {
        let name = attached.interpreter.name();
        let text = format!(
            "WSGI1007: application group '{name}' is a sub-interpreter, where threads of this Python contend for shared \
             objects; WSGIApplicationGroup %{{GLOBAL}} scales better with WSGIFreeThreading On"
        );
        log::server(None, Level::Notice, &text);
    }
}

fn install_audit(py: Python<'_>, process: &Process) -> PyResult<()> {
    let audit = process.start_up.audit;
    if !is_free_threading() || audit == Audit::Off {
        return Ok(());
    }
    let report = |text: &str| tell(Level::Warning, &format!("WSGI1004: {text}"));
    audit::install(py, Policy { refuse: audit == Audit::Strict, report, note: bulletin::note_undeclared })
}

/// Sets `switch-interval` of the process group, for the GIL that its interpreters share.
///
/// # Errors
/// What CPython raises.
pub(crate) fn set_switch_interval_of_group(attached: &Attached<'_>) -> PyResult<()> {
    let Some(seconds) = process().and_then(Process::switch_interval) else { return Ok(()) };
    if is_free_threading() {
        let text = format!("WSGI0204: switch-interval={seconds} is ignored: this process runs without the GIL");
        tell(Level::Warning, &text);
        return Ok(());
    }
    attached.py.import("sys")?.call_method1("setswitchinterval", (seconds,)).map(drop)
}

/// The interval belongs to a GIL: it is set where there is one, and not for one group among those that share it.
fn set_switch_interval(attached: &Attached<'_>, interval: SwitchInterval, own_gil: bool) -> PyResult<()> {
    let name = attached.interpreter.name();
    if is_free_threading() {
        let text = format!("WSGI0205: WSGISwitchInterval is ignored for '{name}': this process runs without the GIL");
        tell(Level::Warning, &text);
        return Ok(());
    }
    if interval.for_application_group && !attached.interpreter.is_main() && !own_gil {
        let text =
            format!("WSGI0199: WSGISwitchInterval is ignored for '{name}': it shares its GIL with other interpreters");
        tell(Level::Warning, &text);
        return Ok(());
    }
    attached.py.import("sys")?.call_method1("setswitchinterval", (interval.seconds,)).map(drop)
}

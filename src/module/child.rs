//! The start of a child process: Python begins here, after the fork, and ends
//! with the pool of the child (SAFETY.md, AFTER-FORK).

use super::start::IMPLEMENTATION;
use crate::api;
use crate::apache::hook::ChildHook;
use crate::apache::log::{self, Level};
use crate::apache::{directive, mpm, pool::Pool, server, server::Server};
use crate::config::WsgiConfiguration;
use crate::config::server::StartUp;
use crate::config::values::Audit;
use crate::python::audit::{self, Policy};
use crate::python::config::{FREE_THREADED_BUILD, GilMode, Options};
use crate::python::interpreter::{self, gil_mode};
use crate::python::{Attached, finish};
use crate::wsgi::Wsgi;
use crate::wsgi::gateway::ProcessFacts;
use pyo3::prelude::*;
use std::any::Any;
use std::sync::OnceLock;

/// How long Python may take to end: httpd kills a child that takes more than about 9 seconds.
const SECONDS_TO_END: u32 = 5;

/// What interpreters of this process are set up with.
struct Process {
    /// In decimal. Kept, because libc asks the kernel every time.
    id: String,
    facts: ProcessFacts,
    surroundings: api::Surroundings,
    audit: Audit,
    python_path: Option<String>,
}

static PROCESS: OnceLock<Process> = OnceLock::new();

/// The id of this process in decimal.
pub(crate) fn process_id() -> &'static str {
    PROCESS.get().map_or("", |process| &process.id)
}

/// The hook that httpd calls in each new child.
pub(crate) struct Child;

impl ChildHook for Child {
    fn run(pool: Pool<'static>, server: Server<'static>) {
        let settings = directive::server_settings::<WsgiConfiguration>(server);
        let start_up = settings.map(|settings| settings.start_up).unwrap_or_default();
        PROCESS.get_or_init(|| Process::new(&start_up));
        let free = start_up.free_threading && FREE_THREADED_BUILD;
        let options = Options {
            gil: if free { GilMode::FreeThreading } else { GilMode::Shared },
            home: start_up.python_home.map(|home| home.to_string()),
        };
        // SAFETY: AFTER-FORK: httpd calls this before the child makes threads.
        match unsafe { interpreter::start(&options, set_up) } {
            Ok(()) => {
                let mode = if free { "off" } else { "on" };
                log::server(Some(server), Level::Info, &format!("Python {} started, GIL {mode}", env!("MOD_WSGI_PYTHON_VERSION")));
                pool.on_clear(|| finish::finish(SECONDS_TO_END));
            }
            Err(error) => log::server(Some(server), Level::Critical, &format!("WSGI0036: {error}")),
        }
    }
}

impl Process {
    fn new(start_up: &StartUp) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            id: std::process::id().to_string(),
            facts: ProcessFacts {
                multithread: mpm::is_multithreaded(),
                multiprocess: mpm::is_multiprocess(),
                run_once: false,
                server_version: server::VERSION,
            },
            surroundings: api::Surroundings {
                implementation: IMPLEMENTATION,
                maximum_processes: mpm::maximum_processes(),
                threads_per_process: mpm::threads_per_process(),
                server_version: server::VERSION,
                server_description: text(server::description()),
                server_built: text(server::built()),
                mpm_name: text(mpm::name()),
                log_error: |line| log::server(None, Level::Error, line),
            },
            audit: start_up.audit,
            python_path: start_up.python_path.map(|path| path.to_string()),
        }
    }
}

/// Sets up a new interpreter: classes, audit, streams, path, modules; in this order.
fn set_up(attached: &Attached<'_>) -> PyResult<Box<dyn Any + Send + Sync>> {
    let py = attached.py;
    let process = PROCESS.get().ok_or_else(|| pyo3::exceptions::PyRuntimeError::new_err("the process has no settings"))?;
    let free_threading = gil_mode() == Some(GilMode::FreeThreading);
    if free_threading && !attached.interpreter.is_main() && cfg!(not(Py_3_14)) {
        // Before 3.14 CPython spares functions, classes and constants their reference counts in the main interpreter only.
        let name = attached.interpreter.name();
        log::server(None, Level::Notice, &format!(
            "WSGI1007: application group '{name}' is a sub-interpreter, where threads of this Python contend for shared objects; \
             WSGIApplicationGroup %{{GLOBAL}} scales better with WSGIFreeThreading On"
        ));
    }
    if free_threading && process.audit != Audit::Off {
        let report = |text: &str| log::server(None, Level::Warning, &format!("WSGI1004: {text}"));
        audit::install(py, Policy { refuse: process.audit == Audit::Strict, report })?;
    }
    let wsgi = Wsgi::new(py, process.facts)?;
    api::set_up(attached, &wsgi, &process.surroundings)?;
    if let Some(path) = &process.python_path
        && let Err(error) = api::path::extend(py, path)
    {
        log::server(None, Level::Error, &format!("WSGI0091: WSGIPythonPath '{path}': {error}"));
    }
    Ok(Box::new(wsgi))
}

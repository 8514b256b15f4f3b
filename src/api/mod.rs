#![forbid(unsafe_code)]
//! What Python code sees of the module besides PEP 3333: the modules `mod_wsgi`
//! and `apache`, the standard streams, `sys.argv` and `sys.path`.

pub(crate) mod children;
pub(crate) mod events;
mod late;
pub(crate) mod log_handler;
pub(crate) mod metrics;
pub(crate) mod modules;
pub(crate) mod path;
pub(crate) mod restrictions;
pub(crate) mod server_metrics;
pub(crate) mod streams;

use crate::events::Serving;
use crate::metrics::clock::Moment;
use crate::python::Attached;
use pyo3::prelude::*;

/// What the modules tell about the server that Python is embedded in.
pub(crate) struct Surroundings {
    pub(crate) implementation: &'static str,
    /// Empty in httpd's own processes.
    pub(crate) process_group: &'static str,
    pub(crate) maximum_processes: i32,
    pub(crate) threads_per_process: i32,
    pub(crate) server_version: (u32, u32, u32),
    pub(crate) server_description: String,
    pub(crate) server_built: String,
    pub(crate) mpm_name: String,
    /// Where the configuration allows it.
    pub(crate) read_scoreboard: Option<server_metrics::ReadScoreboard>,
    /// When this process started, in seconds since the epoch.
    pub(crate) process_start: f64,
    /// The moment of that.
    pub(crate) process_moment: Moment,
    /// Writes a line that belongs to no request.
    pub(crate) log_error: fn(&str),
    /// Writes one that is of interest to those who look for it.
    pub(crate) log_info: fn(&str),
    /// For what an application logs without a request.
    pub(crate) server_log: log_handler::ServerLog,
}

/// Sets up the interpreter attached to.
///
/// # Errors
/// What CPython raises.
pub(crate) fn set_up(attached: &Attached<'_>, serving: &Serving, surroundings: &Surroundings) -> PyResult<()> {
    let py = attached.py;
    streams::replace(py, &serving.wsgi, surroundings.log_error)?;
    py.import("sys")?.setattr("argv", ["mod_wsgi"])?;
    // The thread that sets up an interpreter is its main thread for the threading module.
    py.import("threading")?;
    modules::install(attached, serving, surroundings)
}

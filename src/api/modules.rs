//! The modules `mod_wsgi` and `apache`, built anew in each interpreter.

use super::{Surroundings, events, late, log_handler, metrics, server_metrics};
use crate::events::Serving;
use crate::python::Attached;
use crate::wsgi::environ::API_LEVEL;
use pyo3::exceptions::PyModuleNotFoundError;
use pyo3::prelude::*;
use pyo3::types::PyModule;

/// Puts both into `sys.modules` of the interpreter attached to.
///
/// # Errors
/// What CPython raises.
pub(crate) fn install(attached: &Attached<'_>, serving: &Serving, surroundings: &Surroundings) -> PyResult<()> {
    let py = attached.py;
    let modules = py.import("sys")?.getattr("modules")?;

    let module = PyModule::new(py, "mod_wsgi")?;
    if let Some(path) = package_path(py) {
        // A package of that name on disk keeps its submodules importable.
        module.setattr("__path__", path)?;
    }
    module.setattr("version", API_LEVEL)?;
    module.setattr("implementation", surroundings.implementation)?;
    module.setattr("process_group", surroundings.process_group)?;
    module.setattr("application_group", attached.interpreter.name())?;
    module.setattr("maximum_processes", surroundings.maximum_processes)?;
    module.setattr("threads_per_process", surroundings.threads_per_process)?;
    module.setattr("FileWrapper", &serving.wsgi.file_wrapper.class)?;
    module.setattr("RequestTimeout", &serving.wsgi.request_timeout)?;
    let active_requests = events::install(&module, serving, surroundings)?;
    module.setattr("server_metrics", server_metrics::function(py, surroundings.read_scoreboard)?)?;
    let log_handler = log_handler::maker(py, surroundings)?;
    late::install(&module, &[("active_requests", active_requests), ("LogHandler", log_handler)])?;
    metrics::add_to(&module, surroundings)?;
    modules.set_item("mod_wsgi", module)?;

    let apache = PyModule::new(py, "apache")?;
    apache.setattr("version", surroundings.server_version)?;
    apache.setattr("description", &surroundings.server_description)?;
    apache.setattr("build_date", &surroundings.server_built)?;
    apache.setattr("mpm_name", &surroundings.mpm_name)?;
    apache.setattr("maximum_processes", surroundings.maximum_processes)?;
    apache.setattr("threads_per_process", surroundings.threads_per_process)?;
    modules.set_item("apache", apache)
}

/// The `__path__` of an installed package `mod_wsgi`, if there is one.
fn package_path(py: Python<'_>) -> Option<Bound<'_, PyAny>> {
    match py.import("mod_wsgi") {
        Ok(package) => package.getattr("__path__").ok(),
        Err(error) => {
            if !error.is_instance_of::<PyModuleNotFoundError>(py) {
                error.write_unraisable(py, None);
            }
            None
        }
    }
}

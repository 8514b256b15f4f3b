//! Scripts that are loaded when a process starts.

use super::fault::Fault;
use super::log_entry::interpreter_in_words;
use super::process::{EMBEDDED, Process, process};
use super::script_path;
use crate::apache::directive::settings_of_all;
use crate::apache::log::{self, Level};
use crate::apache::server::Server;
use crate::config::WsgiConfiguration;
use crate::config::import_script::ImportScript;
use crate::daemon::jail;
use crate::python;
use crate::python::interpreter::{self, InterpreterError, Origin};
use crate::python::script::{Event, LoadError, Reloading, Script};

/// Loads the scripts of all servers that are meant for this process group, in their order, and tells `report` of each
/// whether it loaded. One that fails is logged, and the first request for it tries again.
pub(crate) fn run(main: Server<'static>, process_group: &str, report: &dyn Fn(&ImportScript, bool)) {
    for (server, script) in of_group(main, process_group) {
        let loaded = load_script(&script.application_group, script.path.as_bytes(), Exit::Logged);
        if let Err(error) = &loaded {
            log::server(Some(server), Level::Error, &format!("WSGI0087: {error}"));
        }
        report(script, loaded.unwrap_or(false));
    }
}

/// Runs the scripts of a group of services, one after the other, as long as `keep_on` says so.
pub(crate) fn run_services(main: Server<'static>, process_group: &str, keep_on: &dyn Fn() -> bool) {
    for (server, script) in of_group(main, process_group) {
        if !keep_on() {
            return;
        }
        if let Err(error) = load_script(&script.application_group, script.path.as_bytes(), Exit::Silent) {
            log::server(Some(server), Level::Error, &format!("WSGI0087: {error}"));
        }
    }
}

/// What is said of a script that raises SystemExit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// It was to be an application.
    Logged,
    /// It is a program.
    Silent,
}

/// The scripts of a process group, in their order.
fn of_group(main: Server<'static>, process_group: &str) -> Vec<(Server<'static>, &'static ImportScript)> {
    let mut scripts: Vec<_> = all(main).filter(|(_, script)| &*script.process_group == process_group).collect();
    scripts.sort_by_key(|(_, script)| script.order);
    scripts
}

/// Whether a directive asks for a script to be loaded in this process group.
pub(crate) fn is_asked_for(main: Server<'static>, process_group: &str) -> bool {
    all(main).any(|(_, script)| script.is_asked_for && &*script.process_group == process_group)
}

/// The scripts to load beforehand, with the servers that they are declared in.
fn all(main: Server<'static>) -> impl Iterator<Item = (Server<'static>, &'static ImportScript)> {
    let all = settings_of_all::<WsgiConfiguration>(main);
    all.flat_map(|(server, settings)| settings.import_scripts.iter().map(move |script| (server, script)))
}

/// Loads an application that another process has loaded before. `false` if it does not load; that has been logged.
pub(crate) fn load_application(application_group: &str, path: &[u8]) -> bool {
    load_script(application_group, path, Exit::Logged).unwrap_or_else(|error| {
        log::server(None, Level::Error, &format!("WSGI0087: {error}"));
        false
    })
}

fn load_script(application_group: &str, path: &[u8], exit: Exit) -> Result<bool, InterpreterError> {
    let interpreter = interpreter::named(application_group, Origin::Configuration)?;
    // A program is not loaded before it has come to its end.
    let _slices = if exit == Exit::Logged { python::short_slices() } else { None };
    let group = process().map_or(EMBEDDED, |process| process.group);
    let root = process().and_then(Process::root);
    let path = root.and_then(|root| jail::inside(root, path)).unwrap_or(path);
    let name = String::from_utf8_lossy(path);
    let module_path = script_path::of(path);
    let modified = script_path::modified(path);
    let loaded = interpreter.run(|attached| {
        let wanted = Script {
            path,
            module_path: &module_path,
            modified,
            resource: path,
            reloading: Reloading::Off,
            callable: "",
        };
        let announce = |event: Event<'_>| {
            if let Event::Loading { .. } = event {
                let text = format!("loading '{name}' in {} beforehand", interpreter_in_words(application_group));
                log::server(None, Level::Info, &text);
            }
        };
        match interpreter.scripts.preload(attached, &wanted, &announce) {
            Ok(()) => true,
            Err(LoadError::Exited(_)) if exit == Exit::Silent => false,
            Err(error) => {
                for line in Fault::lines_of_preload(attached.py, &error, &name, group) {
                    log::server(None, Level::Error, &line);
                }
                false
            }
        }
    });
    Ok(loaded)
}

//! Scripts that are loaded when a process starts.

use crate::apache::directive::settings_of_all;
use crate::apache::log::{self, Level};
use crate::apache::server::Server;
use crate::config::WsgiConfiguration;
use crate::config::import_script::ImportScript;
use crate::process::jail;
use crate::process::script_path;
use crate::process::this_process::{EMBEDDED, Process, process};
use crate::python;
use crate::python::interpreter::{self, InterpreterError, Origin};
use crate::python::script::{Event, LoadError, Reloading};
use crate::request::fault::Fault;
use crate::request::log_entry::interpreter_in_words;
use core::sync::atomic::{AtomicBool, Ordering};

/// Loads the scripts of all servers that are meant for this process group, in their order, and tells `report` of each
/// whether it loaded. One that fails is logged, and the first request for it tries again.
pub(crate) fn run(main: Server<'_>, process_group: &str, report: &dyn Fn(&ImportScript, bool)) {
    for (server, script) in of_group(main, process_group) {
        let loaded = load_script(&script.application_group, script.path.as_bytes(), Purpose::Application);
        if let Err(error) = &loaded {
            log::server(Some(server), Level::Error, &format!("WSGI0087: {error}"));
        }
        report(script, loaded.unwrap_or(false));
    }
}

/// Runs the scripts of a group of services, one after the other, each within `running`, as long as `keep_on` says so.
pub(crate) fn run_services(main: Server<'_>, process_group: &str, running: &Interruptible, keep_on: &dyn Fn() -> bool) {
    for (server, script) in of_group(main, process_group) {
        if !keep_on() {
            return;
        }
        if let Err(error) = load_script(&script.application_group, script.path.as_bytes(), Purpose::Program(running)) {
            log::server(Some(server), Level::Error, &format!("WSGI0087: {error}"));
        }
    }
}

/// What a script is loaded for.
#[derive(Clone, Copy)]
enum Purpose<'a> {
    /// It is to be there when requests come. SystemExit is a mistake in it.
    Application,
    /// It is a program: it has done its work when it is loaded, or raises SystemExit.
    Program(&'a Interruptible),
}

/// Whether a program runs that a signal may end with SystemExit. At other times the exception would hit what this module
/// does in Python itself: a report in the log, or the end of the interpreters.
pub(crate) struct Interruptible {
    runs: AtomicBool,
    missed: AtomicBool,
}

impl Interruptible {
    pub(crate) const fn new() -> Self {
        Self { runs: AtomicBool::new(false), missed: AtomicBool::new(false) }
    }

    /// Runs what may be interrupted.
    pub(crate) fn run<R>(&self, program: impl FnOnce() -> R) -> R {
        self.runs.store(true, Ordering::Relaxed);
        let result = program();
        self.runs.store(false, Ordering::Relaxed);
        result
    }

    /// Whether to raise SystemExit now, in the handler of a signal. Signals are handled on the thread that runs programs.
    pub(crate) fn interrupt(&self) -> bool {
        let runs = self.runs.load(Ordering::Relaxed);
        self.missed.fetch_or(!runs, Ordering::Relaxed);
        runs
    }

    /// Whether a signal came while nothing could be interrupted.
    pub(crate) fn was_missed(&self) -> bool {
        self.missed.load(Ordering::Relaxed)
    }
}

/// The scripts of a process group, in their order.
fn of_group<'s>(main: Server<'s>, process_group: &str) -> Vec<(Server<'s>, &'s ImportScript)> {
    let mut scripts: Vec<_> = all(main).filter(|(_, script)| script.process_group == process_group).collect();
    scripts.sort_by_key(|(_, script)| script.order);
    scripts
}

/// Whether a directive asks for a script to be loaded in this process group.
pub(crate) fn is_asked_for(main: Server<'_>, process_group: &str) -> bool {
    all(main).any(|(_, script)| script.is_asked_for && script.process_group == process_group)
}

/// The scripts to load beforehand, with the servers that they are declared in.
fn all<'s>(main: Server<'s>) -> impl Iterator<Item = (Server<'s>, &'s ImportScript)> {
    let all = settings_of_all::<WsgiConfiguration>(main);
    all.flat_map(|(server, settings)| settings.import_scripts.iter().map(move |script| (server, script)))
}

/// Loads an application that another process has loaded before. `false` if it does not load; that has been logged.
pub(crate) fn load_application(application_group: &str, path: &[u8]) -> bool {
    load_script(application_group, path, Purpose::Application).unwrap_or_else(|error| {
        log::server(None, Level::Error, &format!("WSGI0087: {error}"));
        false
    })
}

fn load_script(application_group: &str, path: &[u8], purpose: Purpose<'_>) -> Result<bool, InterpreterError> {
    let interpreter = interpreter::named(application_group, Origin::Configuration)?;
    // A program is not loaded before it has come to its end.
    let _slices = if matches!(purpose, Purpose::Application) { python::short_slices() } else { None };
    let group = process().map_or(EMBEDDED, |process| process.group);
    let root = process().and_then(Process::root);
    let path = root.and_then(|root| jail::inside(root, path)).unwrap_or(path);
    let name = String::from_utf8_lossy(path);
    let wanted = script_path::script(path, script_path::modified(path), path, Reloading::Off, "");
    let loaded = interpreter.run(|attached| {
        let announce = |event: Event<'_>| {
            if let Event::Loading { .. } = event {
                let text = format!("loading '{name}' in {} beforehand", interpreter_in_words(application_group));
                log::server(None, Level::Info, &text);
            }
        };
        let load = || interpreter.scripts.preload(attached, &wanted, &announce);
        let loaded = match purpose {
            Purpose::Application => load(),
            Purpose::Program(running) => running.run(load),
        };
        match loaded {
            Ok(()) => true,
            Err(LoadError::Exited(_)) if matches!(purpose, Purpose::Program(_)) => false,
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

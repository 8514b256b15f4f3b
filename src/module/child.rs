//! The start of a child process: Python begins here, after the fork, and ends
//! with the pool of the child (SAFETY.md, AFTER-FORK).

use crate::apache::hook::ChildHook;
use crate::apache::log::{self, Level};
use crate::apache::pool::{Forked, Pool};
use crate::apache::{directive, server::Server};
use crate::api;
use crate::config::server::ServerSettings;
use crate::config::{WsgiConfiguration, control_script};
use crate::daemon::generation;
use crate::events::subscribers::ProcessEvent;
use crate::module::{readiness, slow_watch};
use crate::observe::board::board;
use crate::observe::bulletin;
use crate::process::this_process::{EMBEDDED, Process, become_process};
use crate::process::{new_interpreter, telemetry};
use crate::python::config::GilMode;
use crate::python::{finish, thread_state};
use crate::request::slow;
use crate::scripts::preload;
use crate::unix::fork;
use core::time::Duration;

/// How long Python may take to end: httpd kills a child that takes more than about 9 seconds.
const TIME_TO_END: Duration = Duration::from_secs(5);

/// The hook that httpd calls in each new child.
pub(crate) struct Child;

impl ChildHook for Child {
    fn run(child: Forked, pool: Pool<'static>, server: Server<'static>) {
        generation::belong_to_this_process(child);
        let Some(settings) = directive::server_settings::<WsgiConfiguration>(server) else { return };
        start(pool, server, settings);
        // Once Python has started: until then the process has one thread.
        let threshold = settings.start_up.telemetry.slow_requests;
        slow::begin(threshold);
        let Some(threshold) = threshold else { return };
        if let Err(error) = slow_watch::begin(threshold, server) {
            let text = format!("WSGI1164: slow requests are not logged while they run: {error} (WSGISlowRequests)");
            log::server(Some(server), Level::Error, &text);
        }
        pool.on_clear(slow_watch::end);
    }
}

/// Starts Python, if httpd's own processes are to run it.
fn start(pool: Pool<'static>, server: Server<'static>, settings: &'static ServerSettings) {
    let process = become_process(|| Process::embedded(&settings.start_up));
    if !are_to_run_python(server) {
        log::server(Some(server), Level::Info, "WSGIRestrictEmbedded On: Python is not started in this process");
        return;
    }
    if let Err(error) = fork::mark_copies(new_interpreter::tell_of_copy) {
        log::server(Some(server), Level::Critical, &format!("WSGI0036: Python does not start: {error}"));
        return;
    }
    if let Some(board) = board() {
        bulletin::begin_anywhere(&board.bulletin);
    }
    let started = process.start_python();
    readiness::note_python(started.is_ok());
    match started {
        Ok(gil) => {
            let mode = if gil == GilMode::FreeThreading { "off" } else { "on" };
            let text = format!("Python {} started, GIL {mode}", env!("MOD_WSGI_PYTHON_VERSION"));
            log::server(Some(server), Level::Info, &text);
            let keep = process.start_up.keep_interpreters;
            let threads = u32::try_from(process.surroundings.threads_per_process).unwrap_or(1);
            let tells = process.start_up.runs_python_in_children();
            if tells {
                telemetry::prepare(process.start_up, threads);
            }
            pool.on_clear(move || {
                bulletin::note_leaving();
                finish::leave_after(TIME_TO_END, 0);
                telemetry::stopping("");
                tell_of_end(process);
                telemetry::stopped(true);
                finish::finish(keep);
            });
            preload::run(server, EMBEDDED, &|script, loaded| {
                if !loaded {
                    readiness::note_not_loaded(&script.application_group, script.path.as_bytes());
                }
            });
            if tells {
                telemetry::start(process, threads, slow_watch::running);
            }
        }
        Err(error) => log::server(Some(server), Level::Critical, &format!("WSGI0036: {error}")),
    }
}

/// Whether httpd's own processes are to run Python.
pub(crate) fn are_to_run_python(server: Server<'static>) -> bool {
    let settings = directive::server_settings::<WsgiConfiguration>(server);
    settings.is_some_and(|settings| settings.start_up.runs_python_in_children())
        || preload::is_asked_for(server, EMBEDDED)
        || control_script::is_any_configured()
}

/// Tells subscribers that the process ends, unless a signal has interrupted this thread inside of Python.
fn tell_of_end(process: &Process) {
    if !thread_state::is_attached() {
        api::events::publish(ProcessEvent::Stopping(""), process.surroundings.log_error);
    }
}

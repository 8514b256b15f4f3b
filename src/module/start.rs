//! The end of reading a configuration: what the server says of itself, and notices that belong to start-up.

use crate::apache::hook::ConfigHook;
use crate::apache::log::{self, Level};
use crate::apache::{directive, log_json, mpm, pool::ConfigurationPool, server::Server};
use crate::config::{WsgiConfiguration, control_script, inert};
use crate::daemon::generation;
use crate::daemon::parent::supervisor;
use crate::metrics::clock;
use crate::module::status;
use crate::observe::board::board;
use crate::process::this_process::{EMBEDDED, IMPLEMENTATION};
use crate::python::config::{FREE_THREADED_BUILD, old_free_threaded_version};
use std::ffi::CString;

/// The hook that httpd calls when it has read its configuration.
pub(crate) struct Start;

impl ConfigHook for Start {
    fn run<'c>(configuration: ConfigurationPool<'c>, server: Server<'c>) -> Result<(), String> {
        let component = format!("{IMPLEMENTATION} Python/{}", env!("MOD_WSGI_PYTHON_VERSION"));
        if let Ok(component) = CString::new(component) {
            log::add_version_component(configuration.pool(), &component);
        }
        let inert = inert::take_notice();
        control_script::take_seen();
        // httpd reads the configuration twice when it starts, and says so.
        let Some(settings) = directive::server_settings::<WsgiConfiguration>(server) else { return Ok(()) };
        if mpm::is_first_reading() {
            return generation::check(configuration.pool(), server, &settings.start_up);
        }
        clock::begin();
        log_json::choose(settings.start_up.log_json);
        for notice in settings.start_up.notices.iter().chain(&inert) {
            log::server(Some(server), Level::Warning, notice);
        }
        crate::request::counting::begin()?;
        log::ask_for_level(level_of_operator);
        generation::begin(configuration, server, &settings.start_up, supervisor::run, status::of_everything)?;
        if !FREE_THREADED_BUILD && settings.start_up.interpreters.free_threading(EMBEDDED) {
            let text = "WSGI0200: WSGIFreeThreading On has no effect: this Python is built with the GIL";
            log::server(Some(server), Level::Warning, text);
        }
        if let Some(version) = old_free_threaded_version() {
            let text = format!(
                "WSGI1190: free-threaded Python {version} has known faults; 3.14.7 or newer is recommended (WSGIPythonHome)"
            );
            log::server(Some(server), Level::Warning, &text);
        }
        Ok(())
    }
}

/// The level that `wsgictl loglevel` has put in the place of `LogLevel`.
fn level_of_operator() -> Option<Level> {
    Level::try_from(board()?.log_level()?).ok()
}

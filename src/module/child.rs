//! The start of a child process: Python begins here, after the fork, and ends
//! with the pool of the child (SAFETY.md, AFTER-FORK).

use super::start::IMPLEMENTATION;
use super::{new_interpreter, preload};
use crate::apache::hook::ChildHook;
use crate::apache::log::{self, Level};
use crate::apache::{directive, mpm, pool::Pool, server, server::Server};
use crate::api;
use crate::config::server::StartUp;
use crate::config::{WsgiConfiguration, values};
use crate::python::config::{FREE_THREADED_BUILD, GilMode, HashSeed, Options};
use crate::python::{finish, interpreter};
use crate::wsgi::gateway::ProcessFacts;
use std::sync::OnceLock;

/// How long Python may take to end: httpd kills a child that takes more than about 9 seconds.
const SECONDS_TO_END: u32 = 5;

/// The name of the process group that httpd's own children belong to.
pub(crate) const EMBEDDED: &str = "";

/// What interpreters of this process are set up with.
pub(crate) struct Process {
    /// In decimal. Kept, because libc asks the kernel every time.
    id: String,
    pub(crate) facts: ProcessFacts,
    pub(crate) surroundings: api::Surroundings,
    pub(crate) start_up: &'static StartUp,
}

static PROCESS: OnceLock<Process> = OnceLock::new();

/// This process, once it has started.
pub(crate) fn process() -> Option<&'static Process> {
    PROCESS.get()
}

/// The id of this process in decimal.
pub(crate) fn process_id() -> &'static str {
    process().map_or("", |process| &process.id)
}

/// The hook that httpd calls in each new child.
pub(crate) struct Child;

impl ChildHook for Child {
    fn run(pool: Pool<'static>, server: Server<'static>) {
        let Some(settings) = directive::server_settings::<WsgiConfiguration>(server) else { return };
        let process = PROCESS.get_or_init(|| Process::new(&settings.start_up));
        if !process.start_up.runs_python_in_children() && !preload::is_asked_for(server, EMBEDDED) {
            log::server(Some(server), Level::Info, "WSGIRestrictEmbedded On: Python is not started in this process");
            return;
        }
        let options = process.options();
        // SAFETY: AFTER-FORK: httpd calls this before the child makes threads.
        match unsafe { interpreter::start(&options, new_interpreter::set_up, new_interpreter::has_own_gil) } {
            Ok(()) => {
                let mode = if options.gil == GilMode::FreeThreading { "off" } else { "on" };
                let text = format!("Python {} started, GIL {mode}", env!("MOD_WSGI_PYTHON_VERSION"));
                log::server(Some(server), Level::Info, &text);
                let keep = process.start_up.keep_interpreters;
                pool.on_clear(move || finish::finish(SECONDS_TO_END, keep));
                preload::run(server, EMBEDDED);
            }
            Err(error) => log::server(Some(server), Level::Critical, &format!("WSGI0036: {error}")),
        }
    }
}

impl Process {
    fn new(start_up: &'static StartUp) -> Self {
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
                log_info: |line| log::server(None, Level::Info, line),
            },
            start_up,
        }
    }

    /// What Python is started with.
    fn options(&self) -> Options {
        let start_up = self.start_up;
        let free = FREE_THREADED_BUILD && start_up.interpreters.free_threading(EMBEDDED);
        Options {
            gil: if free { GilMode::FreeThreading } else { GilMode::Shared },
            home: start_up.python_home.map(|home| home.to_string()),
            optimize: start_up.python_optimize,
            warnings: start_up.python_warnings.iter().map(ToString::to_string).collect(),
            write_bytecode: !start_up.dont_write_bytecode,
            hash_seed: match start_up.python_hash_seed {
                None => HashSeed::Default,
                Some(values::HashSeed::Random) => HashSeed::Random,
                Some(values::HashSeed::Fixed(seed)) => HashSeed::Fixed(seed),
            },
        }
    }
}

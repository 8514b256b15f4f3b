//! This process: which process group it belongs to, and what its interpreters are set up with.

use super::start::IMPLEMENTATION;
use crate::apache::log::{self, Level};
use crate::apache::{mpm, server};
use crate::api;
use crate::config::server::StartUp;
use crate::config::values;
use crate::python::config::{FREE_THREADED_BUILD, GilMode, HashSeed, Options};
use crate::wsgi::gateway::ProcessFacts;
use std::sync::OnceLock;

/// The name of the process group that httpd's own children belong to.
pub(crate) const EMBEDDED: &str = "";

/// What interpreters of this process are set up with.
pub(crate) struct Process {
    /// In decimal. Kept, because libc asks the kernel every time.
    id: String,
    /// The process group; [`EMBEDDED`] in httpd's own children.
    pub(crate) group: &'static str,
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

/// Makes `process` this process, unless it is one already.
pub(crate) fn become_process(make: impl FnOnce() -> Process) -> &'static Process {
    PROCESS.get_or_init(make)
}

impl Process {
    /// A child of httpd, which runs applications that no process group is chosen for.
    pub(crate) fn embedded(start_up: &'static StartUp) -> Self {
        let facts = ProcessFacts {
            multithread: mpm::is_multithreaded(),
            multiprocess: mpm::is_multiprocess(),
            run_once: false,
            server_version: server::VERSION,
        };
        Self {
            id: std::process::id().to_string(),
            group: EMBEDDED,
            facts,
            surroundings: surroundings(EMBEDDED, mpm::maximum_processes(), mpm::threads_per_process()),
            start_up,
        }
    }

    /// What Python is started with.
    pub(crate) fn options(&self) -> Options {
        let start_up = self.start_up;
        let free = FREE_THREADED_BUILD && start_up.interpreters.free_threading(self.group);
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

fn surroundings(group: &'static str, processes: i32, threads: i32) -> api::Surroundings {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    api::Surroundings {
        implementation: IMPLEMENTATION,
        process_group: group,
        maximum_processes: processes,
        threads_per_process: threads,
        server_version: server::VERSION,
        server_description: text(server::description()),
        server_built: text(server::built()),
        mpm_name: text(mpm::name()),
        log_error: |line| log::server(None, Level::Error, line),
        log_info: |line| log::server(None, Level::Info, line),
    }
}

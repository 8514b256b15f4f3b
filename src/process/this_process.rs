//! This process: which process group it belongs to, and what its interpreters are set up with.

use crate::apache::boundary;
use crate::apache::log::{self, Level};
use crate::apache::log_json;
use crate::apache::{mpm, scoreboard, server};
use crate::api::{self, log_handler::ServerLog};
use crate::config::process_group::ProcessGroup;
use crate::config::server::StartUp;
use crate::config::values;
use crate::metrics::clock::{Moment, TimeOfDay};
use crate::process::{log as unasked, new_interpreter};
use crate::python::config::{FREE_THREADED_BUILD, GilMode, HashSeed, Options};
use crate::python::exhaustion;
use crate::python::interpreter::{self, InterpreterError};
use crate::unix::last_line;
use crate::wsgi::gateway::ProcessFacts;
use std::sync::OnceLock;

/// Our own name and version, beside the level of the interface (`mod_wsgi.version`).
pub(crate) const IMPLEMENTATION: &str = concat!("mod_wsgi-rs/", env!("CARGO_PKG_VERSION"));

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
    /// In a daemon.
    of_group: Option<&'static ProcessGroup>,
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
    let process = PROCESS.get_or_init(make);
    log_json::belong_to(process.group);
    process
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
            surroundings: api::Surroundings {
                read_scoreboard: start_up.telemetry.server_metrics.then_some(scoreboard::read),
                ..surroundings(EMBEDDED, mpm::maximum_processes(), mpm::threads_per_process())
            },
            start_up,
            of_group: None,
        }
    }

    /// A process of a group.
    ///
    /// `read_scoreboard` gives it httpd's scoreboard, where the group may have it.
    pub(crate) fn daemon(
        start_up: &'static StartUp,
        group: &'static ProcessGroup,
        read_scoreboard: fn() -> Option<scoreboard::Scoreboard>,
    ) -> Self {
        let facts = ProcessFacts {
            multithread: group.threads != 1,
            multiprocess: group.processes_given,
            run_once: group.threads == 1 && group.maximum_requests == Some(1),
            server_version: server::VERSION,
        };
        let count = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        Self {
            id: std::process::id().to_string(),
            group: &group.name,
            facts,
            surroundings: api::Surroundings {
                read_scoreboard: group.server_metrics.then_some(read_scoreboard),
                ..surroundings(&group.name, count(group.processes), count(group.threads))
            },
            start_up,
            of_group: Some(group),
        }
    }

    /// The directory that comes first in `sys.path`.
    pub(crate) fn home(&self) -> Option<&str> {
        self.of_group.and_then(|group| group.home.as_deref())
    }

    /// The directory that is the root of the file system of this process, if it has one of its own.
    pub(crate) fn root(&self) -> Option<&str> {
        self.of_group.and_then(|group| group.chroot.as_deref())
    }

    /// Whether this process runs programs instead of serving requests.
    pub(crate) fn is_service(&self) -> bool {
        self.of_group.is_some_and(|group| group.threads == 0)
    }

    /// `switch-interval` of the process group, in seconds.
    pub(crate) fn switch_interval(&self) -> Option<f64> {
        self.of_group.and_then(|group| group.switch_interval)
    }

    /// The directories for `sys.path` below those of `<WSGIInterpreterOptions>`.
    pub(crate) fn python_path(&self) -> Option<&str> {
        self.of_group.map_or_else(|| self.start_up.interpreters.python_path(), |group| group.python_path.as_deref())
    }

    /// `PYTHON_EGG_CACHE`.
    pub(crate) fn python_eggs(&self) -> Option<&str> {
        self.of_group.map_or(&self.start_up.python_eggs, |group| &group.python_eggs).as_deref()
    }

    /// Starts Python, with its main interpreter.
    ///
    /// # Errors
    /// See [`InterpreterError`].
    pub(crate) fn start_python(&self) -> Result<GilMode, InterpreterError> {
        boundary::report_panics_in_one_line(exhaustion::is_named_by);
        let options = self.options();
        last_line::note_time_zone();
        // SAFETY: AFTER-FORK: a child of httpd and a daemon call this before they make threads.
        unsafe { interpreter::start(&options, new_interpreter::set_up, new_interpreter::has_own_gil) }?;
        Ok(options.gil)
    }

    /// What Python is started with.
    fn options(&self) -> Options {
        let start_up = self.start_up;
        let free = FREE_THREADED_BUILD && start_up.interpreters.free_threading(self.group);
        Options {
            gil: if free { GilMode::FreeThreading } else { GilMode::Shared },
            home: self.of_group.and_then(|group| group.python_home.as_ref()).or(start_up.python_home.as_ref()).cloned(),
            optimize: start_up.python_optimize,
            warnings: start_up.python_warnings.clone(),
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
        server_description: server::description(),
        server_built: text(server::built()),
        mpm_name: text(mpm::name()),
        read_scoreboard: None,
        process_start: TimeOfDay::now().0 as f64 / 1e6,
        process_moment: Moment::now(),
        log_error: unasked::write_line_without_request,
        log_info: |line| log::server(None, Level::Info, line),
        server_log: ServerLog {
            takes: |severity| log::process_logs(severity.into()),
            write: unasked::write_without_request,
        },
    }
}

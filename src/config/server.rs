//! Settings of a server, and those that its processes start with.

use super::alias::ScriptAlias;
use super::control_socket::ControlSocket;
use super::import_script::ImportScript;
use super::interpreter_options::InterpreterOptions;
use super::process_group::ProcessGroup;
use super::telemetry::Telemetry;
use super::values::{AcceptMutex, Audit, HashSeed};
use crate::apache::directive::Arguments;
use crate::apache::server;
use core::time::Duration;

/// What is configured outside of directories.
#[derive(Default)]
pub(crate) struct ServerSettings {
    /// In the order in which they are tried: a virtual host's own come first.
    pub(crate) aliases: Vec<ScriptAlias>,
    /// `WSGIImportScript`, and aliases that are loaded beforehand; those of all servers count.
    pub(crate) import_scripts: Vec<ImportScript>,
    /// `WSGIDaemonProcess`, those declared in this very server.
    pub(crate) process_groups: Vec<ProcessGroup>,
    /// Only the main server's count.
    pub(crate) start_up: StartUp,
}

/// How Python starts in a process of this server.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct StartUp {
    /// `WSGIPythonHome`
    pub(crate) python_home: Option<String>,
    /// `WSGIPythonEggs`
    pub(crate) python_eggs: Option<String>,
    /// `WSGIPythonOptimize`; 0 leaves it to Python
    pub(crate) python_optimize: i32,
    /// `WSGIPythonWarnings`, in their order
    pub(crate) python_warnings: Vec<String>,
    /// `WSGIPythonHashSeed`
    pub(crate) python_hash_seed: Option<HashSeed>,
    /// `WSGIDontWriteBytecode`
    pub(crate) dont_write_bytecode: bool,
    /// `WSGIDestroyInterpreter Off`
    pub(crate) keep_interpreters: bool,
    /// `WSGICaseSensitivity Off`
    pub(crate) case_insensitive: bool,
    /// `WSGIFreeThreadingAudit`
    pub(crate) audit: Audit,
    /// `WSGIRestrictEmbedded`
    pub(crate) restrict_embedded: bool,
    /// `WSGISocketPrefix`, as a path from the root
    pub(crate) socket_prefix: Option<String>,
    /// `WSGISocketRotation Off`. Without effect: a new generation of daemons never meets the sockets of an old one
    pub(crate) keep_socket_names: bool,
    /// `WSGIAcceptMutex`. Without effect
    pub(crate) accept_mutex: AcceptMutex,
    /// `WSGIDrainTime`; zero leaves `SIGWINCH` to httpd
    pub(crate) drain_time: Duration,
    /// `WSGIControlSocket`; `None` leaves it to the default
    pub(crate) control_socket: Option<ControlSocket>,
    /// `WSGIStatusQuery`
    pub(crate) status_query: bool,
    /// `WSGILogFormat json`
    pub(crate) log_json: bool,
    /// `WSGILogHandler`
    pub(crate) log_handler: bool,
    /// `WSGIServerMetrics` and the telemetry directives
    pub(crate) telemetry: Telemetry,
    /// Whether httpd's own processes run Python; `None` while no directive has decided it
    python_in_children: Option<bool>,
    /// What blocks may refine.
    pub(crate) interpreters: InterpreterOptions,
    /// Lines for the log once the configuration has been read.
    pub(crate) notices: Vec<&'static str>,
}

impl ServerSettings {
    /// A virtual host over the main server.
    pub(crate) fn over(&self, main: &Self) -> Self {
        let aliases = self.aliases.iter().chain(&main.aliases).cloned().collect();
        Self {
            aliases,
            import_scripts: self.import_scripts.clone(),
            process_groups: self.process_groups.clone(),
            start_up: StartUp::default(),
        }
    }
}

impl StartUp {
    /// `WSGIFreeThreading`, which a block for an application group cannot choose.
    ///
    /// # Errors
    /// None: the choice is ignored there, with a notice.
    pub(crate) fn set_free_threading(&mut self, on: bool) -> Result<(), String> {
        if self.interpreters.is_for_application_group() {
            self.notice(
                "WSGI0201: WSGIFreeThreading is ignored in a block with application-group=: it is one choice per process",
            );
        }
        self.interpreters.here().free_threading = Some(on);
        Ok(())
    }

    /// `WSGIRestrictEmbedded`: `On` keeps Python out of httpd's own processes only if nothing has asked for it before.
    pub(crate) fn set_restrict_embedded(&mut self, on: bool) {
        self.restrict_embedded = on;
        if !on || self.python_in_children.is_none() {
            self.python_in_children = Some(!on);
        }
    }

    /// `WSGISocketPrefix`, which may be relative to `ServerRoot`.
    ///
    /// # Errors
    /// httpd makes no path of it.
    pub(crate) fn set_socket_prefix(&mut self, arguments: &Arguments<'_>) -> Result<(), String> {
        let word = arguments.first();
        let prefix = server::below_root(arguments.pool, word);
        let expected = "expected the beginning of a path, from the root or from ServerRoot";
        self.socket_prefix = Some(prefix.ok_or_else(|| format!("'{word}' is not a valid value; {expected}"))?);
        Ok(())
    }

    /// Whether httpd's own processes run Python, as far as the main server's directives say.
    pub(crate) fn runs_python_in_children(&self) -> bool {
        self.python_in_children.unwrap_or(true)
    }

    /// `WSGIPerInterpreterGIL`, which older Pythons do not have.
    ///
    /// # Errors
    /// None: the choice is without effect there, with a notice.
    pub(crate) fn set_per_interpreter_gil(&mut self, on: bool) -> Result<(), String> {
        if on && cfg!(not(Py_3_12)) {
            self.notice("WSGI0198: WSGIPerInterpreterGIL has no effect: it needs Python 3.12");
        }
        self.interpreters.here().per_interpreter_gil = Some(on);
        Ok(())
    }

    /// Says something once the configuration has been read, once.
    pub(crate) fn notice(&mut self, text: &'static str) {
        if !self.notices.contains(&text) {
            self.notices.push(text);
        }
    }
}

//! Settings of a server, and those that its processes start with.

use super::alias::ScriptAlias;
use super::import_script::ImportScript;
use super::interpreter_options::InterpreterOptions;
use super::values::{Audit, HashSeed};
use crate::apache::pool::PoolStr;

/// What is configured outside of directories.
#[derive(Default)]
pub(crate) struct ServerSettings {
    /// In the order in which they are tried: a virtual host's own come first.
    pub(crate) aliases: Vec<ScriptAlias>,
    /// `WSGIImportScript`, and aliases that are loaded beforehand; those of all servers count.
    pub(crate) import_scripts: Vec<ImportScript>,
    /// Only the main server's count.
    pub(crate) start_up: StartUp,
}

/// How Python starts in a process of this server.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct StartUp {
    /// `WSGIPythonHome`
    pub(crate) python_home: Option<PoolStr>,
    /// `WSGIPythonEggs`
    pub(crate) python_eggs: Option<PoolStr>,
    /// `WSGIPythonOptimize`; 0 leaves it to Python
    pub(crate) python_optimize: i32,
    /// `WSGIPythonWarnings`, in their order
    pub(crate) python_warnings: Vec<PoolStr>,
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
    /// `WSGIRestrictEmbedded`; `None` while nothing has decided whether children run Python
    pub(crate) restrict_embedded: Option<bool>,
    /// What blocks may refine.
    pub(crate) interpreters: InterpreterOptions,
    /// Lines for the log once the configuration has been read.
    pub(crate) notices: Vec<&'static str>,
}

impl ServerSettings {
    /// A virtual host over the main server.
    pub(crate) fn over(&self, main: &Self) -> Self {
        let aliases = self.aliases.iter().chain(&main.aliases).copied().collect();
        Self { aliases, import_scripts: self.import_scripts.clone(), start_up: StartUp::default() }
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

    /// `WSGIRestrictEmbedded`: `On` decides only if nothing has decided before.
    pub(crate) fn restrict_embedded(&mut self, on: bool) {
        if !on || self.restrict_embedded.is_none() {
            self.restrict_embedded = Some(on);
        }
    }

    /// A script that is to be loaded in httpd's own processes needs Python there.
    pub(crate) fn needs_embedded(&mut self, script: &ImportScript) {
        if script.process_group.is_empty() {
            self.restrict_embedded = Some(false);
        }
    }

    /// Says something once the configuration has been read, once.
    pub(crate) fn notice(&mut self, text: &'static str) {
        if !self.notices.contains(&text) {
            self.notices.push(text);
        }
    }
}

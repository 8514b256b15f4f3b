//! Settings of a server, and those that the whole process starts with.

use super::alias::ScriptAlias;
use super::values::Audit;
use crate::apache::pool::PoolStr;

/// What is configured outside of directories.
#[derive(Default)]
pub(crate) struct ServerSettings {
    /// In the order in which they are tried: a virtual host's own come first.
    pub(crate) aliases: Vec<ScriptAlias>,
    /// Only the main server's count.
    pub(crate) start_up: StartUp,
}

/// How Python starts in a process of this server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StartUp {
    /// `WSGIPythonHome`
    pub(crate) python_home: Option<PoolStr>,
    /// `WSGIPythonPath`, folders separated by colons
    pub(crate) python_path: Option<PoolStr>,
    /// `WSGIFreeThreading`
    pub(crate) free_threading: bool,
    /// `WSGIFreeThreadingAudit`
    pub(crate) audit: Audit,
}

impl ServerSettings {
    /// A virtual host over the main server.
    pub(crate) fn over(&self, main: &Self) -> Self {
        let aliases = self.aliases.iter().chain(&main.aliases).copied().collect();
        Self { aliases, start_up: main.start_up }
    }
}

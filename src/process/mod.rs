//! This process, one of httpd's child processes or a daemon process: who it is, and how its interpreters are set up.

pub(crate) mod identity;
pub(crate) mod jail;
pub(crate) mod log;
pub(crate) mod new_interpreter;
pub(crate) mod script_path;
pub(crate) mod telemetry;
pub(crate) mod this_process;

//! What went wrong, whose it is to mend, and what client and log are told.
//!
//! Everything below returns `Result`; a line of the log and a status come from
//! here, once. Codes are those of mod_wsgi where it has the same condition.

use crate::apache::log::Level;
use crate::apache::request::Request;
use crate::apache::status::{AprError, Status};
use crate::python::exhaustion;
use crate::python::interpreter::InterpreterError;
use crate::python::script::LoadError;
use crate::request::log_entry::Entry;
use crate::request::said::{self, Said};
use crate::request::script_owner::NotOwned;
use crate::request::target;
use crate::wire::channel::ChannelError;
use core::time::Duration;
use pyo3::Python;

/// Who has to do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Client,
    Application,
    Configuration,
    Host,
    /// We have.
    Module,
}

/// Where a process group serves; the empty name stands for embedded mode.
fn place_in_words(group: &str) -> String {
    if group.is_empty() { "httpd's own processes".to_owned() } else { format!("process group '{group}'") }
}

/// Why a request was not served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("Options ExecCGI is off here, and the script is not aliased")]
    ExecCgiOff,
    #[error("the script does not exist, or cannot be looked at")]
    Missing,
    #[error("the script is a directory")]
    IsDirectory,
    #[error("AcceptPathInfo is off, and path info follows the script")]
    PathInfo,
    #[error("Transfer-Encoding '{0}' is not supported; expected chunked")]
    TransferEncoding(String),
    #[error(
        "the request body has no length, and WSGIChunkedRequest is off; with WSGIChunkedRequest On it is passed on"
    )]
    Chunked,
    #[error("Content-Length '{0}' is not a number")]
    ContentLength(String),
    #[error("the request body of {0} bytes is larger than LimitRequestBody {1} allows")]
    TooLarge(u64, i64),
    #[error("{} may not be used here: WSGIRestrictProcess", place_in_words(.0))]
    ProcessGroupRefused(String),
    #[error("process group '{0}' is not defined (WSGIDaemonProcess), and no other one is")]
    NoProcessGroup(String),
    #[error("process group '{0}' is not defined (WSGIDaemonProcess)")]
    UnknownProcessGroup(String),
    #[error("process group '{0}' belongs to another virtual host, whose ServerName is another one")]
    ProcessGroupElsewhere(String),
    #[error("{0}")]
    NotOwned(NotOwned),
    #[error("'{0}' is outside of '{1}', the root of the process group (chroot=)")]
    OutsideOfRoot(String, String),
    #[error("process group '{0}' is busy, and {1} requests wait already (listen-backlog)")]
    QueueFull(String, u32),
    #[error("no process of group '{0}' had a thread to spare within {1:?} (queue-timeout)")]
    QueueTimeout(String, Duration),
    #[error(
        "no process of group '{0}' took the request within {1:?} (socket-timeout, or Timeout where that is not set)"
    )]
    NoProcessInTime(String, Duration),
    #[error("no process of group '{0}' took the request: each that was tried ended or was replaced before")]
    NoProcess(String),
    #[error("a process of group '{0}' cannot be reached: {1} (its socket is where WSGISocketPrefix says)")]
    Connect(String, std::io::Error),
    #[error("the variables of the request, of {1} bytes, are more than a process of group '{0}' takes")]
    RequestTooLarge(String, usize),
    #[error("the request cannot be sent to a process of group '{0}': {1}")]
    SendRequest(String, ChannelError),
    #[error("process {process} of group '{group}' has failed while it had this request: {error}")]
    Daemon { group: String, process: u32, error: ChannelError },
    #[error(
        "process {process} of group '{group}' was silent for {limit:?} while it had this request \
         (socket-timeout, or Timeout where that is not set)"
    )]
    Silent { group: String, process: u32, limit: Duration },
    #[error("response header '{0}' is longer than the {1} bytes that header-buffer-size allows")]
    HeaderTooLong(String, usize),
    #[error("WSGIRestrictEmbedded is on, and no process group is chosen (WSGIProcessGroup)")]
    EmbeddedRefused,
    #[error("{0}")]
    NotStarted(InterpreterError),
    #[error("{0}")]
    Interpreter(InterpreterError),
    #[error("{0}")]
    TooManyInterpreters(InterpreterError),
    #[error("the script cannot be read or compiled")]
    Source,
    #[error("the script raised an exception while it was loaded")]
    Load,
    #[error("the script raised SystemExit while it was loaded")]
    LoadExit,
    #[error("the dispatch script has not said which application is to answer")]
    Dispatch,
    #[error("the script has no '{0}'")]
    NoCallable(String),
    #[error("the application has taken longer than request-timeout allows, and was ended by RequestTimeout")]
    TimedOut,
    #[error("the script has changed, and no process has loaded it anew")]
    Changed,
    /// Another fault, with the traceback that belongs to it.
    #[error("{0}")]
    Traced(Box<Fault>, Vec<String>),
    #[error("the objects of the request cannot be made: {0}")]
    Objects(String),
    #[error("the application gave {given} of the {announced} bytes that its Content-Length announced")]
    Short { announced: u64, given: u64 },
    #[error("a filter of httpd that changes the response has failed: {0} (SetOutputFilter, AddOutputFilterByType)")]
    Filter(AprError),
    #[error("internal error: {0}")]
    Bug(String),
}

impl Fault {
    /// The stable code, the status before the response has begun, and the owner.
    fn verdict(&self) -> (&'static str, Status, Owner) {
        match self {
            Self::ExecCgiOff => ("WSGI0134", Status::FORBIDDEN, Owner::Configuration),
            Self::Missing => ("WSGI0135", Status::NOT_FOUND, Owner::Configuration),
            Self::IsDirectory => ("WSGI0136", Status::FORBIDDEN, Owner::Configuration),
            Self::PathInfo => ("WSGI0137", Status::NOT_FOUND, Owner::Client),
            Self::TransferEncoding(_) => ("WSGI0138", Status::NOT_IMPLEMENTED, Owner::Client),
            Self::Chunked => ("WSGI0139", Status::LENGTH_REQUIRED, Owner::Client),
            Self::ContentLength(_) => ("WSGI0141", Status::BAD_REQUEST, Owner::Client),
            Self::TooLarge(..) => ("WSGI1001", Status::REQUEST_ENTITY_TOO_LARGE, Owner::Client),
            Self::ProcessGroupRefused(_) => ("WSGI0149", Status::INTERNAL_SERVER_ERROR, Owner::Configuration),
            Self::NoProcessGroup(_) => ("WSGI0150", Status::INTERNAL_SERVER_ERROR, Owner::Configuration),
            Self::UnknownProcessGroup(_) => ("WSGI0151", Status::INTERNAL_SERVER_ERROR, Owner::Configuration),
            Self::ProcessGroupElsewhere(_) => ("WSGI0152", Status::INTERNAL_SERVER_ERROR, Owner::Configuration),
            Self::NotOwned(reason) => (reason.code(), Status::FORBIDDEN, Owner::Configuration),
            Self::OutsideOfRoot(..) => ("WSGI0081", Status::BAD_GATEWAY, Owner::Configuration),
            Self::QueueFull(..) => ("WSGI0116", Status::SERVICE_UNAVAILABLE, Owner::Host),
            Self::QueueTimeout(..) => ("WSGI0084", Status::GATEWAY_TIMEOUT, Owner::Host),
            Self::NoProcess(_) | Self::Connect(..) => ("WSGI0117", Status::SERVICE_UNAVAILABLE, Owner::Host),
            Self::RequestTooLarge(..) => ("WSGI0080", Status::BAD_GATEWAY, Owner::Configuration),
            Self::SendRequest(..) => ("WSGI0121", Status::INTERNAL_SERVER_ERROR, Owner::Host),
            Self::HeaderTooLong(..) => ("WSGI0144", Status::INTERNAL_SERVER_ERROR, Owner::Application),
            Self::NoProcessInTime(..) | Self::Silent { .. } => ("WSGI0145", Status::GATEWAY_TIMEOUT, Owner::Host),
            Self::Daemon { error: ChannelError::Closed, .. } => ("WSGI0146", Status::BAD_GATEWAY, Owner::Host),
            Self::Daemon { error: ChannelError::Frame(_), .. } => {
                ("WSGI0148", Status::INTERNAL_SERVER_ERROR, Owner::Module)
            }
            Self::Daemon { .. } => ("WSGI0147", Status::BAD_GATEWAY, Owner::Host),
            Self::EmbeddedRefused => ("WSGI0143", Status::INTERNAL_SERVER_ERROR, Owner::Configuration),
            Self::NotStarted(_) => ("WSGI0210", Status::INTERNAL_SERVER_ERROR, Owner::Configuration),
            Self::Interpreter(_) => ("WSGI0087", Status::INTERNAL_SERVER_ERROR, Owner::Host),
            Self::TooManyInterpreters(_) => ("WSGI1009", Status::SERVICE_UNAVAILABLE, Owner::Configuration),
            Self::Source => ("WSGI0105", Status::INTERNAL_SERVER_ERROR, Owner::Application),
            Self::LoadExit => ("WSGI0107", Status::INTERNAL_SERVER_ERROR, Owner::Application),
            Self::Load => ("WSGI0109", Status::INTERNAL_SERVER_ERROR, Owner::Application),
            Self::Dispatch => ("WSGI1062", Status::INTERNAL_SERVER_ERROR, Owner::Configuration),
            Self::NoCallable(_) => ("WSGI0089", Status::NOT_FOUND, Owner::Application),
            Self::TimedOut => ("WSGI1031", Status::GATEWAY_TIMEOUT, Owner::Application),
            Self::Changed => ("WSGI0124", Status::SERVICE_UNAVAILABLE, Owner::Application),
            Self::Traced(fault, _) => fault.verdict(),
            Self::Objects(_) => ("WSGI1002", Status::INTERNAL_SERVER_ERROR, Owner::Host),
            Self::Bug(_) => ("WSGI1006", Status::INTERNAL_SERVER_ERROR, Owner::Module),
            Self::Filter(_) => ("WSGI1091", Status::INTERNAL_SERVER_ERROR, Owner::Host),
            Self::Short { .. } => ("WSGI1003", Status::OK, Owner::Application),
        }
    }

    /// The status for the client and the entry for the log.
    pub(crate) fn report(&self) -> (Status, Entry) {
        let (code, status, owner) = self.verdict();
        let level = match owner {
            Owner::Client => Level::Info,
            Owner::Application | Owner::Configuration | Owner::Host => Level::Error,
            Owner::Module => Level::Critical,
        };
        let details = if let Self::Traced(_, lines) = self { lines.clone() } else { Vec::new() };
        (status, Entry { details, ..Entry::of_module(level, format!("{code}: {self}")) })
    }

    /// Logs the fault, once, and returns the status for the client.
    pub(crate) fn answer(&self, request: &Request<'_>) -> Status {
        let (status, mut entry) = self.report();
        // The client can do nothing about it, and sees it with each upload: whoever configured the script is told.
        if matches!(self, Self::Chunked) && said::for_the_first_time(Said::ChunkedOff, target::script_of(request)) {
            entry.level = Level::Warning;
        }
        entry.write(request);
        status
    }

    /// The fault of a panic with this message.
    pub(crate) fn of_panic(message: String) -> Self {
        if exhaustion::is_named_by(&message) {
            return Self::Objects(format!("MemoryError: {message}"));
        }
        Self::Bug(message)
    }

    /// The fault of an application group that has no interpreter.
    pub(crate) fn of_interpreter(error: InterpreterError) -> Self {
        match error {
            InterpreterError::NotStarted | InterpreterError::StartedBefore | InterpreterError::Start(_) => {
                Self::NotStarted(error)
            }
            InterpreterError::TooMany(_) => Self::TooManyInterpreters(error),
            InterpreterError::Make { .. } => Self::Interpreter(error),
        }
    }

    /// Whether the script has no such callable.
    pub(crate) fn is_missing_callable(&self) -> bool {
        match self {
            Self::NoCallable(_) => true,
            Self::Traced(fault, _) => fault.is_missing_callable(),
            _ => false,
        }
    }

    /// The fault of a script that did not load, with its traceback.
    pub(crate) fn of_load(py: Python<'_>, error: &LoadError, callable: &str) -> Self {
        let fault = match error {
            LoadError::Source(_) => Self::Source,
            LoadError::Raised(_) => Self::Load,
            LoadError::Exited(_) => Self::LoadExit,
            LoadError::NoCallable => Self::NoCallable(callable.to_owned()),
            LoadError::Changed => return Self::Changed,
        };
        Self::Traced(Box::new(fault), error.lines(py))
    }
}

impl Fault {
    /// What is logged when a script that is loaded beforehand fails. Codes differ from those of requests.
    pub(crate) fn lines_of_preload(py: Python<'_>, error: &LoadError, path: &str, group: &str) -> Vec<String> {
        let (code, text) = match error {
            LoadError::Source(_) => ("WSGI0106", "cannot be read or compiled"),
            LoadError::Exited(_) => ("WSGI0108", "raised SystemExit while it was loaded"),
            LoadError::Raised(_) | LoadError::NoCallable | LoadError::Changed => {
                ("WSGI0110", "raised an exception while it was loaded")
            }
        };
        let mut lines = vec![format!("{code}: the script '{path}' {text}, beforehand, in {}", place_in_words(group))];
        lines.extend(error.lines(py));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_memory_is_no_fault_of_the_module() {
        for panic in [exhaustion::NO_OBJECT, exhaustion::NO_THREAD_STATE] {
            assert_eq!(Fault::of_panic(panic.to_owned()).verdict().0, "WSGI1002");
        }
        assert_eq!(Fault::of_panic("index out of bounds".to_owned()).verdict().0, "WSGI1006");
    }
}

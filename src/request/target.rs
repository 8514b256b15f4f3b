//! Which script answers a request: the file that the URL leads to, or the one that
//! is registered for the handler of the request (`WSGIHandlerScript`).

use crate::apache::directive::directory_settings;
use crate::apache::request::{FileKind, Request};
use crate::config::WsgiConfiguration;
use crate::config::alias::{AliasOptions, ScriptAlias};
use crate::config::handler_script::HandlerScript;
use crate::process::script_path;
use crate::python::interpreter::Origin;
use crate::request::translate::{HANDLER, alias_of};

/// The script that answers, and how the request came to it.
#[derive(Clone, Copy)]
pub(crate) enum Target<'r> {
    /// The file of the request, which an alias may have led to.
    File(Option<&'r ScriptAlias>),
    /// A script that answers for the file of the request, whatever that is. An alias that led there does not count.
    HandlerScript(&'r HandlerScript<'r>),
}

/// What is to be called, in whatever process.
pub(crate) struct Wanted<'a> {
    pub(crate) application_group: &'a str,
    pub(crate) origin: Origin,
    /// When the script changed last, in microseconds since the epoch.
    pub(crate) modified: i64,
}

impl<'r> Target<'r> {
    /// `None` if the request is not for this module.
    pub(crate) fn of(request: &Request<'r>) -> Option<Self> {
        let handler = request.handler();
        if handler == HANDLER.to_bytes() || handler == b"application/x-httpd-wsgi" {
            return Some(Self::File(alias_of(request)));
        }
        let registered = directory_settings::<WsgiConfiguration>(request)?.handler_scripts?;
        registered.iter().find(|script| script.is_named(handler)).map(Self::HandlerScript)
    }

    /// What the alias or the registration says beside the directives.
    pub(crate) fn options(self) -> Option<AliasOptions<&'r str>> {
        match self {
            Self::File(alias) => alias.map(|alias| alias.options.map(|text| &**text)),
            Self::HandlerScript(script) => Some(script.options),
        }
    }

    /// The path of the script.
    pub(crate) fn script(self, request: &Request<'r>) -> &'r [u8] {
        match self {
            Self::File(_) => request.filename(),
            Self::HandlerScript(script) => script.path.as_bytes(),
        }
    }

    /// When the script changed last, in microseconds since the epoch. httpd has looked at the file of the request only.
    pub(crate) fn modified(self, request: &Request<'r>) -> i64 {
        match self {
            Self::File(_) => request.file_modified(),
            Self::HandlerScript(script) => script_path::modified(script.path.as_bytes()),
        }
    }

    /// `mod_wsgi.handler_script`: empty where the file of the request is the script.
    pub(crate) fn handler_script(self) -> &'r [u8] {
        match self {
            Self::File(_) => b"",
            Self::HandlerScript(script) => script.path.as_bytes(),
        }
    }

    /// Whether clients choose the path that the script is mounted at, of which there are any number then: an expression
    /// may match it, a rewrite may lead from it, and a handler script answers for files that do not exist.
    pub(crate) fn is_mounted_by_clients(self, request: &Request<'r>, mount: &[u8]) -> bool {
        match self {
            Self::File(Some(alias)) => alias.is_mounted_by_clients(),
            Self::HandlerScript(_) if request.file_kind() == FileKind::Missing => true,
            Self::File(None) | Self::HandlerScript(_) => !is_at_its_path(request, mount),
        }
    }
}

/// Whether the file stands where the URL says, below the document root or the target of an `Alias`: then there
/// are as many paths as files.
fn is_at_its_path(request: &Request<'_>, mount: &[u8]) -> bool {
    let below = mount.strip_prefix(request.context_prefix()).unwrap_or(mount);
    let path = request.filename().strip_prefix(request.context_document_root());
    let without_slash = |path: &[u8]| path.iter().position(|byte| *byte != b'/').map(|start| path[start..].to_vec());
    path.is_some_and(|path| without_slash(path) == without_slash(below))
}

/// The script that a line of the log is about.
pub(crate) fn script_of<'r>(request: &Request<'r>) -> &'r [u8] {
    Target::of(request).map_or(request.filename(), |target| target.script(request))
}

//! The application group and callable of a request: configured names, expanded.

use crate::apache::request::Request;
use crate::config::group_name::{CallableName, DEFAULT_CALLABLE, GroupName};
use crate::process::this_process::process;
use crate::python::interpreter::Origin;
use crate::request::target::Target;
use std::borrow::Cow;
use std::ffi::CString;

/// The path that the script is mounted at and what follows it, with runs of slashes collapsed.
pub(crate) struct Mount<'r> {
    pub(crate) script_name: Cow<'r, [u8]>,
    pub(crate) path_info: Cow<'r, [u8]>,
}

impl<'r> Mount<'r> {
    pub(crate) fn of(request: &Request<'r>) -> Self {
        let (uri, path_info) = (request.uri(), request.path_info());
        // A server-side include names the application as if the whole path were its own.
        let included = request.protocol() == b"INCLUDED";
        let length = if included { uri.len() } else { mount_length(uri, path_info) };
        Self { script_name: collapse_slashes(&uri[..length]), path_info: collapse_slashes(path_info) }
    }
}

/// How many bytes of `uri` come before `path_info`, which is its end but for runs of
/// slashes. Where httpd has changed the file name so that it is not, whole segments count.
fn mount_length(uri: &[u8], path_info: &[u8]) -> usize {
    if path_info.is_empty() {
        return uri.len();
    }
    let (mut uri_left, mut info_left) = (uri, path_info);
    while let (Some((a, rest)), Some((b, info_rest))) = (uri_left.split_last(), info_left.split_last()) {
        if a != b {
            break;
        }
        (uri_left, info_left) =
            if *a == b'/' { (without_slashes(uri_left), without_slashes(info_left)) } else { (rest, info_rest) };
    }
    let segment = uri[uri_left.len()..].iter().position(|byte| *byte == b'/');
    segment.map_or(uri.len(), |end| uri_left.len() + end)
}

fn without_slashes(path: &[u8]) -> &[u8] {
    let slashes = path.iter().rev().take_while(|byte| **byte == b'/').count();
    &path[..path.len() - slashes]
}

/// Each run of slashes as one.
pub(crate) fn collapse_slashes(path: &[u8]) -> Cow<'_, [u8]> {
    if !path.windows(2).any(|pair| pair == b"//") {
        return Cow::Borrowed(path);
    }
    let mut collapsed = path.to_vec();
    collapsed.dedup_by(|next, before| *next == b'/' && *before == b'/');
    Cow::Owned(collapsed)
}

/// Whether a client has a say in the name: then the number of interpreters that it leads to must have an end.
pub(crate) fn origin(
    request: &Request<'_>,
    mount: &Mount<'_>,
    target: Target<'_>,
    configured: GroupName<&str>,
) -> Origin {
    let by_client = match configured {
        GroupName::Global | GroupName::Literal(_) => false,
        GroupName::Server => has_port_of_client(request),
        GroupName::Resource => has_port_of_client(request) || target.is_mounted_by_clients(request, &mount.script_name),
        GroupName::Host | GroupName::Variable { .. } => true,
    };
    if by_client { Origin::Client } else { Origin::Configuration }
}

/// The application group of a script that decides about the request before there is an application.
pub(crate) fn of_control_script(request: &Request<'_>, configured: GroupName<&str>) -> (String, Origin) {
    match configured {
        GroupName::Server => {
            let origin = if has_port_of_client(request) { Origin::Client } else { Origin::Configuration };
            (with_port(request, request.server().host_name()), origin)
        }
        GroupName::Host => (with_port(request, host(request)), Origin::Client),
        GroupName::Literal(name) => (name.to_string(), Origin::Configuration),
        GroupName::Global | GroupName::Resource | GroupName::Variable { .. } => (String::new(), Origin::Configuration),
    }
}

/// By default the port of the Host header counts.
fn has_port_of_client(request: &Request<'_>) -> bool {
    let port = request.server_port();
    ![80, 443, request.local_port(), request.server().port()].contains(&port)
}

/// The name of a group, expanded for the request; empty is the main interpreter, or no daemon.
pub(crate) fn expand(request: &Request<'_>, mount: &Mount<'_>, configured: GroupName<&str>) -> String {
    match configured {
        GroupName::Global => String::new(),
        GroupName::Server => with_port(request, request.server().host_name()),
        GroupName::Host => with_port(request, host(request)),
        GroupName::Resource => {
            let mut name = with_port(request, request.server().host_name());
            name.push('|');
            let path = String::from_utf8_lossy(&mount.script_name);
            if process().is_some_and(|process| process.start_up.case_insensitive) {
                name.push_str(&path.to_lowercase());
            } else {
                name.push_str(&path);
            }
            name
        }
        GroupName::Literal(name) => name.to_string(),
        GroupName::Variable { text, name } => match variable(request, name) {
            None => text.to_string(),
            Some(value) => expanded_once_more(request, mount, value),
        },
    }
}

/// A variable may hold another token, but not another variable.
fn expanded_once_more(request: &Request<'_>, mount: &Mount<'_>, value: String) -> String {
    let token = match &*value {
        "%{GLOBAL}" => GroupName::Global,
        "%{SERVER}" => GroupName::Server,
        "%{HOST}" => GroupName::Host,
        "%{RESOURCE}" => GroupName::Resource,
        _ => return value,
    };
    expand(request, mount, token)
}

/// The name of the callable in the script.
pub(crate) fn callable(request: &Request<'_>, configured: CallableName<&str>) -> String {
    match configured {
        CallableName::Literal(name) => name.to_string(),
        CallableName::Variable(name) => variable(request, name).unwrap_or_else(|| DEFAULT_CALLABLE.to_owned()),
    }
}

/// A request note, a variable of the request's environment, or one of the process.
fn variable(request: &Request<'_>, name: &str) -> Option<String> {
    let c_name = CString::new(name).ok()?;
    let found = request.notes().get(&c_name).or_else(|| request.subprocess_env().get(&c_name));
    match found {
        Some(value) => Some(String::from_utf8_lossy(value).into_owned()),
        None => std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()),
    }
}

fn host<'r>(request: &Request<'r>) -> &'r [u8] {
    match request.host_name() {
        [] => request.server().host_name(),
        name => name,
    }
}

/// The standard ports of HTTP and HTTPS add nothing, so that both virtual hosts of a site share an interpreter.
fn with_port(request: &Request<'_>, host: &[u8]) -> String {
    let host = String::from_utf8_lossy(host);
    match request.server_port() {
        80 | 443 => host.into_owned(),
        port => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{collapse_slashes, mount_length};

    #[test]
    fn the_mount_is_what_comes_before_the_path_info() {
        assert_eq!(mount_length(b"/app/x/y", b"/x/y"), 4);
        assert_eq!(mount_length(b"/app", b""), 4);
        assert_eq!(mount_length(b"/x", b"/x"), 0);
        assert_eq!(mount_length(b"/app/", b"/"), 4);
    }

    #[test]
    fn runs_of_slashes_make_no_difference_to_the_mount() {
        assert_eq!(mount_length(b"//mount///a//b/", b"/a//b/"), 7);
        assert_eq!(mount_length(b"//mount///a//b/", b"///a/b/"), 7);
    }

    #[test]
    fn a_path_info_that_is_not_the_end_leaves_whole_segments() {
        assert_eq!(mount_length(b"/app/one", b"/two"), 8);
    }

    #[test]
    fn a_run_of_slashes_becomes_one() {
        assert_eq!(&*collapse_slashes(b"//a///b/"), b"/a/b/");
        assert_eq!(&*collapse_slashes(b"/a/b"), b"/a/b");
        assert_eq!(&*collapse_slashes(b""), b"");
    }
}

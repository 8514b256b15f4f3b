//! The keys of an environ, and which variable of a request has which.

use crate::python::text;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// A variable of the request, as the host names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variable<'a> {
    /// One that is known beforehand.
    Known(Key),
    /// A request header by its own name.
    Header(&'a [u8]),
    /// Any other, such as one of SetEnv.
    Named(&'a [u8]),
}

macro_rules! keys {
    ($($key:ident $name:literal,)*) => {
        /// The keys that are known beforehand.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Key { $($key,)* }

        pub(super) const ALL: &[Key] = &[$(Key::$key,)*];

        impl Key {
            /// The key as it stands in the environ.
            pub(crate) const fn name(self) -> &'static core::ffi::CStr {
                match self { $(Self::$key => $name,)* }
            }
        }
    };
}

keys! {
    RequestMethod c"REQUEST_METHOD",
    RequestUri c"REQUEST_URI",
    RequestScheme c"REQUEST_SCHEME",
    ScriptName c"SCRIPT_NAME",
    PathInfo c"PATH_INFO",
    QueryString c"QUERY_STRING",
    ServerProtocol c"SERVER_PROTOCOL",
    ServerName c"SERVER_NAME",
    ServerPort c"SERVER_PORT",
    ServerAddr c"SERVER_ADDR",
    ServerSoftware c"SERVER_SOFTWARE",
    ServerAdmin c"SERVER_ADMIN",
    RemoteAddr c"REMOTE_ADDR",
    RemotePort c"REMOTE_PORT",
    RemoteUser c"REMOTE_USER",
    RedirectRemoteUser c"REDIRECT_REMOTE_USER",
    AuthType c"AUTH_TYPE",
    DocumentRoot c"DOCUMENT_ROOT",
    ContextPrefix c"CONTEXT_PREFIX",
    ContextDocumentRoot c"CONTEXT_DOCUMENT_ROOT",
    ScriptFilename c"SCRIPT_FILENAME",
    RedirectUrl c"REDIRECT_URL",
    RedirectQueryString c"REDIRECT_QUERY_STRING",
    ContentType c"CONTENT_TYPE",
    ContentLength c"CONTENT_LENGTH",
    HttpHost c"HTTP_HOST",
    HttpUserAgent c"HTTP_USER_AGENT",
    HttpAccept c"HTTP_ACCEPT",
    HttpAcceptEncoding c"HTTP_ACCEPT_ENCODING",
    HttpAcceptLanguage c"HTTP_ACCEPT_LANGUAGE",
    HttpAuthorization c"HTTP_AUTHORIZATION",
    HttpCacheControl c"HTTP_CACHE_CONTROL",
    HttpConnection c"HTTP_CONNECTION",
    HttpCookie c"HTTP_COOKIE",
    HttpIfModifiedSince c"HTTP_IF_MODIFIED_SINCE",
    HttpIfNoneMatch c"HTTP_IF_NONE_MATCH",
    HttpOrigin c"HTTP_ORIGIN",
    HttpReferer c"HTTP_REFERER",
    HttpUpgradeInsecureRequests c"HTTP_UPGRADE_INSECURE_REQUESTS",
    HttpXForwardedFor c"HTTP_X_FORWARDED_FOR",
    HttpXRequestedWith c"HTTP_X_REQUESTED_WITH",
    Https c"HTTPS",
    WsgiVersion c"wsgi.version",
    WsgiUrlScheme c"wsgi.url_scheme",
    WsgiInput c"wsgi.input",
    WsgiErrors c"wsgi.errors",
    WsgiMultithread c"wsgi.multithread",
    WsgiMultiprocess c"wsgi.multiprocess",
    WsgiRunOnce c"wsgi.run_once",
    WsgiInputTerminated c"wsgi.input_terminated",
    WsgiFileWrapper c"wsgi.file_wrapper",
    ApacheVersion c"apache.version",
    RequestRec c"apache.request_rec",
    Version c"mod_wsgi.version",
    ProcessGroup c"mod_wsgi.process_group",
    ApplicationGroup c"mod_wsgi.application_group",
    CallableObject c"mod_wsgi.callable_object",
    RequestHandler c"mod_wsgi.request_handler",
    HandlerScript c"mod_wsgi.handler_script",
    OriginalScriptName c"mod_wsgi.script_name",
    OriginalPathInfo c"mod_wsgi.path_info",
    MountPoint c"mod_wsgi.mount_point",
    ListenerHost c"mod_wsgi.listener_host",
    ListenerPort c"mod_wsgi.listener_port",
    ServerPid c"mod_wsgi.server_pid",
    RequestId c"mod_wsgi.request_id",
    ConnectionId c"mod_wsgi.connection_id",
    TraceId c"mod_wsgi.trace_id",
    SpanId c"mod_wsgi.span_id",
    ThreadId c"mod_wsgi.thread_id",
    RequestStart c"mod_wsgi.request_start",
    QueueStart c"mod_wsgi.queue_start",
    DaemonStart c"mod_wsgi.daemon_start",
    ApplicationStart c"mod_wsgi.application_start",
}

impl Key {
    /// The key of that number (`key as u8`).
    pub(crate) fn of_number(number: u8) -> Option<Self> {
        ALL.get(usize::from(number)).copied()
    }

    /// Whether every environ has it: those hold a place in the template.
    pub(super) const fn is_always_there(self) -> bool {
        !matches!(
            self,
            Self::ServerAdmin
                | Self::RemoteUser
                | Self::RedirectRemoteUser
                | Self::AuthType
                | Self::RedirectUrl
                | Self::RedirectQueryString
                | Self::ContentType
                | Self::ContentLength
                | Self::HttpAcceptEncoding
                | Self::HttpAcceptLanguage
                | Self::HttpAuthorization
                | Self::HttpCacheControl
                | Self::HttpConnection
                | Self::HttpCookie
                | Self::HttpIfModifiedSince
                | Self::HttpIfNoneMatch
                | Self::HttpOrigin
                | Self::HttpReferer
                | Self::HttpUpgradeInsecureRequests
                | Self::HttpXForwardedFor
                | Self::HttpXRequestedWith
                | Self::HttpHost
                | Self::HttpUserAgent
                | Self::HttpAccept
                | Self::Https
                | Self::RequestRec
                | Self::MountPoint
                | Self::RequestId
                | Self::ConnectionId
                | Self::TraceId
                | Self::SpanId
        )
    }

    /// Whether the next request is likely to have another value, or one that is not to be kept.
    pub(super) const fn is_fresh_each_time(self) -> bool {
        matches!(
            self,
            Self::RequestUri
                | Self::PathInfo
                | Self::OriginalPathInfo
                | Self::QueryString
                | Self::RemotePort
                | Self::ContentLength
                | Self::HttpAuthorization
                | Self::HttpCookie
                | Self::HttpReferer
                | Self::RequestId
                | Self::ConnectionId
                | Self::TraceId
                | Self::SpanId
        )
    }

    /// Whether the value is a file name, in the encoding of the file system.
    pub(super) const fn is_file_name(self) -> bool {
        matches!(self, Self::DocumentRoot | Self::ScriptFilename)
    }

    /// The key of a variable, if it is among those that are known beforehand.
    pub(super) fn of(variable: Variable<'_>) -> Option<Self> {
        match variable {
            Variable::Known(key) => Some(key),
            Variable::Header(name) => Self::of_header(name),
            Variable::Named(_) => None,
        }
    }

    /// The key of a common request header.
    fn of_header(name: &[u8]) -> Option<Self> {
        let mut lower = [0; 32];
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        Some(match &*lower {
            b"host" => Self::HttpHost,
            b"user-agent" => Self::HttpUserAgent,
            b"accept" => Self::HttpAccept,
            b"accept-encoding" => Self::HttpAcceptEncoding,
            b"accept-language" => Self::HttpAcceptLanguage,
            b"authorization" => Self::HttpAuthorization,
            b"cache-control" => Self::HttpCacheControl,
            b"connection" => Self::HttpConnection,
            b"content-type" => Self::ContentType,
            b"content-length" => Self::ContentLength,
            b"cookie" => Self::HttpCookie,
            b"if-modified-since" => Self::HttpIfModifiedSince,
            b"if-none-match" => Self::HttpIfNoneMatch,
            b"origin" => Self::HttpOrigin,
            b"referer" => Self::HttpReferer,
            b"upgrade-insecure-requests" => Self::HttpUpgradeInsecureRequests,
            b"x-forwarded-for" => Self::HttpXForwardedFor,
            b"x-requested-with" => Self::HttpXRequestedWith,
            _ => return None,
        })
    }
}

/// The environ key of a request header that is not among the known ones; `None` if it
/// has none: names of other characters could be mistaken for another header's key
/// (`X_Y` for `X-Y`), and `Proxy` would become the `HTTP_PROXY` that HTTP clients obey.
pub(super) fn header_key(name: &[u8]) -> Option<String> {
    let plain = !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    if !plain || name.eq_ignore_ascii_case(b"proxy") {
        return None;
    }
    let letters = name.iter().map(|byte| if *byte == b'-' { '_' } else { byte.to_ascii_uppercase() as char });
    Some("HTTP_".chars().chain(letters).collect())
}

/// The known keys as interned strings of one interpreter.
pub(crate) struct Keys(Vec<Py<PyString>>);

impl Keys {
    pub(crate) fn new(py: Python<'_>) -> Self {
        Self(ALL.iter().map(|key| text::interned(py, key.name()).unbind()).collect())
    }

    pub(super) fn get<'py>(&self, py: Python<'py>, key: Key) -> &Bound<'py, PyString> {
        self.0[key as usize].bind(py)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_becomes_a_key_with_prefix() {
        assert_eq!(header_key(b"X-Real-Thing"), Some("HTTP_X_REAL_THING".into()));
    }

    #[test]
    fn a_header_that_could_be_mistaken_for_another_has_no_key() {
        for name in ["X_Real", "X.Real", "", "X Real", "\u{fc}"] {
            assert_eq!(header_key(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn the_proxy_header_never_becomes_http_proxy() {
        assert_eq!(header_key(b"Proxy"), None);
        assert_eq!(header_key(b"pROXY"), None);
        assert_eq!(header_key(b"Proxy-Authorization"), Some("HTTP_PROXY_AUTHORIZATION".into()));
    }

    #[test]
    fn content_headers_have_no_prefix() {
        assert_eq!(Key::of_header(b"Content-Type"), Some(Key::ContentType));
        assert_eq!(Key::of_header(b"CONTENT-LENGTH"), Some(Key::ContentLength));
    }

    #[test]
    fn a_known_header_has_the_key_that_the_rule_gives() {
        for name in
            ["Host", "User-Agent", "Accept", "Cookie", "If-None-Match", "X-Forwarded-For", "Upgrade-Insecure-Requests"]
        {
            let known = Key::of_header(name.as_bytes()).expect("a known header");
            assert_eq!(header_key(name.as_bytes()).as_deref(), known.name().to_str().ok());
        }
    }
}

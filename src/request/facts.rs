//! The variables of a request, as CGI names them, from `request_rec`.

use crate::apache::request::Request;
use crate::config::settings::Settings;
use crate::config::values::HeadToGet;
use crate::request::group::Mount;
use crate::request::proxy::{self, Proxied};
use crate::request::target::Target;
use crate::request::trace;
use crate::wsgi::environ::{Key, Variable};
use crate::wsgi::gateway::RequestFacts;
use core::ffi::c_void;
use core::fmt::Write as _;
use core::ptr::NonNull;

/// How a request is served.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'r> {
    pub(crate) settings: &'r Settings<'r>,
    pub(crate) mount: &'r Mount<'r>,
    /// Empty in httpd's own processes.
    pub(crate) process_group: &'r str,
    pub(crate) target: Target<'r>,
    pub(crate) callable: &'r str,
}

impl<'r> Terms<'r> {
    pub(crate) fn facts(self, request: &'r Request<'r>) -> EmbeddedFacts<'r> {
        EmbeddedFacts { request, terms: self }
    }
}

/// What an environ is made of, for an embedded request.
pub(crate) struct EmbeddedFacts<'r> {
    pub(crate) request: &'r Request<'r>,
    pub(crate) terms: Terms<'r>,
}

/// Takes a variable and its value.
pub(crate) type Visit<'v> = &'v mut dyn FnMut(Variable<'_>, &[u8]);

impl RequestFacts for EmbeddedFacts<'_> {
    fn variables(&self, visit: Visit<'_>) {
        if self.terms.settings.trusted_proxy_headers.is_empty() {
            return self.of_httpd(visit);
        }
        let proxied = self.proxied();
        self.of_httpd(&mut |variable, value| {
            if !proxied.hides(variable) {
                visit(variable, value);
            }
        });
        proxied.variables(visit);
    }

    fn request_start(&self) -> i64 {
        self.request.time()
    }

    fn request_id(&self) -> Option<&[u8]> {
        self.request.log_id()
    }

    fn record(&self) -> Option<NonNull<c_void>> {
        let record = NonNull::new(self.request.as_raw())?;
        self.terms.settings.pass_apache_request.then(|| record.cast())
    }
}

/// A decimal number without an allocation.
struct Decimal {
    digits: [u8; 20],
    start: usize,
}

impl Decimal {
    fn new(mut number: u64) -> Self {
        let mut decimal = Self { digits: [b'0'; 20], start: 20 };
        loop {
            decimal.start -= 1;
            decimal.digits[decimal.start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return decimal;
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}

/// The headers that say how long a body is.
const BODY_HEADERS: [&[u8]; 2] = [b"content-length", b"transfer-encoding"];

/// What an application is told of the server and of the client's address, and scripts that run before it as well.
pub(crate) fn both_ends(request: &Request<'_>, visit: Visit<'_>) {
    visit(Variable::Known(Key::ServerPort), Decimal::new(request.server_port().into()).bytes());
    visit(Variable::Known(Key::ServerAddr), request.local_address());
    visit(Variable::Known(Key::ServerSoftware), request.server().banner());
    if let Some(admin) = request.server().admin() {
        visit(Variable::Known(Key::ServerAdmin), admin);
    }
    visit(Variable::Known(Key::DocumentRoot), request.document_root());
    visit(Variable::Known(Key::RemoteAddr), request.client_address());
    visit(Variable::Known(Key::RemotePort), Decimal::new(request.client_port().into()).bytes());
}

impl<'r> EmbeddedFacts<'r> {
    /// Whether the application is shown the credentials that the client has sent.
    pub(crate) fn passes_authorization(&self) -> bool {
        self.request.cgi_pass_auth() || self.terms.settings.pass_authorization
    }

    /// What httpd knows. SetEnv and its like come first: everything that follows outranks them.
    fn of_httpd(&self, visit: Visit<'_>) {
        self.environment(visit);
        self.headers(visit);
        self.request_line(visit);
        self.server(visit);
        self.client(visit);
        self.redirect(visit);
        self.module(visit);
    }

    /// What the proxies on the way of the request have said of it.
    fn proxied(&self) -> Proxied<'r> {
        let named = |(name, value)| Some((proxy::header_of(Variable::Named(name))?, value));
        let header = |(name, value)| Some((proxy::header_of(Variable::Header(name))?, value));
        let environment = self.request.subprocess_env().iter().filter_map(named);
        let carried = environment.chain(self.request.headers_in().iter().filter_map(header)).collect();
        let Settings { trusted_proxy_headers: listed, trusted_proxies: proxies, .. } = self.terms.settings;
        Proxied::new(self.request.client_address(), listed, proxies, &carried)
    }

    fn environment(&self, visit: Visit<'_>) {
        for (name, value) in self.request.subprocess_env().iter() {
            if name == b"HTTPS" {
                visit(Variable::Known(Key::Https), value);
            } else if name != b"PATH" && !name.starts_with(b"mod_wsgi.x-") {
                visit(Variable::Named(name), value);
            }
        }
        // mod_ssl has put HTTPS among the variables as well, but SetEnv can overwrite it there.
        if self.request.is_over_tls() {
            visit(Variable::Known(Key::Https), b"on");
        }
    }

    fn headers(&self, visit: Visit<'_>) {
        let pass_all = self.request.cgi_pass_auth();
        let has_no_body = self.request.is_error_document();
        for (name, value) in self.request.headers_in().iter() {
            let shown = if has_no_body && BODY_HEADERS.iter().any(|header| name.eq_ignore_ascii_case(header)) {
                false
            } else if name.eq_ignore_ascii_case(b"authorization") {
                self.passes_authorization()
            } else {
                pass_all || !name.eq_ignore_ascii_case(b"proxy-authorization")
            };
            if shown {
                visit(Variable::Header(name), value);
            }
        }
    }

    fn request_line(&self, visit: Visit<'_>) {
        let request = self.request;
        visit(Variable::Known(Key::RequestMethod), self.method());
        visit(Variable::Known(Key::RequestUri), request_uri(request));
        visit(Variable::Known(Key::RequestScheme), request.scheme());
        visit(Variable::Known(Key::ScriptName), &self.terms.mount.script_name);
        visit(Variable::Known(Key::PathInfo), &self.terms.mount.path_info);
        visit(Variable::Known(Key::QueryString), request.query());
        visit(Variable::Known(Key::ServerProtocol), request.protocol());
        visit(Variable::Known(Key::ScriptFilename), self.script_filename());
    }

    /// HEAD may be shown as GET, so that an output filter finds the body it computes headers from.
    fn method(&self) -> &[u8] {
        let method = self.request.method();
        let as_get = method == b"HEAD"
            && match self.terms.settings.map_head_to_get {
                HeadToGet::Always => true,
                HeadToGet::Never => false,
                HeadToGet::Auto => self.request.first_filter_changes_content(),
            };
        if as_get { b"GET" } else { method }
    }

    /// mod_proxy leaves the query in the file name and says so with a note.
    fn script_filename(&self) -> &[u8] {
        let filename = self.request.filename();
        match self.request.notes().get(c"proxy-noquery") {
            Some(_) => filename.split(|byte| *byte == b'?').next().unwrap_or_default(),
            None => filename,
        }
    }

    fn server(&self, visit: Visit<'_>) {
        let request = self.request;
        visit(Variable::Known(Key::ServerName), &html_escaped(request.server_name_for_url()));
        both_ends(request, visit);
        visit(Variable::Known(Key::ContextPrefix), request.context_prefix());
        visit(Variable::Known(Key::ContextDocumentRoot), request.context_document_root());
    }

    fn client(&self, visit: Visit<'_>) {
        let request = self.request;
        if let Some(user) = request.user() {
            visit(Variable::Known(Key::RemoteUser), user);
        } else if let Some(user) = earlier_user(request) {
            visit(Variable::Known(Key::RedirectRemoteUser), user);
        }
        if let Some(scheme) = request.auth_type() {
            visit(Variable::Known(Key::AuthType), scheme);
        }
    }

    fn redirect(&self, visit: Visit<'_>) {
        let Some(previous) = self.request.previous() else { return };
        if self.request.qualify_redirect_url() {
            visit(Variable::Known(Key::RedirectUrl), self.request.qualify_url(previous.uri()));
        } else {
            visit(Variable::Known(Key::RedirectUrl), previous.uri());
        }
        if !previous.query().is_empty() {
            visit(Variable::Known(Key::RedirectQueryString), previous.query());
        }
    }

    fn module(&self, visit: Visit<'_>) {
        let request = self.request;
        visit(Variable::Known(Key::ProcessGroup), self.terms.process_group.as_bytes());
        visit(Variable::Known(Key::HandlerScript), self.terms.target.handler_script());
        visit(Variable::Known(Key::CallableObject), self.terms.callable.as_bytes());
        visit(Variable::Known(Key::RequestHandler), request.handler());
        visit(Variable::Known(Key::OriginalScriptName), &self.terms.mount.script_name);
        visit(Variable::Known(Key::OriginalPathInfo), &self.terms.mount.path_info);
        visit(Variable::Known(Key::ListenerHost), request.listener_host());
        visit(Variable::Known(Key::ListenerPort), Decimal::new(request.local_port().into()).bytes());
        visit(Variable::Known(Key::ServerPid), crate::process::this_process::process_id().as_bytes());
        if let Some(id) = request.log_id() {
            visit(Variable::Known(Key::RequestId), id);
        }
        if let Some(id) = request.connection_log_id() {
            visit(Variable::Known(Key::ConnectionId), id);
        }
        if let Some(ids) = trace::ids(request) {
            visit(Variable::Known(Key::TraceId), ids.trace_id().as_bytes());
            visit(Variable::Known(Key::SpanId), ids.span_id().as_bytes());
        }
    }
}

/// The target as the client sent it, or the current path where `CGIVar` asks for that.
fn request_uri<'r>(request: &Request<'r>) -> &'r [u8] {
    if request.request_uri_is_current() {
        return request.uri();
    }
    request.the_request().split(|byte| *byte == b' ').nth(1).unwrap_or(request.unparsed_uri())
}

/// The user of an earlier request of this chain of internal redirects.
fn earlier_user<'r>(request: &Request<'r>) -> Option<&'r [u8]> {
    let mut previous = request.previous();
    while let Some(request) = previous {
        if let Some(user) = request.user() {
            return Some(user);
        }
        previous = request.previous();
    }
    None
}

/// A server name can come from the Host header, and ends up in pages: CGI escapes it.
fn html_escaped(name: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    if !name.iter().any(|byte| matches!(byte, b'<' | b'>' | b'&' | b'"')) {
        return name.into();
    }
    let mut escaped = String::new();
    for character in String::from_utf8_lossy(name).chars() {
        let _ = match character {
            '<' => escaped.write_str("&lt;"),
            '>' => escaped.write_str("&gt;"),
            '&' => escaped.write_str("&amp;"),
            '"' => escaped.write_str("&quot;"),
            other => escaped.write_char(other),
        };
    }
    escaped.into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_has_no_leading_zeroes() {
        assert_eq!(Decimal::new(0).bytes(), b"0");
        assert_eq!(Decimal::new(8080).bytes(), b"8080");
        assert_eq!(Decimal::new(u64::MAX).bytes(), b"18446744073709551615");
    }

    #[test]
    fn a_name_from_the_client_cannot_bring_markup() {
        assert_eq!(&*html_escaped(b"example.org"), b"example.org");
        assert_eq!(&*html_escaped(b"<b>&"), b"&lt;b&gt;&amp;");
    }
}

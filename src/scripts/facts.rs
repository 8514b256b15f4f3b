//! What a script that lets clients in is told of a request. Less than an application: nothing of `SetEnv`, nothing that
//! proxies say, and no password.

use crate::apache::request::Request;
use crate::request::facts::{Visit, both_ends};
use crate::wsgi::environ::{Key, Variable};
use crate::wsgi::gateway::RequestFacts;
use core::ffi::c_void;
use core::ptr::NonNull;

/// A request before it has an application.
pub(super) struct EarlyFacts<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) application_group: &'a str,
    pub(super) pass_apache_request: bool,
}

impl RequestFacts for EarlyFacts<'_> {
    fn variables(&self, visit: &mut dyn FnMut(Variable<'_>, &[u8])) {
        self.headers(visit);
        self.request_line(visit);
        self.server(visit);
        self.client(visit);
        visit(Variable::Known(Key::ProcessGroup), b"");
        visit(Variable::Known(Key::ApplicationGroup), self.application_group.as_bytes());
    }

    fn request_start(&self) -> i64 {
        self.request.time()
    }

    fn record(&self) -> Option<NonNull<c_void>> {
        let record = NonNull::new(self.request.as_raw())?;
        self.pass_apache_request.then(|| record.cast())
    }
}

impl EarlyFacts<'_> {
    fn headers(&self, visit: Visit<'_>) {
        for (name, value) in self.request.headers_in().iter() {
            if !name.eq_ignore_ascii_case(b"authorization") && !name.eq_ignore_ascii_case(b"proxy-authorization") {
                visit(Variable::Header(name), value);
            }
        }
    }

    fn request_line(&self, visit: Visit<'_>) {
        let request = self.request;
        let uri = request.uri();
        let script_name = uri.strip_suffix(request.path_info()).unwrap_or(uri);
        visit(Variable::Known(Key::RequestMethod), request.method());
        visit(Variable::Known(Key::RequestUri), request.unparsed_uri());
        visit(Variable::Known(Key::ScriptName), script_name);
        visit(Variable::Known(Key::PathInfo), request.path_info());
        visit(Variable::Known(Key::QueryString), request.query());
        visit(Variable::Known(Key::ServerProtocol), request.protocol());
    }

    fn server(&self, visit: Visit<'_>) {
        visit(Variable::Named(b"SERVER_SIGNATURE"), self.request.signature());
        visit(Variable::Known(Key::ServerName), self.request.server_name_for_url());
        both_ends(self.request, visit);
    }

    fn client(&self, visit: Visit<'_>) {
        if let Some(name) = self.request.client_name() {
            visit(Variable::Named(b"REMOTE_HOST"), name);
        }
    }
}

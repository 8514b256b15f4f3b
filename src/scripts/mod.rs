#![forbid(unsafe_code)]
//! Scripts that decide about requests before an application has its say: which clients may come in ([`access`]), whether
//! a password is right ([`authn`]), which groups a user belongs to ([`authz`]), and which application answers
//! ([`dispatch`]).
//!
//! They run in httpd's own processes, also where applications run in daemons. Each is asked through [`question`]. A
//! script that fails lets nobody in; a dispatch script that cannot be loaded leaves everything as it is configured.

pub(crate) mod access;
pub(crate) mod authn;
pub(crate) mod authz;
pub(crate) mod dispatch;
mod facts;
pub(crate) mod preload;
mod question;
mod tls;

use crate::apache::directive::directory_settings;
use crate::apache::request::Request;
use crate::apache::server;
use crate::config::WsgiConfiguration;
use crate::config::control_script::ControlScript;
use crate::config::settings::Settings;
use crate::wsgi::environ::API_LEVEL;
use crate::wsgi::gateway::RequestFacts;
use facts::EarlyFacts;
use pyo3::prelude::*;
use question::{Asked, Failure, Function, Question};

/// What directives say of the request: there need not be an alias yet.
fn settings_of<'r>(request: &Request<'r>) -> Settings<'r> {
    directory_settings::<WsgiConfiguration>(request).copied().unwrap_or_default().resolve()
}

/// Asks a script that lets clients in, which is told `texts` besides the environ. `None` if there is no answer that
/// `understand` knows; that has been logged.
fn ask<R>(
    request: &mut Request<'_>,
    (script, settings): (ControlScript<'_>, &Settings<'_>),
    function: Function,
    texts: &[&[u8]],
    understand: impl FnOnce(&Bound<'_, PyAny>) -> Result<R, Failure>,
) -> Option<R> {
    let question = Question::new(request, script, settings);
    let (application_group, pass_apache_request) = (&*question.application_group, settings.pass_apache_request);
    let with_facts = |request: &Request<'_>, use_facts: &mut dyn FnMut(&dyn RequestFacts)| {
        use_facts(&EarlyFacts { request, application_group, pass_apache_request });
    };
    let answer = question.ask(request, &with_facts, |asked| {
        let broken = |error: PyErr| Failure::raised(asked.py(), &error);
        tell_versions(asked).map_err(broken)?;
        let found = asked.find(function.name)?;
        tls::offer(asked.environ(), asked.exchange()).map_err(broken)?;
        asked.call(&found, texts).and_then(|answer| understand(&answer))
    });
    answer.map_err(|failure| question.log(request, function, failure)).ok()
}

fn tell_versions(asked: &Asked<'_, '_>) -> PyResult<()> {
    asked.environ().set_item("apache.version", server::VERSION)?;
    asked.environ().set_item("mod_wsgi.version", API_LEVEL)
}

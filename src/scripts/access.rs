//! `WSGIAccessScript`: `allow_access(environ, host)` says whether a client may come in.

use super::question::{Failure, Function, type_of};
use crate::apache::directive::directory_settings;
use crate::apache::hook::RequestHook;
use crate::apache::log::Level;
use crate::apache::request::Request;
use crate::apache::status::Status;
use crate::config::WsgiConfiguration;
use crate::config::settings::DirectorySettings;
use crate::request::log_entry::Entry;
use pyo3::prelude::*;
use pyo3::types::PyBool;

const ALLOW_ACCESS: Function = Function { name: "allow_access", missing: "WSGI0056" };

/// The hook that httpd asks which clients may come in.
pub(crate) struct Access;

impl RequestHook for Access {
    fn run(request: &mut Request<'_>) -> Status {
        // Every request of the server comes by.
        let settings = directory_settings::<WsgiConfiguration>(request).filter(|said| said.access_script.is_some());
        let Some(settings) = settings.map(DirectorySettings::resolve) else { return Status::DECLINED };
        let Some(script) = settings.access_script else { return Status::DECLINED };
        let host = request.client_name_or_address();
        match super::ask(request, (script, &settings), ALLOW_ACCESS, &[host], verdict) {
            Some(Some(true)) => Status::OK,
            Some(None) => Status::DECLINED,
            Some(Some(false)) => {
                let text = "WSGI0057: allow_access() does not let this client in".to_owned();
                Entry::of_module(Level::Info, text).write_about(request, script.path.as_bytes());
                Status::FORBIDDEN
            }
            None => Status::FORBIDDEN,
        }
    }
}

/// `None` is no opinion. Only the constants count, so that a slip of the pen lets nobody in.
fn verdict(answer: &Bound<'_, PyAny>) -> Result<Option<bool>, Failure> {
    match answer.cast::<PyBool>() {
        Ok(allowed) => Ok(Some(allowed.is_true())),
        Err(_) if answer.is_none() => Ok(None),
        Err(_) => Err(Failure::Answer("WSGI0055", format!("{}; expected True, False or None", type_of(answer)))),
    }
}

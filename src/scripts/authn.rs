//! `WSGIAuthUserScript`: `check_password(environ, user, password)` for basic authentication, and
//! `get_realm_hash(environ, user, realm)` for digest authentication.

use super::question::{Failure, Function, bytes_of, type_of};
use super::settings_of;
use crate::apache::auth::{Authentication, PasswordProvider};
use crate::apache::log::Level;
use crate::apache::request::Request;
use crate::request::log_entry::Entry;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyString};

/// The provider `wsgi` of `AuthBasicProvider` and `AuthDigestProvider`.
pub(crate) struct UserScript;

impl PasswordProvider for UserScript {
    fn check_password(request: &mut Request<'_>, user: &[u8], password: &[u8]) -> Authentication {
        match ask(request, (CHECK_PASSWORD, "WSGI0041"), &[user, password], verdict) {
            Some(Verdict::Granted) => Authentication::Granted,
            Some(Verdict::GrantedAs(user)) => {
                request.set_user(user.as_bytes());
                Authentication::Granted
            }
            Some(Verdict::Denied) => Authentication::Denied,
            Some(Verdict::Unknown) => Authentication::UserNotFound,
            None => Authentication::Error,
        }
    }

    fn realm_hash(request: &mut Request<'_>, user: &[u8], realm: &[u8]) -> Result<Vec<u8>, Authentication> {
        match ask(request, (GET_REALM_HASH, "WSGI0044"), &[user, realm], hash) {
            Some(Some(hash)) => Ok(hash),
            Some(None) => Err(Authentication::UserNotFound),
            None => Err(Authentication::Error),
        }
    }
}

const CHECK_PASSWORD: Function = Function { name: "check_password", missing: "WSGI0043" };
const GET_REALM_HASH: Function = Function { name: "get_realm_hash", missing: "WSGI0046" };

/// `None` if there is no answer, which has been logged; with the code `unset` if there is nobody to ask.
fn ask<R>(
    request: &mut Request<'_>,
    (function, unset): (Function, &str),
    texts: &[&[u8]],
    understand: impl FnOnce(&Bound<'_, PyAny>) -> Result<R, Failure>,
) -> Option<R> {
    let settings = settings_of(request);
    let Some(script) = settings.auth_user_script else {
        let text = format!("{unset}: the provider 'wsgi' is to be asked, and WSGIAuthUserScript is not set here");
        Entry::of_module(Level::Error, text).write(request);
        return None;
    };
    super::ask(request, (script, &settings), function, texts, understand)
}

enum Verdict {
    Granted,
    /// ... under another name.
    GrantedAs(String),
    Denied,
    Unknown,
}

fn verdict(answer: &Bound<'_, PyAny>) -> Result<Verdict, Failure> {
    if let Ok(granted) = answer.cast::<PyBool>() {
        return Ok(if granted.is_true() { Verdict::Granted } else { Verdict::Denied });
    }
    if answer.is_none() {
        return Ok(Verdict::Unknown);
    }
    let Ok(user) = answer.cast::<PyString>() else {
        let text = format!("{}; expected True, False, None or the name of the user", type_of(answer));
        return Err(Failure::Answer("WSGI0177", text));
    };
    match user.to_str() {
        Ok("") => Err(Failure::Answer("WSGI0176", "an empty name of the user".into())),
        // httpd would see another name: what stands before it.
        Ok(user) if user.contains('\0') => {
            Err(Failure::Answer("WSGI0177", "a name of the user with a null character".into()))
        }
        Ok(user) => Ok(Verdict::GrantedAs(user.to_owned())),
        Err(error) => Err(Failure::raised(answer.py(), &error)),
    }
}

fn hash(answer: &Bound<'_, PyAny>) -> Result<Option<Vec<u8>>, Failure> {
    if answer.is_none() {
        return Ok(None);
    }
    match bytes_of(answer) {
        Some(hash) if hash.is_empty() => Err(Failure::Answer("WSGI0178", "an empty hash".into())),
        Some(hash) => Ok(Some(hash)),
        None => {
            let text = format!("{}; expected the hash as str or bytes, or None", type_of(answer));
            Err(Failure::Answer("WSGI0179", text))
        }
    }
}

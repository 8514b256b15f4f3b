//! `WSGIAuthGroupScript`: `groups_for_user(environ, user)` says for `Require wsgi-group` which groups a user belongs to.

use super::question::{Failure, Function, bytes_of, type_of};
use super::settings_of;
use crate::apache::arguments;
use crate::apache::auth::{Authorisation, RequireProvider};
use crate::apache::log::Level;
use crate::apache::request::Request;
use crate::request::log_entry::Entry;
use pyo3::prelude::*;
use pyo3::types::PyString;

const GROUPS_FOR_USER: Function = Function { name: "groups_for_user", missing: "WSGI0052" };

/// The provider `wsgi-group` of `Require`.
pub(crate) struct GroupScript;

impl RequireProvider for GroupScript {
    fn check(request: &mut Request<'_>, line: &[u8]) -> Authorisation {
        let Some(user) = request.user() else { return Authorisation::NoUser };
        let settings = settings_of(request);
        let Some(script) = settings.auth_group_script else {
            let text = "WSGI0058: 'Require wsgi-group' is to be checked, and WSGIAuthGroupScript is not set here";
            Entry::of_module(Level::Error, text.to_owned()).write(request);
            return Authorisation::Denied;
        };
        let groups = super::ask(request, (script, &settings), GROUPS_FOR_USER, &[user], names);
        let Some(groups) = groups else { return Authorisation::Denied };
        if is_member(&groups, line) {
            return Authorisation::Granted;
        }
        let text = if groups.is_empty() {
            "WSGI0059: the user belongs to no group"
        } else {
            "WSGI0060: the user belongs to none of the groups that are required"
        };
        Entry::of_module(Level::Info, text.to_owned()).write_about(request, script.path.as_bytes());
        Authorisation::Denied
    }
}

/// Groups that were named before an exception do not count: the answer is not complete.
fn names(answer: &Bound<'_, PyAny>) -> Result<Vec<Vec<u8>>, Failure> {
    let items = answer.try_iter().map_err(|_| {
        Failure::Answer("WSGI0051", format!("{}; expected names of groups, to iterate over", type_of(answer)))
    })?;
    let mut names = Vec::new();
    for item in items {
        let item = item.map_err(|error| Failure::raised(answer.py(), &error))?;
        let code = if item.is_instance_of::<PyString>() { "WSGI0049" } else { "WSGI0050" };
        let name = bytes_of(&item).ok_or_else(|| {
            let text = format!("{} among its groups; expected str (latin-1) or bytes", type_of(&item));
            Failure::Answer(code, text)
        })?;
        names.push(name);
    }
    Ok(names)
}

/// Whether one of the groups is among the words of `line`. Letter case does not count.
fn is_member(groups: &[Vec<u8>], line: &[u8]) -> bool {
    let required = arguments::split(line).unwrap_or_default();
    required.iter().any(|name| groups.iter().any(|group| group.eq_ignore_ascii_case(name)))
}

#[cfg(test)]
mod tests {
    use super::is_member;

    #[test]
    fn one_of_the_required_groups_is_enough() {
        let groups = [b"Staff".to_vec(), b"web team".to_vec()];
        for (line, expected) in
            [("admin staff", true), ("\"web team\"", true), ("web team", false), ("admin", false), ("", false)]
        {
            assert_eq!(is_member(&groups, line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn a_line_that_makes_no_sense_lets_nobody_in() {
        assert!(!is_member(&[b"staff".to_vec()], b"staff \"open"));
    }
}

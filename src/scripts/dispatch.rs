//! `WSGIDispatchScript`: functions that choose process group, application group and callable for each request.

use super::question::{Failure, Function, Question, type_of};
use crate::apache::request::Request;
use crate::config::group_name::{CallableName, GroupName};
use crate::config::settings::Settings;
use crate::python::text;
use crate::request::facts::{EmbeddedFacts, Terms};
use crate::request::fault::Fault;
use crate::request::group::Mount;
use crate::request::target::Target;
use crate::wsgi::environ::{Key, Variable};
use crate::wsgi::gateway::RequestFacts;
use core::cell::Cell;
use core::ffi::c_void;
use core::ptr::NonNull;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// The functions, in the order in which they are called.
const FUNCTIONS: [&str; 3] = ["process_group", "application_group", "callable_object"];

/// Changes what `settings` say of the groups and the callable, as the script wants it.
///
/// # Errors
/// A function of it raised, or returned what is no name: that has been logged.
pub(crate) fn choose<'r>(
    request: &mut Request<'r>,
    mount: &Mount<'_>,
    target: Target<'_>,
    settings: &mut Settings<'r>,
) -> Result<(), Fault> {
    let Some(script) = settings.dispatch_script else { return Ok(()) };
    let question = Question::new(request, script, settings);
    let (configured, application_group) = (&*settings, &*question.application_group);
    let with_facts = |request: &Request<'_>, use_facts: &mut dyn FnMut(&dyn RequestFacts)| {
        let terms = Terms { settings: configured, mount, process_group: "", target, callable: "" };
        use_facts(&DispatchFacts { of_application: terms.facts(request), application_group });
    };
    let current = Cell::new(FUNCTIONS[0]);
    let chosen = question.ask(request, &with_facts, |asked| {
        let mut chosen = Chosen::default();
        for (name, place) in FUNCTIONS.into_iter().zip(&mut chosen.0) {
            current.set(name);
            match asked.find(name) {
                Ok(function) => *place = Some(name_of(&asked.call(&function, &[])?)?),
                Err(Failure::Missing) => {}
                Err(failure) => return Err(failure),
            }
        }
        if chosen.0.iter().all(Option::is_none) { Err(Failure::Missing) } else { Ok(chosen) }
    });
    match chosen {
        Ok(chosen) => chosen.apply(request, settings),
        // A script that is not there changes nothing.
        Err(failure @ (Failure::Fault(_) | Failure::Missing)) => {
            question.log(request, named("process_group', 'application_group' or 'callable_object"), failure)
        }
        Err(failure) => {
            question.log(request, named(current.get()), failure);
            return Err(Fault::Dispatch);
        }
    }
    Ok(())
}

/// For the log: a script may have any of its functions, and is of no use without all of them.
fn named(name: &'static str) -> Function {
    Function { name, missing: "WSGI1063" }
}

/// What the functions returned: `None` for one that is not there, and in it for one that has no opinion.
#[derive(Default)]
struct Chosen([Option<Option<String>>; 3]);

impl Chosen {
    fn apply<'r>(self, request: &Request<'r>, settings: &mut Settings<'r>) {
        let [process_group, application_group, callable] =
            self.0.map(|name| name.flatten().map(|name| request.pool().text(&name)));
        if let Some(name) = process_group {
            settings.process_group = GroupName::parse(name);
        }
        if let Some(name) = application_group {
            settings.application_group = GroupName::parse(name);
        }
        if let Some(name) = callable {
            settings.callable_object = CallableName::parse(name);
        }
    }
}

/// The name that a function returned; `None` if it leaves things as they are.
fn name_of(answer: &Bound<'_, PyAny>) -> Result<Option<String>, Failure> {
    if answer.is_none() {
        return Ok(None);
    }
    if let Ok(name) = answer.cast::<PyBytes>() {
        return Ok(Some(String::from_utf8_lossy(name.as_bytes()).into_owned()));
    }
    let name = answer.cast::<PyString>().ok().filter(|name| text::latin1_bytes(name).is_ok());
    match name.and_then(|name| name.to_str().ok()) {
        Some(name) => Ok(Some(name.to_owned())),
        None => {
            let text = format!("{}; expected str (latin-1), bytes or None", type_of(answer));
            Err(Failure::Answer("WSGI1064", text))
        }
    }
}

/// What the application would be told, as far as it is known.
struct DispatchFacts<'a> {
    of_application: EmbeddedFacts<'a>,
    application_group: &'a str,
}

impl RequestFacts for DispatchFacts<'_> {
    fn variables(&self, visit: &mut dyn FnMut(Variable<'_>, &[u8])) {
        self.of_application.variables(&mut |variable, value| {
            if variable != Variable::Known(Key::CallableObject) {
                visit(variable, value);
            }
        });
        visit(Variable::Known(Key::ApplicationGroup), self.application_group.as_bytes());
    }

    fn request_start(&self) -> i64 {
        self.of_application.request_start()
    }

    fn record(&self) -> Option<NonNull<c_void>> {
        self.of_application.record()
    }
}

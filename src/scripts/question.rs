//! A question to a script: its interpreter and function are found, it is called, and what goes wrong is logged once.

use crate::apache::boundary::caught;
use crate::apache::log::Level;
use crate::apache::request::Request;
use crate::config::control_script::ControlScript;
use crate::config::settings::Settings;
use crate::process::script_path;
use crate::python::interpreter;
use crate::python::script::{Event, Known, Reloading};
use crate::python::{Attached, text, traceback};
use crate::request::call;
use crate::request::exchange::ScriptExchange;
use crate::request::fault::Fault;
use crate::request::group;
use crate::request::log_entry::Entry;
use crate::wsgi::application::ErrorsStream;
use crate::wsgi::environ::{lend_record, of_variables};
use crate::wsgi::gateway::{ExchangeLease, RequestFacts};
use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};
use std::rc::Rc;

/// A function that answers.
#[derive(Clone, Copy)]
pub(super) struct Function {
    pub(super) name: &'static str,
    /// The code that says in the log that the script has no such function.
    pub(super) missing: &'static str,
}

/// One question about a request.
pub(super) struct Question<'r> {
    pub(super) script: ControlScript<'r>,
    pub(super) reloading: bool,
    /// The interpreter of the script.
    pub(super) application_group: String,
    origin: interpreter::Origin,
}

/// Why a question has no answer that makes sense.
pub(super) enum Failure {
    /// The script cannot be asked: what a request to an application would be told as well.
    Fault(Fault),
    /// It has no such function.
    Missing,
    /// The function let an exception through: its class, whether that is SystemExit, and the traceback.
    Raised { class: String, is_exit: bool, traceback: Vec<String> },
    /// The answer is none: a code, and what it should have been.
    Answer(&'static str, String),
}

/// What a question is answered with.
pub(super) struct Asked<'a, 'py> {
    question: &'a Question<'a>,
    attached: &'a Attached<'py>,
    environ: Bound<'py, PyDict>,
    /// The file of the request.
    resource: &'a [u8],
    exchange: &'a ExchangeLease,
}

impl<'py> Asked<'_, 'py> {
    pub(super) fn py(&self) -> Python<'py> {
        self.attached.py
    }

    pub(super) fn environ(&self) -> &Bound<'py, PyDict> {
        &self.environ
    }

    /// The request, as long as the question is asked.
    pub(super) fn exchange(&self) -> &ExchangeLease {
        self.exchange
    }

    /// The function of that name, from the script, which is loaded or reloaded if need be.
    ///
    /// # Errors
    /// The script does not load, or has no such function.
    pub(super) fn find(&self, name: &str) -> Result<Rc<Known>, Failure> {
        let Question { script, reloading, .. } = self.question;
        let path = script.path.as_bytes();
        let reloading = if *reloading { Reloading::Here } else { Reloading::Off };
        let script = script_path::script(path, script_path::modified(path), self.resource, reloading, name);
        let announce = |event: Event<'_>| {
            let name = self.attached.interpreter.name();
            self.exchange.look(self.py(), |exchange| exchange.log().announce(name, &event));
        };
        call::function(self.attached, &script, &announce)
            .map_err(|fault| if fault.is_missing_callable() { Failure::Missing } else { Failure::Fault(fault) })
    }

    /// What `function` says to the environ, and to bytes of the client behind it (as `str`, by latin-1).
    ///
    /// # Errors
    /// It raised.
    pub(super) fn call(&self, function: &Known, texts: &[&[u8]]) -> Result<Bound<'py, PyAny>, Failure> {
        let py = self.py();
        let texts = texts.iter().map(|bytes| text::latin1(py, bytes).into_any());
        let arguments = core::iter::once(self.environ.clone().into_any()).chain(texts).collect::<Vec<_>>();
        let result = PyTuple::new(py, arguments).and_then(|arguments| function.application(py).call1(arguments));
        result.map_err(|error| Failure::raised(py, &error))
    }
}

impl Failure {
    pub(super) fn raised(py: Python<'_>, error: &PyErr) -> Self {
        Self::Raised {
            class: traceback::class_name(py, error),
            is_exit: error.is_instance_of::<PySystemExit>(py),
            traceback: traceback::lines(py, error),
        }
    }

    fn entry(self, Function { name, missing }: Function) -> Entry {
        match self {
            Self::Fault(fault) => fault.report().1,
            Self::Missing => Entry::of_module(Level::Error, format!("{missing}: the script has no '{name}'")),
            Self::Raised { class, is_exit, traceback } => {
                let code = if is_exit { "WSGI0175" } else { "WSGI0174" };
                let text = format!("{code}: {name}() raised {class}");
                Entry { details: traceback, ..Entry::of_module(Level::Error, text) }
            }
            Self::Answer(code, text) => Entry::of_module(Level::Error, format!("{code}: {name}() returned {text}")),
        }
    }
}

/// How an object is named in a message about it.
pub(super) fn type_of(object: &Bound<'_, PyAny>) -> String {
    object.get_type().name().map_or_else(|_| "an object".into(), |name| name.to_string())
}

/// The bytes of `bytes`, or of `str` by latin-1; `None` of anything else.
pub(super) fn bytes_of(object: &Bound<'_, PyAny>) -> Option<Vec<u8>> {
    match object.cast::<PyBytes>() {
        Ok(bytes) => Some(bytes.as_bytes().to_vec()),
        Err(_) => text::latin1_bytes(object.cast::<PyString>().ok()?).ok().map(<[u8]>::to_vec),
    }
}

/// Calls a function with what a script is told of a request.
pub(super) type WithFacts<'a> = &'a dyn Fn(&Request<'_>, &mut dyn FnMut(&dyn RequestFacts));

impl<'r> Question<'r> {
    pub(super) fn new(request: &Request<'_>, script: ControlScript<'r>, settings: &Settings<'_>) -> Self {
        let (application_group, origin) = group::of_control_script(request, script.application_group);
        Self { script, reloading: settings.script_reloading, application_group, origin }
    }

    /// Asks about `request`, with an environ of facts.
    ///
    /// # Errors
    /// See [`Failure`].
    pub(super) fn ask<R>(
        &self,
        request: &mut Request<'_>,
        with_facts: WithFacts<'_>,
        answer: impl FnOnce(&Asked<'_, '_>) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        let fault = |error| Failure::Fault(Fault::of_interpreter(error));
        let interpreter = interpreter::named(&self.application_group, self.origin).map_err(fault)?;
        let asked = caught(|| interpreter.run(|attached| self.ask_attached(attached, request, with_facts, answer)));
        asked.unwrap_or_else(|panic| Err(Failure::Fault(Fault::of_panic(panic))))
    }

    /// Logs what is wrong with a function of this script.
    pub(super) fn log(&self, request: &Request<'_>, function: Function, failure: Failure) {
        failure.entry(function).write_about(request, self.script.path.as_bytes());
    }

    fn ask_attached<R>(
        &self,
        attached: &Attached<'_>,
        request: &mut Request<'_>,
        with_facts: WithFacts<'_>,
        answer: impl FnOnce(&Asked<'_, '_>) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        let py = attached.py;
        let broken = |error: PyErr| Failure::raised(py, &error);
        let wsgi = call::wsgi(attached).map_err(Failure::Fault)?;
        let stream = ErrorsStream::new(py, wsgi).map_err(broken)?;
        let lease = stream.next_lease();
        let mut made = Err(Failure::Missing);
        with_facts(request, &mut |facts| {
            let environ = of_variables(wsgi, facts, stream.stream(py));
            let with_record = environ.and_then(|environ| Ok((lend_record(wsgi, facts, &environ)?, environ)));
            made = with_record.map_err(broken);
        });
        let (_record, environ) = made?;
        let resource = request.filename();
        let mut exchange = ScriptExchange::new(request, self.script.path.as_bytes());
        let asked = Asked { question: self, attached, environ, resource, exchange: &lease };
        stream.lend(py, &lease, &mut exchange, || answer(&asked))
    }
}

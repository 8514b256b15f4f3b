//! Extension modules that work in the main interpreter only: what the log says when one is imported elsewhere.
//!
//! `traceback` adds the line to the report of an exception. Python's own words name no cure that an operator could find
//! in the configuration.

use super::interpreter;
use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;

/// Words of exceptions that mean it, in lower case, and who uses them.
const IN_IMPORT_ERRORS: [&str; 4] = [
    "subinterpreter",                          // CPython; PyO3
    "sub-interpreter",                         // others
    "load module more than once per process",  // NumPy
    "loaded into one interpreter per process", // Cython
];

/// CPython's sentence, which other exceptions may quote.
const OF_PYTHON: &str = "does not support loading in subinterpreters";

/// A chain of exceptions has no end that it must have.
const LOOKED_AT_AT_MOST: usize = 64;

/// The line about an exception that came of an import in a sub-interpreter, here.
pub(super) fn advice(error: &Bound<'_, PyAny>) -> Option<String> {
    // SAFETY: ATTACHED: whoever has `error` is.
    let current = unsafe { ffi::PyInterpreterState_Get() };
    let interpreter = interpreter::all().into_iter().find(|interpreter| interpreter.as_raw() == current)?;
    if interpreter.is_main() || !is_in_chain(error) {
        return None;
    }
    Some(format!(
        "WSGI1141: an extension module does not work in application group '{}', a sub-interpreter; WSGIApplicationGroup \
         %{{GLOBAL}} runs the application in the main interpreter, where it does",
        interpreter.name()
    ))
}

/// Whether one of the exceptions that led to this one, or that it is a group of, says so.
fn is_in_chain(error: &Bound<'_, PyAny>) -> bool {
    let mut waiting = vec![error.clone()];
    let mut seen = Vec::new();
    while let Some(error) = waiting.pop() {
        if seen.len() >= LOOKED_AT_AT_MOST || seen.iter().any(|other: &Bound<'_, PyAny>| other.is(&error)) {
            continue;
        }
        if says_so(&error) {
            return true;
        }
        for attribute in ["__cause__", "__context__"] {
            waiting.extend(error.getattr(attribute).ok().filter(|error| !error.is_none()));
        }
        let members = error.getattr("exceptions").and_then(|members| members.extract::<Vec<Bound<'_, PyAny>>>());
        waiting.extend(members.unwrap_or_default());
        seen.push(error);
    }
    false
}

fn says_so(error: &Bound<'_, PyAny>) -> bool {
    let Ok(text) = error.str().map(|text| text.to_string_lossy().to_lowercase()) else { return false };
    text.contains(OF_PYTHON)
        || error.is_instance_of::<PyImportError>() && IN_IMPORT_ERRORS.iter().any(|words| text.contains(words))
}

//! PEP 3333, one rule per test. Read in the order of its text: `iteration` and `close`
//! (Specification Details), `environ`, `input`, `errors` (environ Variables, Input and
//! Error Streams), `start_response`, `content_length`, `write` (The start_response()
//! Callable), `file_wrapper` (Optional Platform-Specific File Handling); then `validator`.
//! `scaling` is not of the PEP: it measures.

mod close;
mod content_length;
mod environ;
mod errors;
mod file_wrapper;
mod input;
mod iteration;
mod scaling;
mod start_response;
mod validator;
mod write;

use super::testing;
use crate::python::config::FREE_THREADED_BUILD;

#[test]
fn these_tests_run_without_the_gil_where_the_build_can() {
    let expected = if FREE_THREADED_BUILD { "False" } else { "True" };
    testing::holds(&format!("assert getattr(__import__('sys'), '_is_gil_enabled', lambda: True)() is {expected}"));
}

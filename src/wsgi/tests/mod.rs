//! PEP 3333, one rule per test, in the order of its "Specification Details".

mod close;
mod content_length;
mod environ;
mod errors;
mod file_wrapper;
mod input;
mod iteration;
mod start_response;
mod validator;
mod write;

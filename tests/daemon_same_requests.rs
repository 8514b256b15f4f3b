//! What requests and applications may rely on holds for a process group as it does for httpd's own processes: these are
//! the tests of embedded mode once more. `support` gives each server of this file a group, and names the few differences.

#![allow(clippy::duplicate_mod, reason = "each of these files brings the harness along")]

#[path = "clients.rs"]
mod clients;
#[path = "environ.rs"]
mod environ;
#[path = "errors_stream.rs"]
mod errors_stream;
#[path = "examples.rs"]
mod examples;
#[path = "failures.rs"]
mod failures;
#[path = "file_wrapper.rs"]
mod file_wrapper;
#[path = "handler_scripts.rs"]
mod handler_scripts;
#[path = "head_and_no_body.rs"]
mod head_and_no_body;
#[path = "http2.rs"]
mod http2;
#[path = "input.rs"]
mod input;
#[path = "iteration.rs"]
mod iteration;
#[path = "log_handler.rs"]
mod log_handler;
#[path = "start_response.rs"]
mod start_response;
#[path = "tls.rs"]
mod tls;
#[path = "trusted_proxies.rs"]
mod trusted_proxies;
#[path = "validator.rs"]
mod validator;
#[path = "write.rs"]
mod write;

//! What requests and applications may rely on holds for a process group as it does for httpd's own processes: these are
//! the tests of embedded mode once more. `support` gives each server of this file a group, and names the few differences.

#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

#[allow(dead_code, unused_imports, reason = "some of it is for tests that are not run again")]
mod support;

mod clients;
mod environ;
mod error_documents;
mod errors_stream;
mod examples;
mod failures;
mod file_wrapper;
mod handler_scripts;
mod head_and_no_body;
mod http2;
mod input;
mod iteration;
mod log_format;
mod log_handler;
mod other_modules;
mod redirects;
mod responses;
mod start_response;
mod tls;
mod trace_context;
mod trusted_proxies;
mod validator;
mod write;

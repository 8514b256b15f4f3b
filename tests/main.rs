//! The module in a real httpd: a file for each feature. Run again for process groups, see `daemon_same_requests.rs`.
//!
//! One program, not one for each file: it is built in half the time.

#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

mod support;

mod accepted;
mod architecture;
mod audit;
mod children;
mod client_names;
mod clients;
mod configuration;
mod control_scripts;
mod daemon;
mod daemon_configuration;
mod daemon_duplex;
mod daemon_events;
mod daemon_faults;
mod daemon_flow;
mod daemon_garbage;
mod daemon_hostile;
mod daemon_identity;
mod daemon_limits;
mod daemon_replacing;
mod daemon_requests;
mod daemon_restarts;
mod daemon_routing;
mod daemon_server_metrics;
mod daemon_service;
mod daemon_supervisor;
mod documents;
mod environ;
mod error_documents;
mod errors_stream;
mod events;
mod examples;
mod extensions;
mod failures;
mod file_wrapper;
mod gil_modes;
mod handler_scripts;
mod head_and_no_body;
mod health;
mod hello;
mod http2;
mod import_scripts;
mod input;
mod interpreter_options;
mod interpreters;
mod iteration;
mod locale;
mod log_handler;
mod metrics;
mod mpms;
mod other_modules;
mod redirects;
mod reference;
mod reloading;
mod request_rec;
mod responses;
mod restarts;
mod restrictions;
mod script_alias;
mod server_metrics;
mod settings;
mod shared_request;
mod slow_requests;
mod start_response;
mod start_up;
mod status;
mod tls;
mod trace_context;
mod trusted_proxies;
mod validator;
mod write;

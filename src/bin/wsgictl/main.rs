#![forbid(unsafe_code)]
//! `wsgictl`: asks a running httpd what its WSGI processes do, and has them replaced, drained, looked into.
//!
//! Administrators call it. It connects to the control socket (`WSGIControlSocket`) that the supervisor of the process groups
//! serves, sends one line of JSON and reads one. It loads no Python and none of the module, and never writes to the
//! server's files.

mod arguments;
mod connection;
mod output;
mod profile;
mod status;
mod table;

use arguments::{Command, Invocation};
use connection::Failure;
use core::time::Duration;
use serde_json::{Value, json};
use std::process::ExitCode;

/// The server has not done what it was asked for.
const FAILED: u8 = 1;
/// The command line makes no sense, or there is no server to ask.
const UNUSABLE: u8 = 2;

/// How long an answer may take that is not a matter of requests that finish.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let invocation = match arguments::parse(std::env::args_os()) {
        Ok(invocation) => invocation,
        Err(why) => {
            output::complain(&format!("{why} (wsgictl --help tells what there is)"));
            return UNUSABLE.into();
        }
    };
    match run(&invocation) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Refused(why)) => {
            output::complain(&why);
            FAILED.into()
        }
        Err(Failure::Unreachable(why)) => {
            output::complain(&why);
            UNUSABLE.into()
        }
    }
}

fn run(invocation: &Invocation) -> Result<(), Failure> {
    let ask = |question: Value, patience| connection::ask(invocation.socket.as_deref(), &question, patience);
    let soon = |question| ask(question, Some(PATIENCE));
    match &invocation.command {
        Command::Help => output::print(arguments::HELP),
        Command::Version => output::print(concat!("wsgictl ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::Status { watch: Some(interval), .. } => status::watch(*interval, || soon(json!({"verb": "status"}))),
        Command::Status { json, .. } => {
            let answer = soon(json!({"verb": "status"}))?;
            if *json { output::print_json(&answer["status"]) } else { output::print(&status::text(&answer["status"])) }
        }
        Command::Requests { json } => {
            let answer = soon(json!({"verb": "status"}))?;
            let requests = &answer["status"]["requests"];
            if *json { output::print_json(requests) } else { output::print(&status::requests(requests)) }
        }
        Command::Reload { group } => ask(json!({"verb": "reload", "group": group}), None).and_then(|answer| {
            let number = |name: &str| answer[name].as_u64().unwrap_or(0);
            let (replaced, finishing) = (number("replaced"), number("finishing"));
            let rest = if finishing == 0 { String::new() } else { format!(", {finishing} still finish requests") };
            output::print(&format!("replaced {replaced} {}{rest}\n", output::plural(replaced, "process", "processes")))
        }),
        Command::Drain { stop } => soon(json!({"verb": "drain", "stop": stop})).and_then(|answer| {
            output::print(&match answer["stops_after_seconds"].as_f64() {
                Some(seconds) => format!("draining; httpd stops in {seconds} s\n"),
                None => "draining: /ready of wsgi-health answers 503, requests are served on\n".to_owned(),
            })
        }),
        Command::Undrain => soon(json!({"verb": "undrain"})).and_then(|_| output::print("not draining any more\n")),
        Command::Stack { target } => {
            soon(json!({"verb": "stack", "target": target})).and_then(|answer| output::print_answers(&answer))
        }
        Command::Kill { request } => {
            soon(json!({"verb": "kill", "request": request})).and_then(|answer| output::print_answers(&answer))
        }
        Command::Gc { target } => {
            soon(json!({"verb": "gc", "target": target})).and_then(|answer| output::print_answers(&answer))
        }
        Command::LogLevel { level } => soon(json!({"verb": "loglevel", "level": level}))
            .and_then(|_| output::print(&format!("log level {level} until the next restart\n"))),
        Command::Profile { target, seconds } => {
            soon(json!({"verb": "processes", "target": target})).and_then(|answer| profile::run(&answer, *seconds))
        }
    }
}

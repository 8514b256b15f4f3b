//! mod_wsgi: an Apache httpd module that embeds CPython and serves WSGI
//! applications, made for free-threaded Python.
//!
//! # The way of a request
//!
//! One step is one file, and leads to the next:
//!
//! 1. `apache/hook`: httpd calls; panics stop here; the raw pointer becomes a `Request`.
//! 2. `module/translate`: a script alias turns the URL into a file, if one matches.
//! 3. `module/handler`: is it ours, and which script answers (`module/target`)? Checks of script and body, then:
//! 4. `config/settings`: what the sections have said is resolved; no default is left to decide.
//! 5. `module/group`: the application group, which is the name of an interpreter.
//! 6. `python/interpreter` and `python/thread_state`: the interpreter is found, the thread attaches.
//! 7. `python/script`: the application, loaded once, loaded again when the file has changed.
//! 8. `wsgi/environ`: the dictionary, from the variables of `module/facts` (and `module/proxy`,
//!    where a reverse proxy is trusted).
//! 9. `wsgi/application`: the call; `wsgi/start_response` takes status and headers,
//!    `wsgi/input` reads the body on demand through `module/body`. `wsgi/request_events` tells those who have subscribed,
//!    and `wsgi/presence` keeps what belongs to the request. What it took is entered in `metrics`, where that is asked for.
//! 10. `wsgi/iteration`: the result goes to `module/response`, and `close()` is called.
//! 11. `module/handler`: the thread is detached, the response is ended (or cut, where it is not
//!     whole), and `module/fault` has written what went wrong, once.
//!
//! Where a process group is to serve the request (`WSGIDaemonProcess`), steps 5 to 10 happen in one of its processes:
//! after step 4 `daemon/dispatch` takes the request there, and `daemon/relay` brings the response back. `daemon` says how.
//!
//! Before step 3 `scripts` may have decided that the client does not come in; before step 5 it may choose the application.
//!
//! `module/counting` counts each request from step 3 on, in memory that all processes of httpd share (`observe`), and
//! `module/status` and `module/health` answer from there, without Python.
//!
//! A child process starts Python in `module/child` (through `python/config`, `wsgi`, `api`) and
//! ends it in `python/finish`; a daemon does both in `daemon/process`.
//!
//! # Who may know whom
//!
//! `module`, `daemon` and `scripts` know all. `config` knows `apache`, which knows `ffi`. `python` knows no httpd,
//! `apache` no Python. `wsgi` knows neither httpd nor sockets: it is written against the traits
//! in `wsgi/gateway`, which `module` implements over httpd and `daemon` over a connection. `unix`,
//! `metrics` and `observe` know none of them. What `unsafe` relies on stands in `SAFETY.md`.

mod apache;
mod api;
mod config;
mod daemon;
mod ffi;
mod metrics;
mod module;
mod observe;
mod python;
mod scripts;
mod unix;
mod wsgi;

#[doc = include_str!("SAFETY.md")]
pub mod safety {}

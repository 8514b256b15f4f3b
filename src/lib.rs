//! mod_wsgi: an Apache httpd module that embeds CPython and serves WSGI
//! applications, made for free-threaded Python.
//!
//! # The way of a request
//!
//! One step is one file, and leads to the next:
//!
//! 1. `apache/hook`: httpd calls; panics stop here; the raw pointer becomes a `Request`.
//! 2. `request/translate`: a script alias turns the URL into a file, if one matches.
//! 3. `module/handler`: is it ours, and which script answers (`request/target`)? Checks of script and body, then:
//! 4. `config/settings`: what the sections have said is resolved; no default is left to decide.
//! 5. `request/group`: the application group, which is the name of an interpreter.
//! 6. `python/interpreter` and `python/thread_state`: the interpreter is found, the thread attaches.
//! 7. `python/script`: the application, loaded once, loaded again when the file has changed.
//! 8. `wsgi/environ`: the dictionary, from the variables of `request/facts` (and `request/proxy`,
//!    where a reverse proxy is trusted).
//! 9. `wsgi/application`: the call; `wsgi/start_response` takes status and headers,
//!    `wsgi/input` reads the body on demand through `request/body`. `events` observes it: `events/request` tells those who
//!    have subscribed, and `events/running` keeps what belongs to the request. What it took is entered in `metrics`, where
//!    that is asked for.
//! 10. `wsgi/iteration`: the result goes to `request/response`, and `close()` is called.
//! 11. `module/handler`: the thread is detached, the response is ended (or cut, where it is not
//!     whole), and `request/fault` has written what went wrong, once.
//!
//! Where a process group is to serve the request (`WSGIDaemonProcess`), steps 5 to 10 happen in one of its processes:
//! after step 4 `daemon/child/dispatch` takes the request there, and `daemon/child/relay` brings the response back. `daemon` says how.
//!
//! Before step 3 `scripts` may have decided that the client does not come in; before step 5 it may choose the application.
//!
//! `request/counting` counts each request from step 3 on, in memory that all processes of httpd share (`observe`), and
//! `module/status` and `module/health` answer from there, without Python.
//!
//! A child process starts Python in `module/child` (through `python/config`, `wsgi`, `api`) and
//! ends it in `python/finish`; a daemon does both in `daemon/process/start`.
//!
//! # Layers
//!
//! Each directory names only those below it, and `tests/architecture.rs` holds that by this list:
//!
//! ```text
//! module          the record that httpd loads, the hooks, the handler, the pages for operators
//! daemon/parent   what runs in the supervisor of daemon processes
//! daemon/child    what runs in httpd's child processes: a request goes to a daemon process and comes back
//! daemon/process  what runs in a daemon process
//! daemon          the process groups of one reading of the configuration, which all three know
//! scripts         scripts beside the application: access, authentication, dispatch, and what is loaded beforehand
//! request         a request in httpd, from its URL to the end of its answer
//! process         this process, and how its interpreters are set up
//! api             what Python sees: the modules mod_wsgi and apache, events, metrics, logging
//! events          what is told of requests and of the process: subscribers, the requests that run, what is recorded
//! wire            what child processes, daemon processes and the supervisor say to each other
//! observe         what operators see of requests and processes, in shared memory
//! wsgi            PEP 3333, against the traits in wsgi/gateway
//! config          directives, their values, and what is in force for a request or a process
//! python          CPython's life in a process
//! apache          httpd in safe words
//! metrics         what is measured of a process, and its clocks
//! unix            system calls that std and nix have no safe words for
//! ffi             httpd and APR as C has them
//! ```
//!
//! `python` knows no httpd, `apache` no Python. `wsgi` knows neither httpd nor sockets: `request` implements its traits over
//! httpd and `daemon/process` over a connection. What `unsafe` relies on stands in `SAFETY.md`.

mod apache;
mod api;
mod config;
mod daemon;
mod events;
mod ffi;
mod metrics;
mod module;
mod observe;
mod process;
mod python;
mod request;
mod scripts;
mod unix;
mod wire;
mod wsgi;

#[doc = include_str!("SAFETY.md")]
pub mod safety {}

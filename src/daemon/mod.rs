#![forbid(unsafe_code)]
//! Daemon mode: process groups (`WSGIDaemonProcess`) that run applications apart from httpd's own processes.
//!
//! # Who there is
//!
//! - The **parent** of httpd makes a `generation` whenever it has read a configuration: a table in shared memory for
//!   each group, and one **supervisor**.
//! - The `supervisor` forks the daemons, replaces them one by one, and says why one died. It runs no Python and
//!   looks into nothing that comes from a client; `scores` of httpd's scoreboard pass through it. It leaves when the last process of httpd is gone that knows its generation.
//! - A **daemon** is a `process` with request threads (`worker`) and a main thread that minds its signals and
//!   `limits`, with an `examiner` to look into Python for it.
//! - A **child** of httpd has the request. `dispatch` takes it to a daemon, `relay` its response to the client.
//!
//! # The way of a request
//!
//! `module/handler` finds that a group is to serve it. `dispatch` keeps a thread of a daemon in the `table`, waiting
//! there for one if need be, takes one of the `connections` and sends the `request_head` over a `channel` of
//! `frame`s; `relay` answers what the daemon asks, and `reply` checks what it says. In the daemon a `worker` wakes up, calls the application through `request/call`, the same way as httpd's
//! children do, and `gateway` carries body, response and log.

pub(crate) mod child;
pub(crate) mod generation;
pub(crate) mod log_frame;
pub(crate) mod parent;
pub(crate) mod pass;
pub(crate) mod process;

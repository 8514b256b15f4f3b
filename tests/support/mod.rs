//! A real httpd for each test, and a client that shows the bytes on the wire.
//!
//! ```ignore
//! let httpd = Httpd::with("WSGIScriptAlias / {app}", "environ.py").start();
//! let response = httpd.get("/path?query");
//! assert_eq!(response.status, 200);
//! httpd.finish(&[]);
//! ```
//!
//! A test ends with [`Httpd::finish`]: it stops the server, proves that no
//! process is left and that the error log holds what was expected and nothing
//! else.

#![allow(unreachable_pub, reason = "pub says what a test may use")]

mod client;
mod extension;
pub mod faults;
mod httpd;
mod load;
mod log;
mod process;
mod tls;
pub mod two_groups;

pub use client::{Connection, Framing, Request, Response};
pub use extension::Extension;
pub use httpd::{Builder, GilMode, Httpd, Mpm, has_module, httpd_program, variable};
pub use load::Load;
pub use log::{Entry, ErrorLog};
pub use process::{Process, is_root};

use std::time::{Duration, Instant};

/// Calls `ready` until it answers, for 30 seconds at most: a child of httpd that
/// leaves takes two or three of its own accord, and more on a busy machine.
#[track_caller]
pub fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let patience = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < patience, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether the servers of these tests have a process group that serves all requests: so it is in
/// tests/daemon_same_requests.rs, which runs tests of embedded mode again.
pub const IN_DAEMONS: bool = matches!(env!("CARGO_CRATE_NAME").as_bytes(), b"daemon_same_requests");

/// `mod_wsgi.process_group`
pub const PROCESS_GROUP: &str = if IN_DAEMONS { "requests" } else { "" };

/// The status where the script has no such callable.
pub const NO_CALLABLE: u16 = if IN_DAEMONS { 500 } else { 404 };

/// The code of a group that no one has declared; where no group is at all it is another.
pub const UNKNOWN_GROUP: &str = if IN_DAEMONS { "WSGI0151" } else { "WSGI0150" };

/// What is logged when a process dies in the middle of a response. In embedded mode it takes its voice with it.
pub const LOG_OF_DEATH: &[&str] = if IN_DAEMONS { &["WSGI0146", "WSGI1023"] } else { &[] };

/// Runs a test once with the shared GIL and once without any. What is run again for daemons ([`IN_DAEMONS`]) has seen both
/// before: a daemon is asked without the GIL.
///
/// Output of a failing test is shown, so the last line names the mode.
pub fn in_both_modes(test: impl Fn(GilMode)) {
    for mode in GilMode::BOTH.into_iter().skip_while(|mode| IN_DAEMONS && *mode != GilMode::Free) {
        println!("GIL mode: {mode:?}");
        test(mode);
    }
}

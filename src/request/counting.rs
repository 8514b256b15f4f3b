//! The requests of this module, counted: where httpd's hooks and the handler meet `observe`.

use crate::apache::directive;
use crate::apache::hook::ChildrenHook;
use crate::apache::mpm;
use crate::apache::request::Request;
use crate::apache::server::Server;
use crate::apache::status::Status;
use crate::config::WsgiConfiguration;
use crate::observe::board::{self, board};
use crate::observe::meter::Meter;
use crate::observe::threads::Description;
use crate::observe::watch::{Watch, note_this_process};
use crate::process::this_process::process;
use crate::request::{slow, trace};
use crate::unix::late_stop;
use core::time::Duration;

/// The hook that httpd calls in its parent when a child has been started, and when one has ended.
pub(crate) struct Children;

impl ChildrenHook for Children {
    /// httpd has its own handlers of signals now.
    fn started(server: Server<'_>) {
        let settings = directive::server_settings::<WsgiConfiguration>(server);
        let time = settings.map_or(Duration::ZERO, |settings| settings.start_up.drain_time);
        if !time.is_zero() {
            late_stop::put_off(time, board::drain_to_stop);
        }
        board::child_started();
    }

    fn ended(process: u32) {
        board::child_ended(process);
    }
}

/// Makes room for the counters. Called in the parent, when a configuration has been read.
///
/// # Errors
/// What stops start-up, in words.
pub(crate) fn begin() -> Result<(), String> {
    let count = |number: i32| usize::try_from(number).unwrap_or(1);
    board::begin(count(mpm::most_processes()), count(mpm::most_threads()))
        .map_err(|error| format!("no shared memory for counters: {error}"))?;
    Ok(())
}

/// Counts a request that `serve` answers. What httpd makes of a response of this module (an error document, a part of a
/// page) belongs to the request that the client made.
pub(crate) fn counted<'r>(
    request: &mut Request<'r>,
    serve: impl FnOnce(&mut Request<'r>, Option<&Watch>) -> Status,
) -> Status {
    let is_new = !request.is_sub_request() && !request.was_counted();
    let Some(watch) = is_new.then(Watch::begin).flatten() else { return serve(request, None) };
    request.note_counted();
    let status = serve(request, Some(&watch));
    let seen = if status.code() >= 100 { status.code() } else { request.final_status() };
    let over = watch.end(seen);
    slow::note_end(request, seen, over.microseconds);
    // httpd clears the pool when it has sent the response and logged the request.
    request.pool().own(over);
    status
}

/// It is clear that a group serves the request.
pub(crate) fn enter(watch: Option<&Watch>, meter: &'static Meter, request: &Request<'_>) {
    let Some(watch) = watch else { return };
    watch.enter(
        meter,
        &Description {
            method: request.method(),
            path: request.uri(),
            query: if shows_queries() { request.query() } else { b"" },
            id: request.log_id().unwrap_or_default(),
            server: server_number(request.server()),
            generation: u64::try_from(mpm::generation()).unwrap_or(0),
            trace: trace::ids(request),
        },
    );
}

/// `WSGIStatusQuery`
fn shows_queries() -> bool {
    process().is_some_and(|process| process.start_up.status_query)
}

/// It is clear that this process serves the request.
pub(crate) fn enter_embedded(watch: Option<&Watch>, request: &Request<'_>) {
    if let Some(board) = board() {
        enter(watch, &board.embedded, request);
        note_this_process();
    }
}

/// A number for a virtual host, the same in all processes of a configuration.
pub(crate) fn server_number(server: Server<'_>) -> u64 {
    server.as_raw().addr() as u64
}

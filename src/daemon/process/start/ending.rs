//! The end of a daemon process: requests finish, then Python does, and nothing of it takes longer than it may.

use super::watching::Cause;
use super::{Daemon, FAILED, LOOK};
use crate::apache::directive::server_settings;
use crate::apache::log::{self, Level};
use crate::apache::server::Server;
use crate::config::WsgiConfiguration;
use crate::daemon::process::{activity, worker};
use crate::process::telemetry;
use crate::python::finish;
use crate::unix::fork;
use crate::wire::control::Reason;
use core::time::Duration;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Instant;

/// The time for the end of a process that has no `shutdown-timeout`, and whose Python lets no one in.
const END_OF_DEADLOCK: Duration = Duration::from_secs(5);

/// The end begins: no further request comes. Returns the time at which all of it has to be over, `shutdown-timeout` from now.
pub(super) fn begin_end(daemon: &Daemon, cause: &Cause) -> Option<Instant> {
    let config = daemon.config();
    let text = format!("process group '{}' ends process {}: {}", config.name, std::process::id(), cause.now.in_words());
    log::server(Some(daemon.group.server), Level::Info, &text);
    telemetry::stopping(cause.first.name());
    daemon.group.table.drain(daemon.place);
    // What holds up Python for ever holds up its end for ever too, whatever the limit is.
    let deadlock = cause.now == Reason::DeadlockTimeout;
    let limit = config.shutdown_timeout.or(deadlock.then_some(END_OF_DEADLOCK));
    limit.map(|limit| Instant::now() + limit)
}

/// Runs `body`, which may not come back from Python. When the time is up the process leaves all the same.
pub(super) fn in_time(daemon: &'static Daemon, until: Option<Instant>, body: impl FnOnce()) {
    let (done, news) = channel::<()>();
    let clock = until.and_then(|until| {
        let clock = move || {
            let left = until.saturating_duration_since(Instant::now());
            if news.recv_timeout(left) == Err(RecvTimeoutError::Timeout) {
                tell_what_is_left(daemon);
                fork::leave(FAILED);
            }
        };
        // Without the thread it is the supervisor that ends a process which takes too long.
        std::thread::Builder::new().name("wsgi-clock".into()).spawn(clock).ok()
    });
    body();
    drop(done);
    if let Some(clock) = clock {
        let _ = clock.join();
    }
}

/// Ends the daemon: requests finish, then Python does, all before `until`.
pub(super) fn wind_up(
    daemon: &'static Daemon,
    until: Option<Instant>,
    threads: Vec<JoinHandle<()>>,
    main: Server<'static>,
) -> i32 {
    worker::stop(daemon);
    if !have_ended(threads, until) {
        tell_what_is_left(daemon);
        return FAILED;
    }
    telemetry::stopped(true);
    let left = until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()).max(LOOK));
    finish::leave_after(left, FAILED);
    let keep = server_settings::<WsgiConfiguration>(main).is_some_and(|settings| settings.start_up.keep_interpreters);
    finish::finish(keep);
    0
}

/// Waits for threads; `false` if the time is up before the last has ended.
fn have_ended(mut threads: Vec<JoinHandle<()>>, until: Option<Instant>) -> bool {
    loop {
        let (ended, running): (Vec<_>, Vec<_>) = threads.into_iter().partition(JoinHandle::is_finished);
        for thread in ended {
            let _ = thread.join();
        }
        if running.is_empty() {
            return true;
        }
        if until.is_some_and(|until| until <= Instant::now()) {
            return false;
        }
        threads = running;
        std::thread::sleep(LOOK);
    }
}

/// Names the requests that the process takes with it.
fn tell_what_is_left(daemon: &Daemon) {
    telemetry::stopped(false);
    let process = std::process::id();
    let say = |text: &str| daemon.group.log(Level::Error, text);
    say(&format!("WSGI1035: process {process} has not ended within shutdown-timeout, and leaves"));
    for seen in activity::workers().iter().filter_map(activity::Worker::request).filter(|seen| seen.begun) {
        say(&format!("process {process} leaves without an end of {seen}"));
    }
}

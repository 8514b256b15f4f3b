//! `WSGITelemetryService`: a thread that tells a collector at a socket, at each interval, what happened in this process.
//!
//! A process that serves applications starts it, and says when it begins to end and when it has ended. Nothing here waits for
//! the collector: what its socket does not take is dropped, and counted. The thread attaches to Python for the numbers of
//! the collector of garbage alone, after it has sent the others.

mod frame;
pub(crate) mod gc;
mod samples;

use crate::apache::log::{self, Level};
use crate::config::server::StartUp;
use crate::config::telemetry::TelemetryService;
use crate::events::slow_record::{self, SlowRecord};
use crate::metrics;
use crate::process::this_process::{IMPLEMENTATION, Process};
use crate::python::config::GilMode;
use crate::python::{interpreter, thread_state};
use crate::unix::fork::{self, Private};
use crate::unix::signals;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
use core::time::Duration;
use frame::{Frame, Kind};
use nix::sys::socket::{setsockopt, sockopt::SndBuf};
use nix::sys::utsname::uname;
use parking_lot::{Condvar, Mutex};
use pyo3::prelude::*;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Who the process is, for the collector.
pub(super) struct Identity {
    implementation: &'static str,
    python: String,
    httpd: String,
    mpm: String,
    host: String,
    /// Empty in httpd's own processes.
    group: &'static str,
    parent: u32,
    switch_interval: f64,
}

/// What the configuration says.
pub(super) struct Setting {
    socket: String,
    interval: Duration,
    threshold: Option<Duration>,
    /// Of requests.
    threads: usize,
    /// `on` or `off`
    gil: &'static str,
}

/// The slow requests that run now, for as long as they are at least that old.
pub(crate) type Running = fn(Duration) -> Vec<SlowRecord>;

struct Reporter {
    identity: Identity,
    setting: Setting,
    running: Running,
    started: Instant,
    sender: Mutex<Sender>,
    is_over: Mutex<bool>,
    over: Condvar,
    /// Whether the last datagram has been sent.
    has_stopped: AtomicBool,
    /// Whether the thread has ended, or never began.
    has_ended: AtomicBool,
}

/// The socket, and what has gone through it.
struct Sender {
    socket: Private<UnixDatagram>,
    /// Of the last datagram.
    number: u32,
    dropped: u64,
    /// How often a datagram may still be tried again before the next look.
    retries: u32,
    reason: &'static str,
}

static REPORTER: OnceLock<Reporter> = OnceLock::new();

/// As much the kernel may keep of what the collector has not read yet.
const BUFFER: usize = 64 << 10;
/// The most bytes of the path of a socket (unix(7)).
const LONGEST_PATH: usize = 107;
/// The kernel keeps ten datagrams for a collector (net.unix.max_dgram_qlen). One that reads, and is a bit behind, gets all:
/// so often, and so long after each other, they are tried again.
const RETRIES: u32 = 100;
const RETRY_AFTER: Duration = Duration::from_millis(1);
/// How long the end of a process waits for a datagram under way.
const PATIENCE: Duration = Duration::from_secs(1);

/// Counts requests for the collector from now on, if there is one. To be called before the first request.
pub(crate) fn prepare(start_up: &StartUp, threads: u32) {
    if start_up.telemetry.service.is_some() {
        metrics::start_telemetry(threads as usize);
        slow_record::begin(start_up.telemetry.slow_requests, start_up.telemetry.options.capture_user_agent);
    }
}

/// Starts the thread, if there is a collector. `process` has `threads` for requests, and has started Python.
pub(crate) fn start(process: &'static Process, threads: u32, running: Running) {
    let Some(service) = &process.start_up.telemetry.service else { return };
    if service.socket.len() > LONGEST_PATH {
        let text = format!("WSGI0132: no telemetry: the path '{}' is longer than {LONGEST_PATH} bytes", service.socket);
        return log::server(None, Level::Warning, &text);
    }
    if let Err(error) = start_thread(process, service, threads, running) {
        log::server(None, Level::Error, &format!("WSGI0133: no telemetry: {error} (WSGITelemetryService)"));
    }
}

fn start_thread(
    process: &'static Process,
    service: &TelemetryService,
    threads: u32,
    running: Running,
) -> std::io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    setsockopt(&socket, SndBuf, &BUFFER)?;
    let sender = Sender { socket: Private::new(socket), number: 0, dropped: 0, retries: RETRIES, reason: "" };
    let is_free = interpreter::gil_mode() == Some(GilMode::FreeThreading);
    let setting = Setting {
        socket: service.socket.to_string(),
        interval: service.interval,
        threshold: process.start_up.telemetry.slow_requests,
        threads: threads as usize,
        gil: if is_free { "off" } else { "on" },
    };
    let reporter = REPORTER.get_or_init(|| Reporter {
        identity: identity(process),
        setting,
        running,
        started: Instant::now(),
        sender: Mutex::new(sender),
        is_over: Mutex::new(false),
        over: Condvar::new(),
        has_stopped: AtomicBool::new(false),
        has_ended: AtomicBool::new(true),
    });
    reporter.send_one(Kind::Started, |frame, _| samples::put_identity(frame, &reporter.identity));
    // Signals are for the other threads.
    let _held = signals::Held::new();
    std::thread::Builder::new().name("wsgi-telemetry".into()).spawn(|| reporter.run())?;
    let (socket, interval) = (&reporter.setting.socket, reporter.setting.interval);
    log::server(None, Level::Info, &format!("telemetry goes to '{socket}' every {interval:?}"));
    Ok(())
}

fn identity(process: &'static Process) -> Identity {
    let (major, minor, patch) = process.facts.server_version;
    let of_python = |py: Python<'_>| {
        let interval = py.import("sys").and_then(|sys| sys.call_method0("getswitchinterval"));
        let version = Python::version_str().split_whitespace().next().unwrap_or_default().to_owned();
        (version, interval.and_then(|interval| interval.extract()).unwrap_or_default())
    };
    let main = interpreter::main().map(|main| main.run(|attached| of_python(attached.py)));
    let (python, switch_interval) = main.unwrap_or_default();
    let host = uname().map(|names| names.nodename().to_string_lossy().into_owned()).unwrap_or_default();
    Identity {
        implementation: IMPLEMENTATION,
        python,
        httpd: format!("Apache/{major}.{minor}.{patch}"),
        mpm: process.surroundings.mpm_name.clone(),
        host,
        group: process.group,
        parent: nix::unistd::getppid().as_raw().unsigned_abs(),
        switch_interval,
    }
}

/// The process has decided to end, for that reason.
pub(crate) fn stopping(reason: &'static str) {
    let Some(reporter) = REPORTER.get().filter(|_| !fork::is_copy()) else { return };
    if let Some(mut sender) = reporter.sender.try_lock_for(PATIENCE) {
        sender.reason = reason;
    }
    let active = active();
    reporter.send_one(Kind::Stopping, |frame, sender| {
        let Identity { host, group, .. } = &reporter.identity;
        frame.text(5, host.as_bytes(), 127);
        frame.text(6, group.as_bytes(), 63);
        frame.text(130, sender.reason.as_bytes(), 63);
        frame.count(133, active);
    });
}

/// The process ends now; `graceful` says that no request was cut off. Said once, the second time has no effect.
pub(crate) fn stopped(graceful: bool) {
    let Some(reporter) = REPORTER.get().filter(|_| !fork::is_copy()) else { return };
    if reporter.has_stopped.swap(true, SeqCst) {
        return;
    }
    *reporter.is_over.lock() = true;
    reporter.over.notify_all();
    if graceful {
        reporter.wait_for_thread();
    }
    if graceful {
        reporter.tell_requests();
    }
    let lifetime = metrics::telemetry().map(metrics::Recorder::process);
    let requests = lifetime.map_or(0, |process| process.threads.iter().map(|thread| thread.completed).sum());
    let active = active();
    reporter.send_one(Kind::Stopped, |frame, sender| {
        let Identity { host, group, .. } = &reporter.identity;
        frame.text(5, host.as_bytes(), 127);
        frame.text(6, group.as_bytes(), 63);
        frame.text(130, sender.reason.as_bytes(), 63);
        frame.number(131, reporter.started.elapsed().as_secs_f64());
        frame.count(132, requests);
        frame.count(134, active);
        frame.count(135, u64::from(graceful && active == 0));
    });
}

/// How many requests run.
fn active() -> u64 {
    metrics::telemetry().map_or(0, metrics::Recorder::running)
}

fn epoch() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

impl Reporter {
    /// All that the thread does.
    fn run(&self) {
        self.has_ended.store(false, SeqCst);
        while !self.is_over_within(self.setting.interval) {
            self.tell_requests();
            self.tell_garbage();
        }
        self.has_ended.store(true, SeqCst);
    }

    /// Waits for that time, or until the process ends.
    fn is_over_within(&self, time: Duration) -> bool {
        let mut is_over = self.is_over.lock();
        if !*is_over {
            self.over.wait_for(&mut is_over, time);
        }
        *is_over
    }

    /// Waits until the thread has left Python, which is about to end. Where this thread was interrupted inside of Python the
    /// other one would never get in.
    fn wait_for_thread(&self) {
        let until = Instant::now() + PATIENCE;
        while !self.has_ended.load(SeqCst) && !thread_state::is_attached() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// What happened since the last time: requests that have ended, and slow ones.
    fn tell_requests(&self) {
        let Some(window) = metrics::telemetry().map(metrics::Recorder::close_window) else { return };
        let ended = slow_record::take();
        let running = self.setting.threshold.map(self.running).unwrap_or_default();
        let Some(mut sender) = self.sender.try_lock_for(PATIENCE) else { return };
        let time = epoch();
        sender.retries = RETRIES;
        sender.send(&self.setting.socket, Kind::Requests, time, |frame, sender| {
            samples::put_window(frame, &self.identity, &self.setting, &window);
            samples::put_own(frame, &self.setting, sender.dropped);
        });
        for record in ended.iter().chain(&running) {
            sender.send(&self.setting.socket, Kind::SlowRequest, time, |frame, _| samples::put_slow(frame, record));
        }
    }

    /// Waits for Python.
    fn tell_garbage(&self) {
        let (numbers, collections) = gc::look();
        thread_state::give_up();
        let Some(mut sender) = self.sender.try_lock_for(PATIENCE) else { return };
        let time = epoch();
        if self.has_stopped.load(SeqCst) {
            return;
        }
        sender.send(&self.setting.socket, Kind::Garbage, time, |frame, _| {
            numbers.into_iter().zip(300..).for_each(|(value, id)| frame.count(id, value));
        });
        for one in collections {
            sender.send(&self.setting.socket, Kind::Collection, time, |frame, _| {
                frame.number(320, one.stamp);
                frame.number(321, one.duration);
                frame.count(322, one.generation);
                frame.count(323, one.collected);
                frame.count(324, one.uncollectable);
            });
        }
    }

    fn send_one(&self, kind: Kind, fill: impl FnOnce(&mut Frame, &Sender)) {
        if let Some(mut sender) = self.sender.try_lock_for(PATIENCE) {
            sender.retries = RETRIES;
            sender.send(&self.setting.socket, kind, epoch(), fill);
        }
    }
}

impl Sender {
    /// Sends a datagram, unless nobody takes it.
    fn send(&mut self, socket: &str, kind: Kind, time: f64, fill: impl FnOnce(&mut Frame, &Self)) {
        self.number = self.number.wrapping_add(1);
        let mut frame = Frame::new(kind, self.number, time);
        fill(&mut frame, self);
        while let Err(error) = self.socket.send_to(frame.bytes(), socket) {
            if error.kind() != ErrorKind::WouldBlock || self.retries == 0 {
                self.dropped += 1;
                return;
            }
            self.retries -= 1;
            std::thread::sleep(RETRY_AFTER);
        }
    }
}

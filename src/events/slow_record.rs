//! Slow requests, for the collector of telemetry: what is told of one, and those that have ended since it was told last.

use crate::metrics::{self, Sample, clock::TimeOfDay};
use crate::wsgi::environ::{Key, Variable};
use crate::wsgi::gateway::RequestFacts;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use core::time::Duration;
use parking_lot::Mutex;
use std::collections::VecDeque;

/// A slow request.
#[derive(Clone, Debug, Default)]
pub(crate) struct SlowRecord {
    pub(crate) is_over: bool,
    /// Seconds since the epoch.
    pub(crate) start: f64,
    /// So far, while it runs.
    pub(crate) duration: Duration,
    /// The number of the thread within the process.
    pub(crate) thread: u64,
    pub(crate) texts: Texts,
    /// Empty while it runs.
    pub(crate) sample: Sample,
    /// How many requests ran in the process, this one among them.
    pub(crate) active_at_start: u64,
    pub(crate) active_at_end: u64,
}

/// What the environ says of it. Without its query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts {
    pub(crate) id: Vec<u8>,
    /// The child of httpd that has it.
    pub(crate) server_process: u64,
    pub(crate) method: Vec<u8>,
    pub(crate) is_https: bool,
    pub(crate) host: Vec<u8>,
    pub(crate) script_names: [Vec<u8>; 2],
    pub(crate) path_infos: [Vec<u8>; 2],
    pub(crate) protocol: Vec<u8>,
    pub(crate) peer: Vec<u8>,
    /// Where `WSGITelemetryOptions` asks for it.
    pub(crate) user_agent: Vec<u8>,
}

impl Texts {
    /// Takes what a variable tells. A later one replaces an earlier one of the same name.
    pub(crate) fn take(&mut self, variable: Variable<'_>, value: &[u8]) {
        let key = match variable {
            Variable::Known(key) => key,
            Variable::Header(name) if name.eq_ignore_ascii_case(b"user-agent") => Key::HttpUserAgent,
            Variable::Header(_) | Variable::Named(_) => return,
        };
        match key {
            Key::RequestId => self.id = value.to_vec(),
            Key::ServerPid => self.server_process = core::str::from_utf8(value).unwrap_or("").parse().unwrap_or(0),
            Key::RequestMethod => self.method = value.to_vec(),
            Key::Https => self.is_https = value == b"1" || value.eq_ignore_ascii_case(b"on"),
            Key::ServerName => self.host = value.to_vec(),
            Key::OriginalScriptName => self.script_names[0] = value.to_vec(),
            Key::ScriptName => self.script_names[1] = value.to_vec(),
            Key::OriginalPathInfo => self.path_infos[0] = value.to_vec(),
            Key::PathInfo => self.path_infos[1] = value.to_vec(),
            Key::ServerProtocol => self.protocol = value.to_vec(),
            Key::RemoteAddr => self.peer = value.to_vec(),
            Key::HttpUserAgent if WITH_USER_AGENT.load(Relaxed) => self.user_agent = value.to_vec(),
            _ => {}
        }
    }

    pub(crate) fn scheme(&self) -> &'static [u8] {
        if self.is_https { b"https" } else { b"http" }
    }

    pub(crate) fn script_name(&self) -> &[u8] {
        self.script_names.iter().find(|name| !name.is_empty()).map_or(&[], |name| name)
    }

    pub(crate) fn path_info(&self) -> &[u8] {
        self.path_infos.iter().find(|info| !info.is_empty()).map_or(&[], |info| info)
    }
}

/// From how many microseconds on a request is slow; without a collector none is.
static THRESHOLD: AtomicU64 = AtomicU64::new(u64::MAX);
static WITH_USER_AGENT: AtomicBool = AtomicBool::new(false);
/// Those that have ended, the oldest first.
static ENDED: Mutex<VecDeque<SlowRecord>> = Mutex::new(VecDeque::new());
/// As many are kept until they are told.
const KEPT: usize = 1024;

/// A request is slow from that time on. Called before the first one.
pub(crate) fn begin(threshold: Option<Duration>, with_user_agent: bool) {
    let microseconds = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    THRESHOLD.store(threshold.map_or(u64::MAX, microseconds), Relaxed);
    WITH_USER_AGENT.store(with_user_agent, Relaxed);
}

/// Those that have ended since this was called last.
pub(crate) fn take() -> VecDeque<SlowRecord> {
    core::mem::take(&mut *ENDED.lock())
}

/// The application of a request has ended. Nobody who holds the lock waits for Python.
pub(super) fn note_end(request: &metrics::RecordedRequest, facts: &dyn RequestFacts) {
    let duration = request.elapsed();
    if duration.as_micros() < u128::from(THRESHOLD.load(Relaxed)) {
        return;
    }
    let Some(sample) = request.sample() else { return };
    let mut texts = Texts::default();
    facts.variables(&mut |variable, value| texts.take(variable, value));
    let record = SlowRecord {
        is_over: true,
        start: TimeOfDay::now().0 as f64 / 1e6 - duration.as_secs_f64(),
        duration,
        thread: request.thread(),
        texts,
        sample,
        active_at_start: request.active_at_start(),
        active_at_end: metrics::telemetry().map_or(0, metrics::Recorder::running),
    };
    let mut ended = ENDED.lock();
    if ended.len() >= KEPT {
        ended.pop_front();
    }
    ended.push_back(record);
}

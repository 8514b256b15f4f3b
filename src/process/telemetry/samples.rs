//! What a process tells of itself at each interval, and of slow requests.

use super::frame::Frame;
use super::{Identity, Setting};
use crate::events::slow_record::SlowRecord;
use crate::metrics::{Counts, Phase, ThreadWindow, Window};
use crate::python::{audit, interpreter};

/// The most places for threads in a datagram.
const MOST_THREADS: usize = 128;

/// Who the process is.
pub(super) fn put_identity(frame: &mut Frame, identity: &Identity) {
    frame.text(1, identity.implementation.as_bytes(), 63);
    frame.text(2, identity.python.as_bytes(), 63);
    frame.text(3, identity.httpd.as_bytes(), 63);
    frame.text(4, identity.mpm.as_bytes(), 63);
    frame.text(5, identity.host.as_bytes(), 127);
    frame.text(6, identity.group.as_bytes(), 63);
    frame.count(7, identity.parent.into());
    frame.number(13, identity.switch_interval);
}

/// What happened in a window.
pub(super) fn put_window(frame: &mut Frame, identity: &Identity, setting: &Setting, window: &Window) {
    let (counts, period) = (&window.counts, window.period.as_secs_f64());
    put_identity(frame, identity);
    frame.number(10, period);
    frame.number(11, setting.interval.as_secs_f64());
    frame.number(12, setting.threshold.map_or(0.0, |threshold| threshold.as_secs_f64()));
    frame.count(20, counts.requests);
    frame.number(21, counts.requests as f64 / period);
    frame.number(22, window.utilization());
    let (user, system) = (window.cpu.user.as_secs_f64() / period, window.cpu.system.as_secs_f64() / period);
    [user, system, user + system].into_iter().zip(30..).for_each(|(value, id)| frame.number(id, value));
    frame.count(40, window.memory.resident);
    frame.count(41, window.memory.most);
    let active = window.threads.iter().filter(|thread| thread.completed > 0 || thread.elapsed.is_some()).count();
    frame.count(50, setting.threads as u64);
    frame.count(51, window.started as u64);
    frame.count(52, active as u64);
    put_times(frame, identity, counts);
    let totals = [counts.input_bytes, counts.input_reads, counts.output_bytes, counts.output_writes];
    totals.into_iter().zip(100..).for_each(|(value, id)| frame.count(id, value));
    counts.statuses.into_iter().zip(120..).for_each(|(value, id)| frame.count(id, value));
    put_threads(frame, &window.threads, setting.threads);
}

/// The phases, in the order of their ids.
const PHASES: [Phase; 8] = [
    Phase::Server,
    Phase::Queue,
    Phase::Daemon,
    Phase::Application,
    Phase::Request,
    Phase::GilWait,
    Phase::InputRead,
    Phase::OutputWrite,
];

fn put_times(frame: &mut Frame, identity: &Identity, counts: &Counts) {
    let seconds = |microseconds: u64| microseconds as f64 / 1e6;
    for (phase, at) in PHASES.into_iter().zip(0..) {
        let times = counts.times(phase);
        let is_of_queue = matches!(phase, Phase::Queue | Phase::Daemon);
        if is_of_queue && (identity.group.is_empty() || counts.runs == 0) {
            continue;
        }
        let mean = if counts.runs > 0 { times.total.as_secs_f64() / counts.runs as f64 } else { 0.0 };
        frame.number(60 + at, mean);
        if let Some((least, most)) = times.extremes.filter(|_| counts.runs > 0) {
            frame.number(70 + at, seconds(least));
            frame.number(80 + at, seconds(most));
        }
        frame.counts(90 + at, times.buckets.iter().copied());
    }
}

fn put_threads(frame: &mut Frame, threads: &[ThreadWindow], configured: usize) {
    let threads = &threads[..threads.len().min(configured).min(MOST_THREADS)];
    let of = |value: fn(&ThreadWindow) -> f64| threads.iter().map(value);
    frame.counts(110, threads.iter().map(|thread| thread.completed));
    frame.numbers(111, of(|thread| thread.busy.as_secs_f64()));
    frame.numbers(112, of(|thread| thread.cpu.as_secs_f64()));
    frame.numbers(113, of(|thread| thread.elapsed.unwrap_or_default().as_secs_f64()));
    frame.numbers(114, of(|thread| thread.longest.as_secs_f64()));
}

/// What only this module tells: whether Python runs with its GIL, which extensions have not said that they run without,
/// how many datagrams nobody took, how many interpreters there are.
pub(super) fn put_own(frame: &mut Frame, setting: &Setting, dropped: u64) {
    let extensions = audit::reported();
    frame.text(350, setting.gil.as_bytes(), 15);
    frame.count(351, extensions.len() as u64);
    frame.text(352, extensions.join(",").as_bytes(), 511);
    frame.count(353, dropped);
    frame.count(354, interpreter::all().len() as u64);
}

/// A slow request, while it runs or at its end.
pub(super) fn put_slow(frame: &mut Frame, record: &SlowRecord) {
    let (texts, sample) = (&record.texts, &record.sample);
    frame.count(200, u64::from(record.is_over));
    frame.number(201, record.start);
    frame.number(202, record.duration.as_secs_f64());
    frame.count(203, record.thread);
    frame.text(204, &texts.id, 63);
    frame.count(205, texts.server_process);
    frame.text(210, &texts.method, 15);
    frame.text(211, texts.scheme(), 15);
    frame.text(212, &texts.host, 255);
    frame.text(213, texts.script_name(), 255);
    frame.text(214, texts.path_info(), 511);
    frame.text(215, &texts.protocol, 15);
    frame.text(216, &texts.peer, 45);
    frame.text(217, &texts.user_agent, 511);
    let time = |phase: Phase| sample.times[phase as usize].unwrap_or_default().as_secs_f64();
    let application = if record.is_over { time(Phase::Application) } else { record.duration.as_secs_f64() };
    frame.number(220, time(Phase::Server));
    frame.number(221, time(Phase::Queue));
    frame.number(222, time(Phase::Daemon));
    frame.number(223, application);
    frame.number(224, time(Phase::GilWait));
    frame.count(225, sample.gil_waits);
    let counts = [sample.input_bytes, sample.input_reads, sample.output_bytes, sample.output_writes];
    counts.into_iter().zip(230..).for_each(|(value, id)| frame.count(id, value));
    frame.number(234, time(Phase::InputRead));
    frame.number(235, time(Phase::OutputWrite));
    frame.count(240, sample.status.into());
    frame.number(250, sample.cpu.saturating_sub(sample.system).as_secs_f64());
    frame.number(251, sample.system.as_secs_f64());
    frame.count(260, record.active_at_start);
    frame.count(261, record.active_at_end);
}

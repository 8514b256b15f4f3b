//! What is recorded of a request whose application was called.

use super::environ::seconds;
use super::meter::Meter;
use super::request_events::{Ending, Story};
use crate::metrics::{Phase, Sample};
use core::time::Duration;
use pyo3::Python;

/// Puts together what was measured of a request that ends.
pub(super) fn sample(story: &Story<'_>, py: Python<'_>, meter: &Meter, ending: &Ending) -> Sample {
    let (request_start, queue) = story.times(py);
    let request_start = seconds(request_start);
    let queue = queue.map(|queue| (seconds(queue.queue_start), seconds(queue.daemon_start)));
    let server_end = queue.map_or(story.application_start, |(queue_start, _)| queue_start);
    let server = between(request_start, server_end);
    let queued = queue.map(|(queue_start, daemon_start)| between(queue_start, daemon_start));
    let daemon = queue.map(|(_, daemon_start)| between(daemon_start, story.application_start));
    let application = between(0.0, ending.time);
    let all = server + queued.unwrap_or_default() + daemon.unwrap_or_default() + application;
    let time = |phase| match phase {
        Phase::Server => Some(server),
        Phase::Queue => queued,
        Phase::Daemon => daemon,
        Phase::Application => Some(application),
        Phase::Request => Some(all),
        Phase::GilWait => Some(between(0.0, meter.gil_wait_time())),
        Phase::InputRead => Some(between(0.0, meter.input_time())),
        Phase::OutputWrite => Some(between(0.0, meter.output_time())),
    };
    Sample {
        times: Phase::ALL.map(time),
        gil_waits: meter.gil_wait_count(),
        input_bytes: ending.input_length,
        input_reads: ending.input_reads,
        output_bytes: ending.output_length,
        output_writes: meter.output_writes(),
        status: ending.status,
        cpu: ending.cpu.map_or(Duration::ZERO, |cpu| between(0.0, cpu.user + cpu.system)),
    }
}

/// Clocks are set now and then: what ends before it begins took no time.
fn between(start: f64, end: f64) -> Duration {
    Duration::try_from_secs_f64(end - start).unwrap_or_default()
}

//! What is recorded of a request whose application was called.

use super::request;
use crate::metrics::clock::{self, TimeOfDay};
use crate::metrics::{Phase, RequestMeter, Sample};
use crate::wsgi::observer::{Ending, Observed};
use core::time::Duration;
use pyo3::Python;

/// Puts together what was measured of a request that ends.
pub(super) fn of(call: &Observed<'_>, py: Python<'_>, meter: &RequestMeter, ending: &Ending) -> Sample {
    let ((request_start, queue), start) = (request::times(call, py), call.application_start.moment);
    let server = queue.map_or_else(|| clock::from_time_of_day(TimeOfDay(request_start), start), |queue| queue.server);
    let queued = queue.map(|queue| queue.queue);
    let daemon = queue.map(|queue| start.since(queue.daemon_moment));
    let application = duration(ending.time);
    let all = server + queued.unwrap_or_default() + daemon.unwrap_or_default() + application;
    let time = |phase| match phase {
        Phase::Server => Some(server),
        Phase::Queue => queued,
        Phase::Daemon => daemon,
        Phase::Application => Some(application),
        Phase::Request => Some(all),
        Phase::GilWait => Some(duration(meter.gil_wait_time())),
        Phase::InputRead => Some(duration(meter.input_time())),
        Phase::OutputWrite => Some(duration(meter.output_time())),
    };
    Sample {
        times: Phase::ALL.map(time),
        gil_waits: meter.gil_wait_count(),
        input_bytes: ending.input_length,
        input_reads: ending.input_reads,
        output_bytes: ending.output_length,
        output_writes: meter.output_writes(),
        status: ending.status,
        system: ending.cpu.map_or(Duration::ZERO, |cpu| duration(cpu.system)),
        cpu: ending.cpu.map_or(Duration::ZERO, |cpu| duration(cpu.user + cpu.system)),
    }
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

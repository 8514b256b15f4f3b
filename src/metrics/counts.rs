//! What is counted of requests that have ended.

use super::distribution::Distribution;
use core::time::Duration;

/// A part of the way of a request that is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// In httpd, up to the application; where daemons serve, up to the search for one.
    Server,
    /// In search of a daemon.
    Queue,
    /// In the daemon, up to the application.
    Daemon,
    Application,
    /// The sum of the above.
    Request,
    /// Detached, and waiting to be let in again.
    GilWait,
    InputRead,
    OutputWrite,
}

impl Phase {
    pub(crate) const ALL: [Self; 8] = [
        Self::Server,
        Self::Queue,
        Self::Daemon,
        Self::Application,
        Self::Request,
        Self::GilWait,
        Self::InputRead,
        Self::OutputWrite,
    ];
}

/// What one call of an application took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    /// By [`Phase`]; `None` where there is no such phase.
    pub(crate) times: [Option<Duration>; Phase::ALL.len()],
    pub(crate) gil_waits: u64,
    pub(crate) input_bytes: u64,
    pub(crate) input_reads: u64,
    pub(crate) output_bytes: u64,
    pub(crate) output_writes: u64,
    pub(crate) status: u16,
    /// CPU time of the thread, and the part of it that the system took.
    pub(crate) cpu: Duration,
    pub(crate) system: Duration,
}

/// Requests of a window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// All that have ended.
    pub(crate) requests: u64,
    /// Those whose application was called: everything below is about them.
    pub(crate) runs: u64,
    /// By [`Phase`].
    times: [Distribution; Phase::ALL.len()],
    pub(crate) gil_waits: u64,
    pub(crate) input_bytes: u64,
    pub(crate) input_reads: u64,
    pub(crate) output_bytes: u64,
    pub(crate) output_writes: u64,
    /// From 1xx to 5xx.
    pub(crate) statuses: [u64; 5],
}

impl Counts {
    pub(crate) fn times(&self, phase: Phase) -> &Distribution {
        &self.times[phase as usize]
    }

    /// A request has ended; its application was not called if there is no sample.
    pub(super) fn add(&mut self, sample: Option<&Sample>) {
        self.requests += 1;
        let Some(sample) = sample else { return };
        self.runs += 1;
        for (times, time) in self.times.iter_mut().zip(sample.times) {
            time.into_iter().for_each(|time| times.add(time));
        }
        let class = usize::from(sample.status / 100);
        if let Some(count) = class.checked_sub(1).and_then(|class| self.statuses.get_mut(class)) {
            *count += 1;
        }
        self.gil_waits += sample.gil_waits;
        self.input_bytes += sample.input_bytes;
        self.input_reads += sample.input_reads;
        self.output_bytes += sample.output_bytes;
        self.output_writes += sample.output_writes;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.runs += other.runs;
        self.times.iter_mut().zip(&other.times).for_each(|(mine, theirs)| mine.merge(theirs));
        self.statuses.iter_mut().zip(other.statuses).for_each(|(mine, theirs)| *mine += theirs);
        self.gil_waits += other.gil_waits;
        self.input_bytes += other.input_bytes;
        self.input_reads += other.input_reads;
        self.output_bytes += other.output_bytes;
        self.output_writes += other.output_writes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_count_by_class_and_requests_without_an_application_count_alone() {
        let mut counts = Counts::default();
        counts.add(None);
        for status in [200, 204, 302, 404, 503, 599, 600, 999] {
            counts.add(Some(&Sample { status, ..Sample::default() }));
        }
        assert_eq!((counts.requests, counts.runs, counts.statuses), (9, 8, [0, 2, 1, 1, 2]));
        assert_eq!(counts.times(Phase::Server).extremes, None);
    }
}

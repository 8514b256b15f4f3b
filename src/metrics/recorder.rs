//! All that a process records: the slots of its threads, and the window that is open.

use super::counts::Counts;
use super::slot::{Slot, ThreadTotal, ThreadWindow};
use super::usage::{CpuUsage, Memory};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A window is at least that long, so that rates are finite.
const SHORTEST: Duration = Duration::from_micros(1);

/// What a process records.
pub(crate) struct Recorder {
    process: u32,
    /// As many request threads the process is configured to have.
    threads: usize,
    /// A place for each thread. Locked by a thread before its first request, and by readers.
    slots: Mutex<Vec<Option<Arc<Slot>>>>,
    /// How many requests run, where that is counted.
    active: AtomicU64,
    /// Since when a window is open. Whoever closes it holds the lock.
    open: Mutex<Moment>,
}

/// A moment, by all clocks.
#[derive(Clone, Copy)]
struct Moment {
    instant: Instant,
    /// Seconds since the epoch.
    time: f64,
    cpu: CpuUsage,
}

/// What happened between two readings.
pub(crate) struct Window {
    /// Seconds since the epoch.
    pub(crate) start: f64,
    pub(crate) stop: f64,
    pub(crate) period: Duration,
    pub(crate) counts: Counts,
    /// By place; as many as there can be request threads, or have been.
    pub(crate) threads: Vec<ThreadWindow>,
    /// How many threads have served a request, ever.
    pub(crate) started: usize,
    /// Of this window.
    pub(crate) cpu: CpuUsage,
    pub(crate) memory: Memory,
}

/// What happened since recording started, and how the process is now.
pub(crate) struct Process {
    /// Of each thread that has served a request.
    pub(crate) threads: Vec<ThreadTotal>,
    /// Seconds since the epoch.
    pub(crate) time: f64,
    /// Of all the time of the process.
    pub(crate) cpu: CpuUsage,
    pub(crate) memory: Memory,
}

impl Moment {
    fn now() -> Self {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        Self { instant: Instant::now(), time, cpu: CpuUsage::now() }
    }
}

impl Window {
    /// The part of all threads' time that they had a request. Clocks are read one after the other: it is never more than 1.
    pub(crate) fn utilization(&self) -> f64 {
        let busy: Duration = self.threads.iter().map(|thread| thread.busy).sum();
        let all = self.period.as_secs_f64() * self.threads.len() as f64;
        if all > 0.0 { (busy.as_secs_f64() / all).min(1.0) } else { 0.0 }
    }
}

impl Recorder {
    /// Records from now on.
    pub(super) fn new(threads: usize) -> Self {
        let slots = Mutex::new((0..threads).map(|_| None).collect());
        Self { process: std::process::id(), threads, slots, active: AtomicU64::new(0), open: Mutex::new(Moment::now()) }
    }

    /// A request begins; returns how many run, this one included.
    pub(super) fn enter(&self) -> u64 {
        self.active.fetch_add(1, Relaxed) + 1
    }

    /// A request that has entered is over.
    pub(super) fn leave(&self) {
        self.active.fetch_sub(1, Relaxed);
    }

    /// How many requests that have entered run.
    pub(crate) fn running(&self) -> u64 {
        self.active.load(Relaxed)
    }

    /// Whether this is not a copy of the process: no one may ever give back the locks there.
    pub(super) fn is_of_this_process(&self) -> bool {
        self.process == std::process::id()
    }

    /// A slot for a thread. That of number n is the n-th, or the first if it is 0: where httpd has no threads, the main
    /// thread is the one that serves. If that is another one's, which happens where a part of httpd has threads of its own
    /// (mod_http2), it is any that is free, or one more.
    pub(super) fn take_slot(&self, number: i64) -> Arc<Slot> {
        let mut slots = self.slots.lock();
        let preferred = usize::try_from((number - 1).max(0)).unwrap_or(usize::MAX);
        let places = core::iter::once(preferred).filter(|place| *place < self.threads).chain(0..slots.len());
        for place in places {
            let slot = slots[place].get_or_insert_default();
            if slot.take(number) {
                return slot.clone();
            }
        }
        let slot = Arc::<Slot>::default();
        slot.take(number);
        slots.push(Some(slot.clone()));
        slot
    }

    fn slots(&self) -> Vec<Option<Arc<Slot>>> {
        self.slots.lock().clone()
    }

    /// What has happened since this was called last, or since recording started.
    pub(crate) fn close_window(&self) -> Window {
        let mut open = self.open.lock();
        let (before, now) = (*open, Moment::now());
        *open = now;
        let (mut counts, slots) = (Counts::default(), self.slots());
        let drained = slots.iter().map(|slot| {
            let slot = slot.as_ref();
            slot.map_or_else(ThreadWindow::default, |slot| slot.drain(now.instant, &mut counts))
        });
        Window {
            threads: drained.collect(),
            counts,
            start: before.time,
            stop: now.time,
            period: now.instant.saturating_duration_since(before.instant).max(SHORTEST),
            started: slots.iter().flatten().count(),
            cpu: now.cpu.since(before.cpu),
            memory: Memory::now(),
        }
    }

    /// How the process stands. Closes no window.
    pub(crate) fn process(&self) -> Process {
        let now = Moment::now();
        let threads = self.slots().iter().flatten().map(|slot| slot.total(now.instant)).collect();
        Process { threads, time: now.time, cpu: now.cpu, memory: Memory::now() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::counts::{Phase, Sample};
    use super::*;
    use std::thread;

    const THREADS: u64 = 4;
    const REQUESTS: u64 = 20_000;

    fn sample(number: u64) -> Sample {
        Sample {
            times: [Some(Duration::from_micros(number)); Phase::ALL.len()],
            gil_waits: 1,
            input_bytes: number,
            input_reads: 2,
            output_bytes: 3 * number,
            output_writes: 1,
            status: 200 + 100 * (number % 4) as u16,
            cpu: Duration::from_nanos(number),
            system: Duration::ZERO,
        }
    }

    /// Every third application is not called, and every fifth request is withdrawn.
    fn serve(recorder: &Recorder, thread: u64) -> Counts {
        let slot = recorder.take_slot(thread as i64 + 1);
        let mut recorded = Counts::default();
        for number in 1..=REQUESTS {
            let sample = (number % 3 != 0).then(|| sample(number));
            let is_counted = number % 5 != 0;
            slot.begin(Instant::now());
            slot.end(Instant::now(), is_counted, sample.as_ref());
            if is_counted {
                recorded.add(sample.as_ref());
            }
        }
        slot.give_back();
        recorded
    }

    fn read_while(recorder: &Recorder, serving: &AtomicU64) -> Counts {
        let mut sum = Counts::default();
        while serving.load(Relaxed) > 0 {
            let window = recorder.close_window();
            check(&window);
            sum.merge(&window.counts);
        }
        sum
    }

    /// Checks that a window is consistent in itself.
    fn check(window: &Window) {
        let counts = &window.counts;
        assert_eq!(counts.requests, window.threads.iter().map(|thread| thread.completed).sum::<u64>());
        assert_eq!(counts.runs, counts.statuses.iter().sum::<u64>());
        assert_eq!((counts.gil_waits, counts.output_bytes), (counts.runs, 3 * counts.input_bytes));
        for phase in Phase::ALL {
            let times = counts.times(phase);
            assert_eq!(times.total, Duration::from_micros(counts.input_bytes));
            assert_eq!(times.buckets.iter().sum::<u64>(), counts.runs);
            assert_eq!(times.extremes.is_some(), counts.runs > 0);
        }
        assert!((0.0..=1.0).contains(&window.utilization()));
    }

    #[test]
    fn windows_add_up_to_what_was_recorded_while_threads_serve_and_readers_read() {
        let recorder = &Recorder::new(THREADS as usize - 1);
        let serving = &AtomicU64::new(THREADS);
        let (mut recorded, mut read) = (Counts::default(), Counts::default());
        thread::scope(|scope| {
            let servers: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || serve(recorder, thread))).collect();
            let readers = [(); 2].map(|()| scope.spawn(|| read_while(recorder, serving)));
            for thread in servers {
                recorded.merge(&thread.join().expect("a thread"));
                serving.fetch_sub(1, Relaxed);
            }
            readers.into_iter().for_each(|thread| read.merge(&thread.join().expect("a thread")));
        });
        read.merge(&recorder.close_window().counts);
        assert_eq!(read, recorded);
        assert_eq!(recorded.requests, THREADS * REQUESTS / 5 * 4);
        assert_eq!(recorder.close_window().counts, Counts::default());
        let process = recorder.process();
        assert_eq!(process.threads.iter().map(|thread| thread.completed).sum::<u64>(), recorded.requests);
    }

    #[test]
    fn the_time_of_a_request_under_way_is_divided_between_windows() {
        let slot = Slot::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let seconds = Duration::from_secs;
        let sum = &mut Counts::default();
        slot.begin(at(1));
        let first = slot.drain(at(3), sum);
        assert_eq!((first.busy, first.elapsed, first.completed), (seconds(2), Some(seconds(2)), 0));
        // A reader whose clock was read before another one's has nothing to take.
        assert_eq!(slot.drain(at(2), sum).busy, Duration::ZERO);
        // A request within the request takes no time of its own.
        slot.begin(at(4));
        assert_eq!((slot.total(at(5)).busy, slot.total(at(5)).under_way), (seconds(4), 2));
        slot.end(at(5), true, None);
        slot.end(at(8), true, Some(&sample(7)));
        let second = slot.drain(at(9), sum);
        assert_eq!((second.busy, second.elapsed, second.longest), (seconds(5), None, seconds(7)));
        assert_eq!((second.completed, second.cpu), (2, Duration::from_nanos(7)));
        let total = slot.total(at(9));
        assert_eq!((total.busy, total.completed, total.under_way), (seconds(7), 2, 0));
    }

    #[test]
    fn threads_have_places_by_number_and_no_two_have_the_same() {
        let recorder = Recorder::new(2);
        let second = recorder.take_slot(2);
        let number = |process: &Process| process.threads.iter().map(|thread| thread.number).collect::<Vec<_>>();
        assert_eq!(number(&recorder.process()), [2]);
        let _first = recorder.take_slot(1);
        let _third = recorder.take_slot(3);
        assert_eq!(number(&recorder.process()), [1, 2, 3]);
        assert_eq!(recorder.close_window().threads.len(), 3);
        second.give_back();
        let fourth = recorder.take_slot(4);
        assert!(Arc::ptr_eq(&second, &fourth));
        assert_eq!(number(&recorder.process()), [1, 4, 3]);
        let alone = Recorder::new(1);
        alone.take_slot(0);
        assert_eq!((alone.close_window().threads.len(), alone.close_window().started), (1, 1));
    }
}

//! `mod_wsgi.start_recording_metrics()`, `request_metrics()` and `process_metrics()`.

use super::Surroundings;
use crate::metrics::clock::Moment;
use crate::metrics::{self, Counts, CpuUsage, Memory, Phase, Process, ThreadWindow, Window};
use crate::python::class::{Arguments, Class, ClassType, Method, Object, Returns, none};
use core::ffi::CStr;
use core::time::Duration;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyModule};

/// The Rust side of the functions.
struct Metrics {
    is_daemon: bool,
    request_threads: usize,
    /// Seconds since the epoch.
    process_start: f64,
    process_moment: Moment,
}

impl Class for Metrics {
    const NAME: &'static CStr = c"mod_wsgi.Metrics";
    const METHODS: &'static [Method] = &[
        Method::positional(c"start_recording_metrics", Metrics::start),
        Method::positional(c"request_metrics", Metrics::of_requests),
        Method::positional(c"process_metrics", Metrics::of_process),
        Method::END,
    ];
}

/// Puts the functions into `module`.
///
/// # Errors
/// What CPython raises.
pub(super) fn add_to(module: &Bound<'_, PyModule>, surroundings: &Surroundings) -> PyResult<()> {
    let py = module.py();
    let metrics = Metrics {
        is_daemon: !surroundings.process_group.is_empty(),
        request_threads: usize::try_from(surroundings.threads_per_process).unwrap_or_default(),
        process_start: surroundings.process_start,
        process_moment: surroundings.process_moment,
    };
    let metrics = ClassType::<Metrics>::new(py)?.instance(py, metrics)?;
    let names = ["start_recording_metrics", "request_metrics", "process_metrics"];
    names.iter().enumerate().try_for_each(|(index, name)| module.setattr(*name, metrics.bound_method(index)?))
}

impl Metrics {
    fn start<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        arguments.expect_none()?;
        metrics::start(this.request_threads);
        none(this.py())
    }

    fn of_requests<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        arguments.expect_none()?;
        let py = this.py();
        // Detached: readers wait for each other.
        match py.detach(|| metrics::recorder().map(metrics::Recorder::close_window)) {
            Some(window) => Ok(this.request_dictionary(py, &window)?.into_any()),
            None => none(py),
        }
    }

    fn of_process<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        arguments.expect_none()?;
        let py = this.py();
        match py.detach(|| metrics::recorder().map(metrics::Recorder::process)) {
            Some(process) => Ok(this.process_dictionary(py, &process)?.into_any()),
            None => none(py),
        }
    }

    fn request_dictionary<'py>(&self, py: Python<'py>, window: &Window) -> PyResult<Bound<'py, PyDict>> {
        let dictionary = PyDict::new(py);
        let period = window.period.as_secs_f64();
        dictionary.set_item("pid", std::process::id())?;
        dictionary.set_item("start_time", window.start)?;
        dictionary.set_item("stop_time", window.stop)?;
        dictionary.set_item("sample_period", period)?;
        dictionary.set_item("request_count", window.counts.requests)?;
        dictionary.set_item("request_throughput", window.counts.requests as f64 / period)?;
        for (name, rate) in ["cpu_user", "cpu_system", "cpu"].iter().zip(seconds_of(window.cpu)) {
            dictionary.set_item(format!("{name}_utilization"), rate / period)?;
            // The old name: a rate in spite of it.
            dictionary.set_item(format!("{name}_time"), rate / period)?;
        }
        put_memory(&dictionary, window.memory)?;
        put_threads(&dictionary, window)?;
        put_counts(&dictionary, &window.counts)?;
        for phase in Phase::ALL {
            self.put_phase(&dictionary, &window.counts, phase)?;
        }
        Ok(dictionary)
    }

    fn put_phase(&self, dictionary: &Bound<'_, PyDict>, counts: &Counts, phase: Phase) -> PyResult<()> {
        let (name, times) = (name_of(phase), counts.times(phase));
        let is_there = self.is_daemon || !matches!(phase, Phase::Queue | Phase::Daemon);
        let mean = if counts.runs > 0 { times.total.as_secs_f64() / counts.runs as f64 } else { 0.0 };
        dictionary.set_item(name, is_there.then_some(mean))?;
        dictionary.set_item(format!("{name}_min_us"), times.extremes.map(|(least, _)| least))?;
        dictionary.set_item(format!("{name}_max_us"), times.extremes.map(|(_, most)| most))?;
        dictionary.set_item(format!("{name}_buckets"), PyList::new(dictionary.py(), times.buckets)?)
    }

    fn process_dictionary<'py>(&self, py: Python<'py>, process: &Process) -> PyResult<Bound<'py, PyDict>> {
        let dictionary = PyDict::new(py);
        let threads = PyList::empty(py);
        for thread in &process.threads {
            let entry = PyDict::new(py);
            entry.set_item("thread_id", thread.number)?;
            entry.set_item("request_count", thread.completed)?;
            threads.append(entry)?;
        }
        let busy: Duration = process.threads.iter().map(|thread| thread.busy).sum();
        dictionary.set_item("pid", std::process::id())?;
        dictionary.set_item("restart_time", self.process_start)?;
        dictionary.set_item("current_time", process.time)?;
        dictionary.set_item("running_time", Moment::now().since(self.process_moment).as_secs())?;
        dictionary.set_item("request_count", process.threads.iter().map(|thread| thread.completed).sum::<u64>())?;
        dictionary.set_item("request_busy_time", busy.as_secs_f64())?;
        dictionary.set_item("request_threads", process.threads.len())?;
        dictionary.set_item("active_requests", process.threads.iter().map(|thread| thread.under_way).sum::<u32>())?;
        for (name, seconds) in ["cpu_user_time", "cpu_system_time", "cpu_time"].iter().zip(seconds_of(process.cpu)) {
            dictionary.set_item(name, seconds)?;
        }
        put_memory(&dictionary, process.memory)?;
        dictionary.set_item("threads", threads)?;
        Ok(dictionary)
    }
}

fn name_of(phase: Phase) -> &'static str {
    match phase {
        Phase::Server => "server_time",
        Phase::Queue => "queue_time",
        Phase::Daemon => "daemon_time",
        Phase::Application => "application_time",
        Phase::Request => "request_time",
        Phase::GilWait => "gil_wait_time",
        Phase::InputRead => "input_read_time",
        Phase::OutputWrite => "output_write_time",
    }
}

/// User, system, and both.
fn seconds_of(cpu: CpuUsage) -> [f64; 3] {
    [cpu.user, cpu.system, cpu.user + cpu.system].map(|time| time.as_secs_f64())
}

fn put_memory(dictionary: &Bound<'_, PyDict>, memory: Memory) -> PyResult<()> {
    dictionary.set_item("memory_rss", memory.resident)?;
    dictionary.set_item("memory_max_rss", memory.most)
}

fn put_threads(dictionary: &Bound<'_, PyDict>, window: &Window) -> PyResult<()> {
    let py = dictionary.py();
    let threads = &window.threads;
    let seconds = |of: fn(&ThreadWindow) -> Duration| PyList::new(py, threads.iter().map(|t| of(t).as_secs_f64()));
    let completed: Vec<_> = threads.iter().map(|thread| thread.completed).collect();
    let active = threads.iter().filter(|thread| thread.completed > 0 || thread.elapsed.is_some()).count();
    dictionary.set_item("capacity_utilization", window.utilization())?;
    dictionary.set_item("request_threads_maximum", threads.len())?;
    dictionary.set_item("request_threads_started", window.started)?;
    dictionary.set_item("request_threads_active", active)?;
    dictionary.set_item("request_threads_completed", PyList::new(py, &completed)?)?;
    dictionary.set_item("request_threads_buckets", PyList::new(py, &completed)?)?;
    dictionary.set_item("request_threads_busy_time", seconds(|thread| thread.busy)?)?;
    dictionary.set_item("request_threads_cpu_time", seconds(|thread| thread.cpu)?)?;
    dictionary.set_item("request_threads_current_elapsed", seconds(|thread| thread.elapsed.unwrap_or_default())?)?;
    dictionary.set_item("request_threads_max_duration", seconds(|thread| thread.longest)?)
}

fn put_counts(dictionary: &Bound<'_, PyDict>, counts: &Counts) -> PyResult<()> {
    let totals = [
        ("gil_wait_count", counts.gil_waits),
        ("input_bytes", counts.input_bytes),
        ("input_reads", counts.input_reads),
        ("output_bytes", counts.output_bytes),
        ("output_writes", counts.output_writes),
    ];
    for (name, total) in totals {
        dictionary.set_item(name, total)?;
    }
    let classes = ["status_1xx", "status_2xx", "status_3xx", "status_4xx", "status_5xx"];
    classes.iter().zip(counts.statuses).try_for_each(|(class, count)| dictionary.set_item(class, count))
}

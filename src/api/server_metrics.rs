//! `mod_wsgi.server_metrics()`: httpd's scoreboard as a dictionary.

use crate::apache::scoreboard::{ProcessScore, Scoreboard, WorkerScore};
use crate::metrics::clock::{self, Moment, TimeOfDay};
use crate::python::class::{Arguments, Class, ClassType, Method, Object, Returns, none};
use crate::python::text::{interned, latin1};
use core::ffi::CStr;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyInt, PyList, PyString};

/// How this process gets at the scoreboard. It may block.
pub(crate) type ReadScoreboard = fn() -> Option<Scoreboard>;

/// The function. It has no scoreboard where the configuration does not allow it.
struct ServerMetrics(Option<ReadScoreboard>);

impl Class for ServerMetrics {
    const NAME: &'static CStr = c"mod_wsgi.ServerMetrics";
    const METHODS: &'static [Method] = &[Method::positional(c"server_metrics", ServerMetrics::call), Method::END];
}

impl ServerMetrics {
    fn call<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        arguments.expect_none()?;
        let py = this.py();
        match this.0.and_then(|read| py.detach(read)) {
            Some(scoreboard) => Ok(dictionary(py, &scoreboard)?.into_any()),
            None => none(py),
        }
    }
}

/// The function for the interpreter attached to.
///
/// # Errors
/// What CPython raises.
pub(crate) fn function(py: Python<'_>, read: Option<ReadScoreboard>) -> PyResult<Bound<'_, PyAny>> {
    ClassType::<ServerMetrics>::new(py)?.instance(py, ServerMetrics(read))?.bound_method(0)
}

fn dictionary<'py>(py: Python<'py>, scoreboard: &Scoreboard) -> PyResult<Bound<'py, PyDict>> {
    let server = scoreboard.server;
    let running = clock::from_time_of_day(TimeOfDay(server.restart_time), Moment::now()).as_secs();
    let keys = Keys::new(py);
    let processes = PyList::empty(py);
    for (number, (process, workers)) in scoreboard.processes.iter().enumerate() {
        processes.append(process_dictionary(py, &keys, number, *process, workers)?)?;
    }
    let dictionary = PyDict::new(py);
    dictionary.set_item("server_limit", server.server_limit)?;
    dictionary.set_item("thread_limit", server.thread_limit)?;
    dictionary.set_item("running_generation", server.running_generation)?;
    dictionary.set_item("restart_time", seconds(py, server.restart_time))?;
    dictionary.set_item("current_time", TimeOfDay::now().0 as f64 / 1e6)?;
    dictionary.set_item("running_time", running)?;
    dictionary.set_item("processes", processes)?;
    Ok(dictionary)
}

/// The keys of what there may be thousands of.
struct Keys<'py> {
    process: [Bound<'py, PyString>; 5],
    worker: [Bound<'py, PyString>; 11],
}

impl<'py> Keys<'py> {
    fn new(py: Python<'py>) -> Self {
        let worker = [
            c"thread_num",
            c"generation",
            c"status",
            c"access_count",
            c"bytes_served",
            c"start_time",
            c"stop_time",
            c"last_used",
            c"client",
            c"request",
            c"vhost",
        ];
        Self {
            process: [c"process_num", c"pid", c"generation", c"quiescing", c"workers"].map(|key| interned(py, key)),
            worker: worker.map(|key| interned(py, key)),
        }
    }
}

fn process_dictionary<'py>(
    py: Python<'py>,
    keys: &Keys<'py>,
    number: usize,
    process: ProcessScore,
    workers: &[WorkerScore],
) -> PyResult<Bound<'py, PyDict>> {
    let list = PyList::empty(py);
    for worker in workers {
        list.append(worker_dictionary(py, keys, worker)?)?;
    }
    let values = [
        number.into_pyobject(py)?.into_any(),
        PyInt::new(py, process.process).into_any(),
        PyInt::new(py, process.generation).into_any(),
        process.quiescing.into_pyobject(py)?.to_owned().into_any(),
        list.into_any(),
    ];
    zip(py, &keys.process, values)
}

fn worker_dictionary<'py>(py: Python<'py>, keys: &Keys<'py>, worker: &WorkerScore) -> PyResult<Bound<'py, PyDict>> {
    let mut letter = [0; 4];
    let values = [
        PyInt::new(py, worker.number).into_any(),
        PyInt::new(py, worker.generation).into_any(),
        PyString::new(py, worker.letter().encode_utf8(&mut letter)).into_any(),
        PyInt::new(py, worker.accesses).into_any(),
        PyInt::new(py, worker.bytes_served).into_any(),
        seconds(py, worker.start_time).into_any(),
        seconds(py, worker.stop_time).into_any(),
        seconds(py, worker.last_used).into_any(),
        latin1(py, &worker.client).into_any(),
        latin1(py, &worker.request).into_any(),
        latin1(py, &worker.host).into_any(),
    ];
    zip(py, &keys.worker, values)
}

fn zip<'py, const N: usize>(
    py: Python<'py>,
    keys: &[Bound<'py, PyString>; N],
    values: [Bound<'py, PyAny>; N],
) -> PyResult<Bound<'py, PyDict>> {
    let dictionary = PyDict::new(py);
    keys.iter().zip(values).try_for_each(|(key, value)| dictionary.set_item(key, value))?;
    Ok(dictionary)
}

/// A time of httpd's, in microseconds, as Python's are.
fn seconds(py: Python<'_>, microseconds: i64) -> Bound<'_, PyFloat> {
    PyFloat::new(py, microseconds as f64 / 1e6)
}

//! The environ dictionary (PEP 3333, "environ Variables").
//!
//! A thread keeps a template with everything that does not change and copies it
//! for each request; keys are interned once per interpreter. Values that are the
//! same from request to request are kept too, so that a steady client costs no
//! new strings.

mod keys;

pub(crate) use keys::{Key, Keys, Variable};

use super::Wsgi;
use super::gateway::{QueueTimes, RequestFacts};
use crate::metrics::clock::{Moment, TimeOfDay};
use crate::python::capsule::LentCapsule;
use crate::python::{text, thread_state};
use core::cell::RefCell;
use keys::{ALL, header_key};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

/// The environ as far as it is the same for every request of a thread.
pub(crate) struct Template {
    environ: Py<PyDict>,
    http: Py<PyString>,
    https: Py<PyString>,
    /// The last value of each key that tends to keep its value.
    steady: RefCell<Vec<Option<Steady>>>,
}

struct Steady {
    bytes: Box<[u8]>,
    text: Py<PyString>,
}

/// Longer values are not kept from request to request.
const KEPT_AT_MOST: usize = 256;

/// `mod_wsgi.version`: the level of the interface that applications and agents test for.
pub(crate) const API_LEVEL: (u32, u32, u32) = (6, 1, 1);

impl Template {
    /// # Errors
    /// What CPython raises.
    pub(crate) fn new(py: Python<'_>, wsgi: &Wsgi, application_group: &str) -> PyResult<Self> {
        let environ = PyDict::new(py);
        let set = |key: Key, value: Bound<'_, PyAny>| environ.set_item(wsgi.keys.get(py, key), value);
        let flag = |value: bool| value.into_pyobject(py).map(|flag| flag.to_owned().into_any());
        let version =
            |(major, minor, patch): (u32, u32, u32)| (major, minor, patch).into_pyobject(py).map(Bound::into_any);
        for key in ALL.iter().copied().filter(|key| key.is_always_there()) {
            // Holds the place, so that a copy needs no larger table for what comes with the request.
            set(key, py.None().into_bound(py))?;
        }
        set(Key::WsgiVersion, PyTuple::new(py, [1, 0])?.into_any())?;
        set(Key::WsgiMultithread, flag(wsgi.process.multithread)?)?;
        set(Key::WsgiMultiprocess, flag(wsgi.process.multiprocess)?)?;
        set(Key::WsgiRunOnce, flag(wsgi.process.run_once)?)?;
        set(Key::WsgiInputTerminated, flag(true)?)?;
        set(Key::WsgiFileWrapper, wsgi.file_wrapper.class.bind(py).clone().into_any())?;
        set(Key::ApacheVersion, version(wsgi.process.server_version)?)?;
        set(Key::Version, version(API_LEVEL)?)?;
        set(Key::ApplicationGroup, PyString::new(py, application_group).into_any())?;
        set(Key::ThreadId, thread_state::number().into_pyobject(py)?.into_any())?;
        for key in [Key::QueueStart, Key::DaemonStart] {
            set(key, 0.0_f64.into_pyobject(py)?.into_any())?;
        }
        Ok(Self {
            environ: environ.unbind(),
            http: PyString::new(py, "http").unbind(),
            https: PyString::new(py, "https").unbind(),
            steady: RefCell::new(ALL.iter().map(|_| None).collect()),
        })
    }

    /// The environ of one request, and when its application starts, as `mod_wsgi.application_start` in it says.
    ///
    /// # Errors
    /// What CPython raises.
    pub(crate) fn build<'py>(
        &self,
        py: Python<'py>,
        wsgi: &Wsgi,
        facts: &dyn RequestFacts,
        input: &Bound<'py, PyAny>,
        errors: &Bound<'py, PyAny>,
    ) -> PyResult<(Bound<'py, PyDict>, Start)> {
        let environ = self.environ.bind(py).copy()?;
        let mut secure = false;
        let mut outcome = Ok(());
        facts.variables(&mut |variable, value| {
            if let Variable::Known(Key::Https) = variable {
                secure = value.eq_ignore_ascii_case(b"on") || value == b"1";
            } else if outcome.is_ok() {
                outcome = self.set(py, wsgi, &environ, variable, value);
            }
        });
        outcome?;
        let scheme = if secure { &self.https } else { &self.http };
        let set = |key: Key, value: &Bound<'py, PyAny>| environ.set_item(wsgi.keys.get(py, key), value);
        set(Key::WsgiUrlScheme, scheme.bind(py))?;
        set(Key::WsgiInput, input)?;
        set(Key::WsgiErrors, errors)?;
        set(Key::RequestStart, &seconds(facts.request_start()).into_pyobject(py)?.into_any())?;
        if let Some(QueueTimes { queue_start, daemon_start, .. }) = facts.queue_times() {
            set(Key::QueueStart, &seconds(queue_start).into_pyobject(py)?.into_any())?;
            set(Key::DaemonStart, &seconds(daemon_start).into_pyobject(py)?.into_any())?;
        }
        let start = Start { time: now(), moment: Moment::now() };
        set(Key::ApplicationStart, &start.time.into_pyobject(py)?.into_any())?;
        Ok((environ, start))
    }

    fn set(
        &self,
        py: Python<'_>,
        wsgi: &Wsgi,
        environ: &Bound<'_, PyDict>,
        variable: Variable<'_>,
        value: &[u8],
    ) -> PyResult<()> {
        let key = Key::of(variable);
        match key {
            Some(key) => environ.set_item(wsgi.keys.get(py, key), self.value(py, key, value)),
            None => set_unknown(environ, variable, value),
        }
    }

    fn value<'py>(&self, py: Python<'py>, key: Key, value: &[u8]) -> Bound<'py, PyString> {
        if key.is_fresh_each_time() || value.len() > KEPT_AT_MOST {
            return decode(py, key, value);
        }
        let mut steady = self.steady.borrow_mut();
        let kept = &mut steady[key as usize];
        match kept {
            Some(kept) if *kept.bytes == *value => kept.text.bind(py).clone(),
            _ => {
                let text = decode(py, key, value);
                *kept = Some(Steady { bytes: value.into(), text: text.clone().unbind() });
                text
            }
        }
    }
}

/// A dictionary of the variables alone, for scripts that are no applications, with `wsgi.errors`.
///
/// # Errors
/// What CPython raises.
pub(crate) fn of_variables<'py>(
    wsgi: &Wsgi,
    facts: &dyn RequestFacts,
    errors: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyDict>> {
    let py = errors.py();
    let environ = PyDict::new(py);
    let mut outcome = Ok(());
    facts.variables(&mut |variable, value| {
        if outcome.is_ok() {
            outcome = match Key::of(variable) {
                Some(key) => environ.set_item(wsgi.keys.get(py, key), decode(py, key, value)),
                None => set_unknown(&environ, variable, value),
            };
        }
    });
    outcome?;
    environ.set_item(wsgi.keys.get(py, Key::WsgiErrors), errors)?;
    Ok(environ)
}

/// Sets a variable that is not among those that are known beforehand.
fn set_unknown(environ: &Bound<'_, PyDict>, variable: Variable<'_>, value: &[u8]) -> PyResult<()> {
    let value = text::latin1(environ.py(), value);
    match variable {
        Variable::Header(name) => header_key(name).map_or(Ok(()), |key| environ.set_item(key, value)),
        // The names of this directory's own keys cannot be taken by SetEnv.
        Variable::Named(name) if name.contains(&b'.') && ALL.iter().any(|key| key.name().to_bytes() == name) => Ok(()),
        Variable::Named(name) => environ.set_item(String::from_utf8_lossy(name), value),
        Variable::Known(_) => Ok(()),
    }
}

/// Puts the host's record of the request into `environ`, where the host lends it: until what is returned is dropped.
///
/// # Errors
/// What CPython raises.
pub(crate) fn lend_record<'py>(
    wsgi: &Wsgi,
    facts: &dyn RequestFacts,
    environ: &Bound<'py, PyDict>,
) -> PyResult<Option<LentCapsule<'py>>> {
    let py = environ.py();
    let Some(record) = facts.record() else { return Ok(None) };
    let capsule = LentCapsule::new(py, record)?;
    environ.set_item(wsgi.keys.get(py, Key::RequestRec), capsule.object())?;
    Ok(Some(capsule))
}

fn decode<'py>(py: Python<'py>, key: Key, value: &[u8]) -> Bound<'py, PyString> {
    if key.is_file_name() { text::filesystem(py, value) } else { text::latin1(py, value) }
}

/// Seconds, as Python counts them.
pub(crate) fn seconds(microseconds: i64) -> f64 {
    microseconds as f64 / 1e6
}

/// When an application starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// The time of day, in seconds since the epoch.
    pub(crate) time: f64,
    pub(crate) moment: Moment,
}

/// Seconds since the epoch.
fn now() -> f64 {
    seconds(TimeOfDay::now().0)
}

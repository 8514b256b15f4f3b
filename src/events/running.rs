//! The request that a thread runs, as Python code sees it: `mod_wsgi.request_data()` and `mod_wsgi.active_requests`.
//!
//! Each thread writes down its request in a place of its own, and no one gathers these until someone looks at
//! `active_requests` for the first time. From then on that dictionary is kept up to date.

use super::Serving;
use super::{request, sample, slow_record};
use crate::metrics::{self, RequestMeter};
use crate::python::class::{Arguments, Class, Method, Object, Returns};
use crate::python::{text, thread_state};
use crate::wsgi::errors::RequestErrors;
use crate::wsgi::observer::{Ending, Observed, Observer, Watched};
use core::cell::{Cell, RefCell};
use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, Ordering};
use parking_lot::Mutex;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple, PyType};
use std::sync::{Arc, OnceLock, Weak};

/// The requests that one interpreter runs.
#[derive(Default)]
pub(crate) struct ActiveRequests {
    /// Made at the first look.
    dict: OnceLock<Py<PyDict>>,
    /// Whether it has those requests too that were there before.
    filled: AtomicBool,
    /// One for each thread that has served here. Locked for moments only.
    places: Mutex<Vec<Weak<ThreadPlace>>>,
}

/// What a thread shows of the request that it runs in one interpreter, and whom it tells about it.
pub(crate) struct ThreadPlace {
    requests: Arc<ActiveRequests>,
    /// `mod_wsgi.event_callbacks`
    pub(super) subscribers: Py<PyList>,
    pub(super) request_timeout: Py<PyType>,
    /// Locked for moments only, in which nothing of Python's is made or dropped.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Counts the requests of the thread: the same number is the same request.
    number: u64,
    running: bool,
    /// What the host calls the request; empty if it has no name for it.
    id: Vec<u8>,
    /// `request_data()`, made when it is first asked for.
    data: Option<Py<PyDict>>,
    /// Where requests are recorded.
    recorded: Option<metrics::RecordedRequest>,
}

thread_local! {
    /// The place of the request that this thread runs.
    static CURRENT: RefCell<Option<Arc<ThreadPlace>>> = const { RefCell::new(None) };
    /// How many requests this thread has begun.
    static BEGUN: Cell<u64> = const { Cell::new(0) };
}

/// One request of one thread. It may outlive the request.
struct Ticket {
    place: Arc<ThreadPlace>,
    number: u64,
}

/// A request bound to this thread until this is dropped.
pub(crate) struct Running<'py> {
    py: Python<'py>,
    ticket: Ticket,
    /// The request around this one, if a filter of httpd has made this one of its response.
    outer: Outer,
}

/// What the thread showed before.
struct Outer {
    current: Option<Arc<ThreadPlace>>,
    state: Option<State>,
}

impl ThreadPlace {
    /// The place of this thread in an interpreter.
    pub(crate) fn new(py: Python<'_>, serving: &Serving) -> Arc<Self> {
        let requests = &serving.active_requests;
        let place = Arc::new(Self {
            requests: requests.clone(),
            subscribers: serving.events.all.clone_ref(py),
            request_timeout: serving.wsgi.request_timeout.clone_ref(py),
            state: Mutex::default(),
        });
        let mut places = requests.places.lock();
        places.retain(|place| place.strong_count() > 0);
        places.push(Arc::downgrade(&place));
        place
    }

    /// A request of this thread begins.
    pub(crate) fn begin<'py>(self: &Arc<Self>, py: Python<'py>, id: Option<&[u8]>) -> Running<'py> {
        let number = BEGUN.get() + 1;
        BEGUN.set(number);
        let current = CURRENT.replace(Some(self.clone()));
        let state = {
            let mut state = self.state.lock();
            let outer = state.running.then(|| core::mem::take(&mut *state));
            state.number = number;
            state.running = true;
            state.id.clear();
            state.id.extend_from_slice(id.unwrap_or_default());
            outer
        };
        let ticket = Ticket { place: self.clone(), number };
        let running = Running { py, ticket, outer: Outer { current, state } };
        self.record(number);
        // Whoever makes the dictionary after this look finds the request in its place.
        if let Some(dict) = self.requests.known(py) {
            running.ticket.enter(dict);
        }
        running
    }

    /// Records the request, where requests are: from now on, if recording has started since it began, as it does in a script
    /// that is loaded for it. Returns whether it is recorded.
    fn record(&self, number: u64) -> bool {
        if !metrics::is_recording() {
            return false;
        }
        let mut state = self.state.lock();
        let Some(state) = state.of(number) else { return false };
        match &state.recorded {
            Some(recorded) => recorded.join(),
            None => state.recorded = metrics::begin(thread_state::number),
        }
        state.recorded.is_some()
    }

    /// The request that runs now.
    fn ticket(self: &Arc<Self>) -> Option<Ticket> {
        let state = self.state.lock();
        state.running.then(|| Ticket { place: self.clone(), number: state.number })
    }
}

impl State {
    /// This, as long as that request runs.
    fn of(&mut self, number: u64) -> Option<&mut Self> {
        (self.running && self.number == number).then_some(self)
    }
}

impl Running<'_> {
    /// What `wsgi` is told to watch it by.
    pub(crate) fn watched(&self) -> Watched {
        Watched { observer: self.ticket.place.clone(), request: self.ticket.number }
    }

    /// The request begins anew, here or elsewhere.
    pub(crate) fn withdraw(&self) {
        let mut state = self.ticket.place.state.lock();
        if let Some(recorded) = state.of(self.ticket.number).and_then(|state| state.recorded.as_ref()) {
            recorded.withdraw();
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        CURRENT.set(self.outer.current.take());
        let place = &self.ticket.place;
        let (data, recorded) = {
            let mut state = place.state.lock();
            state.running = false;
            (state.data.take(), state.recorded.take())
        };
        drop(recorded);
        if let Some(dict) = place.requests.known(self.py) {
            self.ticket.leave(dict);
        }
        drop(data);
        if let Some(outer) = self.outer.state.take() {
            let ticket = Ticket { place: place.clone(), number: outer.number };
            *place.state.lock() = outer;
            // Both may go by the same id.
            if let Some(dict) = place.requests.known(self.py) {
                ticket.enter(dict);
            }
        }
    }
}

impl ThreadPlace {
    /// Whether someone wants to know of events.
    pub(super) fn has_subscribers(&self, py: Python<'_>) -> bool {
        !self.subscribers.bind(py).is_empty()
    }

    /// What the host calls the request; `None` if the request is over, or has no name.
    pub(super) fn id<'py>(&self, py: Python<'py>, request: u64) -> Option<Bound<'py, PyString>> {
        let id = self.state.lock().of(request)?.id.clone();
        (!id.is_empty()).then(|| text::latin1(py, &id))
    }

    /// The dictionary of the request; `None` if that is over.
    pub(super) fn data<'py>(&self, py: Python<'py>, request: u64) -> Option<Bound<'py, PyDict>> {
        {
            let mut state = self.state.lock();
            if let Some(data) = &state.of(request)?.data {
                return Some(data.bind(py).clone());
            }
        }
        // NOTHING-HELD: a new object may bring the garbage collector along.
        let new = PyDict::new(py);
        let mut state = self.state.lock();
        let data = state.of(request)?.data.get_or_insert_with(|| new.clone().unbind());
        Some(data.bind(py).clone())
    }
}

impl Observer for ThreadPlace {
    fn meter(&self, py: Python<'_>, request: u64) -> Option<Arc<RequestMeter>> {
        (self.record(request) || self.has_subscribers(py)).then(RequestMeter::start)
    }

    fn started<'py>(
        &self,
        call: &Observed<'_>,
        environ: &Bound<'py, PyDict>,
        application: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        request::started(self, call, environ, application)
    }

    fn response_started(
        &self,
        request: u64,
        errors: &RequestErrors,
        status: &Bound<'_, PyAny>,
        headers: &Bound<'_, PyAny>,
        exc_info: Option<&Bound<'_, PyTuple>>,
    ) -> PyResult<()> {
        request::response_started(self, request, errors, status, headers, exc_info)
    }

    fn raised(&self, py: Python<'_>, call: &Observed<'_>, error: &PyErr) {
        request::raised(self, py, call, error);
    }

    fn finished(&self, py: Python<'_>, call: &Observed<'_>, meter: Option<&RequestMeter>, ending: &dyn Fn() -> Ending) {
        // What is recorded is measured.
        if meter.is_none() && !self.has_subscribers(py) {
            return;
        }
        let ending = ending();
        // Nobody else has it meanwhile: it is this thread's request.
        let recorded = self.state.lock().of(call.request).and_then(|state| state.recorded.take());
        if let (Some(recorded), Some(meter)) = (&recorded, meter) {
            recorded.note(sample::of(call, py, meter, &ending));
        }
        request::finished(self, py, call, meter, &ending);
        if let Some(recorded) = recorded {
            let recorded = call.exchange.look(py, move |exchange| {
                slow_record::note_end(&recorded, exchange.facts());
                recorded
            });
            if let Some(state) = self.state.lock().of(call.request) {
                state.recorded = recorded;
            }
        }
    }
}

impl Ticket {
    fn enter(&self, dict: &Bound<'_, PyDict>) {
        let py = dict.py();
        if let (Some(id), Some(data)) = (self.place.id(py, self.number), self.place.data(py, self.number))
            && let Err(error) = dict.set_item(id, data)
        {
            error.write_unraisable(py, None);
        }
    }

    /// Takes the request out of `dict`. It is over: what was its place still has its id.
    fn leave(&self, dict: &Bound<'_, PyDict>) {
        let id = self.place.state.lock().id.clone();
        remove(dict, &text::latin1(dict.py(), &id));
    }
}

fn remove(dict: &Bound<'_, PyDict>, id: &Bound<'_, PyString>) {
    // The application may have taken it out itself.
    let _ = dict.del_item(id);
}

impl ActiveRequests {
    /// The dictionary, if anyone has ever looked at it.
    fn known<'py>(&self, py: Python<'py>) -> Option<&Bound<'py, PyDict>> {
        self.dict.get().map(|dict| dict.bind(py))
    }

    /// `mod_wsgi.active_requests`: from now on it is kept up to date.
    fn look<'py>(&self, py: Python<'py>) -> &Bound<'py, PyDict> {
        let new = PyDict::new(py).unbind();
        // Another thread may have been quicker.
        let _ = self.dict.set(new);
        #[expect(clippy::expect_used, reason = "set just above")]
        let dict = self.known(py).expect("the dictionary is there");
        if !self.filled.load(Ordering::Acquire) {
            self.fill(dict);
            self.filled.store(true, Ordering::Release);
        }
        dict
    }

    /// Enters the requests that began before the dictionary was there.
    fn fill(&self, dict: &Bound<'_, PyDict>) {
        let places: Vec<_> = self.places.lock().iter().filter_map(Weak::upgrade).collect();
        for ticket in places.iter().filter_map(ThreadPlace::ticket) {
            let Some(id) = ticket.place.id(dict.py(), ticket.number) else { continue };
            ticket.enter(dict);
            let is_over = ticket.place.state.lock().of(ticket.number).is_none();
            if is_over {
                // It may have left before it was entered.
                remove(dict, &id);
            }
        }
    }
}

/// The Rust side of the functions that Python code asks about requests.
pub(crate) struct RequestFunctions(pub(crate) Arc<ActiveRequests>);

/// Where `request_data` stands in the table of methods.
pub(crate) const REQUEST_DATA: usize = 0;
/// Where `active_requests` stands.
pub(crate) const ACTIVE_REQUESTS: usize = 1;

impl Class for RequestFunctions {
    const NAME: &'static CStr = c"mod_wsgi.Requests";
    const METHODS: &'static [Method] = &[
        Method::positional(c"request_data", RequestFunctions::request_data),
        Method::positional(c"active_requests", RequestFunctions::active_requests),
        Method::END,
    ];
}

impl RequestFunctions {
    /// `request_data()`: the dictionary of the request that this thread runs.
    fn request_data<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        arguments.expect_none()?;
        let place = CURRENT.with_borrow(Clone::clone);
        // ONE-INTERPRETER: what belongs to the request of another one is not handed out here.
        let place = place.filter(|place| Arc::ptr_eq(&place.requests, &this.0));
        let ticket = place.and_then(|place| place.ticket());
        let data = ticket.and_then(|ticket| ticket.place.data(this.py(), ticket.number));
        data.map(Bound::into_any).ok_or_else(|| PyRuntimeError::new_err("this thread runs no request"))
    }

    fn active_requests<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        arguments.expect_none()?;
        Ok(this.0.look(this.py()).clone().into_any())
    }
}

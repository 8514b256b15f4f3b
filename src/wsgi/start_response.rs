//! `start_response` and the `write` that it returns (PEP 3333).

use super::errors::RequestErrors;
use super::gateway::{Exchange, ExchangeLease, FileRange, SinkError, Written};
use super::observer::{self, Watched};
use super::response::{BodyCount, HeadError, ResponseHead};
use crate::metrics::{RequestMeter, Transfer};
use crate::python::class::{Arguments, Class, Method, Object, Returns, none};
use crate::python::detached::{Detached, detached};
use crate::python::text::latin1_bytes;
use core::ffi::CStr;
use parking_lot::Mutex;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};
use std::sync::Arc;

/// The Rust side of the object whose methods are `start_response` and `write`.
pub(crate) struct Adapter {
    exchange: ExchangeLease,
    /// Locked for moments only, in which nothing of Python's is made or dropped; behind the exchange where both are.
    state: Mutex<State>,
    /// Held by the thread whose block is on its way, also while the exchange is not; whether no further one may follow.
    /// Waited for detached.
    sending: Mutex<bool>,
    watched: Watched,
    errors: Arc<RequestErrors>,
    meter: Option<Arc<RequestMeter>>,
}

#[derive(Default)]
struct State {
    /// What `start_response` was given last.
    head: Option<ResponseHead>,
    /// Set once the head has been given to the sink and can no longer be replaced.
    count: Option<BodyCount>,
}

/// Why bytes of a response did not go to the client.
#[derive(Debug)]
pub(crate) enum SendError {
    Python(PyErr),
    ClientGone(String),
    Answered,
}

impl From<PyErr> for SendError {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

impl From<SinkError> for SendError {
    fn from(error: SinkError) -> Self {
        match error {
            SinkError::ClientGone(text) => Self::ClientGone(text),
            SinkError::Answered => Self::Answered,
        }
    }
}

/// Where `start_response` stands in [`Adapter::METHODS`].
pub(crate) const START_RESPONSE: usize = 0;
/// Where `write` stands in [`Adapter::METHODS`].
const WRITE: usize = 1;

impl Class for Adapter {
    const NAME: &'static CStr = c"mod_wsgi.Adapter";
    const METHODS: &'static [Method] = &[
        Method::positional(c"start_response", Adapter::start_response),
        Method::positional(c"write", Adapter::write),
        Method::END,
    ];
}

impl Adapter {
    pub(super) fn new(
        exchange: ExchangeLease,
        watched: Watched,
        errors: Arc<RequestErrors>,
        meter: Option<Arc<RequestMeter>>,
    ) -> Self {
        Self { exchange, state: Mutex::default(), sending: Mutex::new(false), watched, errors, meter }
    }

    /// `start_response(status, headers[, exc_info])`.
    fn start_response<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        let (Some(status), Some(headers), true) = (arguments.get(0), arguments.get(1), arguments.len() <= 3) else {
            return Err(PyTypeError::new_err(format!(
                "start_response() takes 2 or 3 arguments ({} given)",
                arguments.len()
            )));
        };
        let exc_info = arguments.get(2).filter(|exc_info| !exc_info.is_none());
        let exc_info = exc_info.map(|exc_info| exc_info.cast::<PyTuple>().map(|tuple| tuple.to_owned()));
        let exc_info = exc_info.transpose().map_err(|_| PyRuntimeError::new_err("exc_info must be None or a tuple"))?;
        if !this.exchange.is_lent() {
            return Err(PyRuntimeError::new_err("the request of this start_response is over"));
        }
        if this.state.lock().count.is_some() {
            return Err(match &exc_info {
                Some(exc_info) => exception_of(exc_info)?,
                None => PyRuntimeError::new_err("the headers have been sent already"),
            });
        }
        let Watched { observer, request } = &this.watched;
        observer.response_started(*request, &this.errors, &status, &headers, exc_info.as_ref())?;
        let head = head_of(&status, &headers)?;
        this.state.lock().head = Some(head);
        this.bound_method(WRITE)
    }

    /// `write(data)`, the imperative way to send a body.
    fn write<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        let [Some(data), None] = [arguments.get(0), arguments.get(1)] else {
            return Err(PyTypeError::new_err("write() takes exactly 1 argument"));
        };
        let data = data.cast::<PyBytes>().map_err(|_| not_bytes("write() argument", &data))?;
        if !this.exchange.is_lent() {
            return Err(PyRuntimeError::new_err("the request of this write() is over"));
        }
        this.send(&data).map_err(|error| match error {
            SendError::Python(error) => error,
            SendError::ClientGone(text) => PyOSError::new_err(text),
            SendError::Answered => PyOSError::new_err("the server has answered this request itself"),
        })?;
        none(this.py())
    }

    /// The bytes announced and given, once the head has been processed.
    pub(crate) fn count(&self) -> Option<BodyCount> {
        self.state.lock().count
    }

    /// The status that the application chose last, if it called `start_response`.
    pub(super) fn status(&self) -> Option<u16> {
        self.state.lock().head.as_ref().map(ResponseHead::status)
    }

    /// Whether the application chose a status that goes without a body.
    pub(crate) fn has_no_body(&self) -> bool {
        self.state.lock().head.as_ref().is_some_and(ResponseHead::has_no_body)
    }

    /// Gives the head to the sink, unless that was done already.
    ///
    /// # Errors
    /// `start_response` was not called, or its Content-Length is no number.
    fn give_head(&self, exchange: &mut (dyn Exchange + '_)) -> PyResult<()> {
        let mut state = self.state.lock();
        if state.count.is_some() {
            return Ok(());
        }
        let Some(head) = &state.head else {
            return Err(PyRuntimeError::new_err("start_response() was not called before the body"));
        };
        head.check_final().map_err(value_error)?;
        let length = head.content_length().map_err(value_error)?;
        exchange.sink().start(head, length);
        state.count = Some(BodyCount::new(length));
        Ok(())
    }

    /// Counts `data`, which is so many blocks of the body; returns what of it belongs to the response.
    pub(crate) fn admit<'a>(&self, blocks: u64, data: &'a [u8]) -> &'a [u8] {
        if let Some(meter) = self.meter.as_ref() {
            meter.count_writes(blocks);
        }
        self.state.lock().count.as_mut().map_or(&[], |count| count.admit(data))
    }

    /// Sends a block, and waits for the client without the exchange. Does nothing if the request is over.
    fn send_block(&self, detached: &Detached<'_>, data: &[u8]) -> Result<(), SendError> {
        let mut rest = None;
        loop {
            let written = self.exchange.with(detached, |exchange| {
                if rest.is_none() {
                    self.give_head(exchange)?;
                }
                let data = *rest.get_or_insert_with(|| self.admit(u64::from(!data.is_empty()), data));
                if data.is_empty() { Ok(Written::All) } else { Ok::<_, SendError>(exchange.sink().write(data)?) }
            });
            match (written.transpose()?, rest) {
                (Some(Written::Some(length, client)), Some(data)) => {
                    rest = Some(&data[length..]);
                    client.wait(detached);
                }
                _ => return Ok(()),
            }
        }
    }

    /// Passes on what was counted before, and waits for the client without the exchange.
    fn pass_all_on(&self, detached: &Detached<'_>, mut data: &[u8]) -> Result<(), SendError> {
        loop {
            let passed = self.exchange.with(detached, |exchange| exchange.sink().pass_on(data));
            let Some(Written::Some(length, client)) = passed.transpose()? else { return Ok(()) };
            data = &data[length..];
            client.wait(detached);
        }
    }

    /// Announces the length of a file that is the whole body, unless the application has announced one.
    fn announce_length(&self, length: u64) -> Result<Option<u64>, HeadError> {
        let mut state = self.state.lock();
        let announced = state.head.as_ref().map_or(Ok(None), ResponseHead::content_length)?;
        if announced.is_none()
            && let Some(head) = state.head.as_mut()
        {
            head.add(b"Content-Length", length.to_string().as_bytes())?;
        }
        Ok(announced)
    }

    /// Gives `range` to the sink as the whole body.
    fn give_file(&self, exchange: &mut (dyn Exchange + '_), mut range: FileRange) -> Result<(), SendError> {
        let announced = self.announce_length(range.length).map_err(value_error)?;
        self.give_head(exchange)?;
        let complete = announced.is_none_or(|announced| announced <= range.length);
        range.length = announced.map_or(range.length, |announced| announced.min(range.length));
        if let Some(count) = self.state.lock().count.as_mut() {
            *count = BodyCount::of(announced.unwrap_or(range.length), range.length);
        }
        Ok(exchange.sink().send_file(range, complete)?)
    }
}

impl Object<'_, Adapter> {
    /// Gives the head to the sink, unless that was done already.
    ///
    /// # Errors
    /// `start_response` was not called, or its Content-Length is no number.
    pub(crate) fn process_head(&self) -> PyResult<()> {
        let adapter: &Adapter = self;
        if adapter.state.lock().count.is_some() {
            return Ok(());
        }
        adapter.exchange.look(self.py(), |exchange| adapter.give_head(exchange)).unwrap_or(Ok(()))
    }

    /// Takes `data`, which is so many blocks, as the end of the response, without blocking: it is copied.
    ///
    /// # Errors
    /// Those of [`Self::process_head`].
    pub(crate) fn keep(&self, blocks: u64, data: &[u8]) -> PyResult<()> {
        let adapter: &Adapter = self;
        let kept = adapter.exchange.look(self.py(), |exchange| {
            adapter.give_head(exchange)?;
            let data = adapter.admit(blocks, data);
            if !data.is_empty() {
                exchange.sink().keep(data);
            }
            Ok(())
        });
        kept.unwrap_or(Ok(()))
    }

    /// As [`Self::keep`], of what was counted before.
    pub(crate) fn keep_admitted(&self, data: &[u8]) {
        if !data.is_empty() {
            self.exchange.look(self.py(), |exchange| exchange.sink().keep(data));
        }
    }

    /// Sends `data` to the client now, with the thread detached. Empty data processes the head only.
    ///
    /// # Errors
    /// See [`SendError`].
    pub(crate) fn send(&self, data: &Bound<'_, PyBytes>) -> Result<(), SendError> {
        let (adapter, data): (&Adapter, _) = (self, data.as_bytes());
        if data.is_empty() {
            return Ok(self.process_head()?);
        }
        observer::detached(self.py(), adapter.meter.as_ref(), Transfer::Output, |detached| {
            let is_over = adapter.sending.lock();
            if *is_over { Ok(()) } else { adapter.send_block(detached, data) }
        })
    }

    /// Lets no further block follow. Waits, detached, for those that are on their way.
    pub(super) fn stop_sending(&self) {
        let adapter: &Adapter = self;
        match adapter.sending.try_lock() {
            Some(mut is_over) => *is_over = true,
            None => detached(self.py(), |_| *adapter.sending.lock() = true),
        }
    }

    /// Passes on what was counted before, with the thread detached. It may wait on its way for what comes next.
    ///
    /// # Errors
    /// See [`SendError`].
    pub(crate) fn pass_on(&self, data: &[u8]) -> Result<(), SendError> {
        if data.is_empty() {
            return Ok(());
        }
        let adapter: &Adapter = self;
        observer::detached(self.py(), adapter.meter.as_ref(), Transfer::Output, |detached| {
            let is_over = adapter.sending.lock();
            if *is_over { Ok(()) } else { adapter.pass_all_on(detached, data) }
        })
    }

    /// Sends `range` as the whole body; its length is announced unless the application did so.
    ///
    /// # Errors
    /// See [`SendError`].
    pub(crate) fn send_file(&self, range: FileRange) -> Result<(), SendError> {
        let adapter: &Adapter = self;
        let sent = observer::detached(self.py(), adapter.meter.as_ref(), Transfer::Output, |detached| {
            let _sending = adapter.sending.lock();
            adapter.exchange.with(detached, |exchange| adapter.give_file(exchange, range))
        });
        sent.unwrap_or(Ok(()))
    }
}

fn value_error(error: HeadError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// TypeError for an object that should be bytes.
pub(crate) fn not_bytes(what: &str, object: &Bound<'_, PyAny>) -> PyErr {
    let class = object.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("{what} must be bytes, not {class}"))
}

/// Checks and copies status and headers: changing the list afterwards has no effect.
fn head_of(status: &Bound<'_, PyAny>, headers: &Bound<'_, PyAny>) -> PyResult<ResponseHead> {
    let status = native_string(status, "status")?;
    let headers = headers.cast::<PyList>().map_err(|_| PyTypeError::new_err("headers must be a list"))?;
    let mut head = ResponseHead::new(latin1_bytes(status)?).map_err(value_error)?;
    for header in headers.iter() {
        let header = header.cast::<PyTuple>().map_err(|_| PyTypeError::new_err("each header must be a tuple"))?;
        if header.len() != 2 {
            return Err(PyValueError::new_err("each header must be a tuple of name and value"));
        }
        let (name, value) = (header.get_borrowed_item(0)?, header.get_borrowed_item(1)?);
        let name = native_string(&name, "header name")?;
        let value = native_string(&value, "header value")?;
        head.add(latin1_bytes(name)?, latin1_bytes(value)?).map_err(value_error)?;
    }
    Ok(head)
}

fn native_string<'a, 'py>(object: &'a Bound<'py, PyAny>, what: &str) -> PyResult<&'a Bound<'py, PyString>> {
    object.cast::<PyString>().map_err(|_| {
        let class = object.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string());
        PyTypeError::new_err(format!("{what} must be str, not {class}"))
    })
}

/// The exception of an `exc_info` tuple, with its traceback, to be raised again.
fn exception_of(exc_info: &Bound<'_, PyTuple>) -> PyResult<PyErr> {
    if exc_info.len() != 3 {
        return Err(PyTypeError::new_err("exc_info must have three members"));
    }
    let (class, value, traceback) = (exc_info.get_item(0)?, exc_info.get_item(1)?, exc_info.get_item(2)?);
    let value = if value.is_none() { class.call0()? } else { value };
    if !traceback.is_none() {
        value.setattr("__traceback__", traceback)?;
    }
    Ok(PyErr::from_value(value))
}

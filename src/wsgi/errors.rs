//! `wsgi.errors`, and what `sys.stderr` and `sys.stdout` do during a request: text
//! becomes lines of the log (PEP 3333, "Input and Error Streams").

use super::gateway::{ErrorLog, Exchange, ExchangeLoan, Raised, Record, Severity, Source};
use crate::python::class::{Arguments, Attribute, Class, Method, Object, Returns, none, text, unsupported};
use crate::python::detached::detached;
use crate::python::loading;
use crate::python::loan::Loan;
use crate::python::traceback;
use core::cell::RefCell;
use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use parking_lot::Mutex;
use pyo3::exceptions::{PyDeprecationWarning, PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use std::sync::Arc;

/// Where the lines of one request go, and the line that is not complete yet.
#[derive(Default)]
pub(crate) struct RequestErrors {
    pub(crate) exchange: Arc<Loan<ExchangeLoan>>,
    /// The severities of records that the log takes, a bit for each. It is asked under locks of the application, which
    /// nobody may hold for as long as a client likes.
    taken: AtomicU8,
    partial: Mutex<Vec<u8>>,
    /// Whether anyone called a method of the stream: an untouched one serves the next request too.
    touched: AtomicBool,
}

thread_local! {
    /// The request that this thread runs, for the standard streams.
    static CURRENT: RefCell<Option<Arc<RequestErrors>>> = const { RefCell::new(None) };
}

/// The request that what this thread writes belongs to. A script that is being loaded speaks for itself.
fn current() -> Option<Arc<RequestErrors>> {
    CURRENT.with_borrow(Clone::clone).filter(|_| !loading::is_loading())
}

impl RequestErrors {
    /// Makes this the request of the thread while `body` runs, then logs what is left of a line.
    pub(crate) fn during<R>(self: &Arc<Self>, py: Python<'_>, body: impl FnOnce() -> R) -> R {
        /// An output filter may have another request run in the middle of this thread's first one.
        struct Restore(Option<Arc<RequestErrors>>);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        let _restore = Restore(CURRENT.replace(Some(self.clone())));
        let result = body();
        if self.is_touched() {
            self.flush(py);
        }
        result
    }

    pub(crate) fn is_touched(&self) -> bool {
        self.touched.load(Ordering::Relaxed)
    }

    /// Logs an exception with its traceback.
    pub(crate) fn exception(&self, py: Python<'_>, raised: Raised, error: &PyErr) {
        let class = traceback::class_name(py, error);
        let lines = traceback::lines(py, error);
        let lease = self.exchange.current();
        detached(py, |detached| lease.with(detached, |exchange| exchange.log().exception(raised, &class, &lines)));
    }

    /// Remembers what the log takes.
    pub(super) fn learn(&self, log: &dyn ErrorLog) {
        let taken = Severity::ALL.into_iter().filter(|severity| log.takes(*severity));
        self.taken.store(taken.fold(0, |taken, severity| taken | severity.bit()), Ordering::Relaxed);
    }

    fn write(&self, py: Python<'_>, data: &[u8]) -> PyResult<()> {
        self.touched.store(true, Ordering::Relaxed);
        if !self.exchange.is_lent() {
            return Err(PyRuntimeError::new_err("the request of this wsgi.errors is over"));
        }
        let lines = complete_lines(&mut self.partial.lock(), data);
        self.log_lines(py, lines);
        Ok(())
    }

    fn flush(&self, py: Python<'_>) {
        let rest = core::mem::take(&mut *self.partial.lock());
        if !rest.is_empty() {
            self.log_lines(py, vec![line_text(&rest)]);
        }
    }

    fn log_lines(&self, py: Python<'_>, lines: Vec<String>) {
        if lines.is_empty() {
            return;
        }
        let weight = lines.iter().map(|line| line.len() + size_of::<String>()).sum();
        let lease = self.exchange.current();
        detached(py, |detached| {
            lease.defer(detached, weight, move |exchange| lines.iter().for_each(|line| exchange.log().line(line)))
        });
    }
}

/// Whether the log of the request that this thread runs takes records of that severity; `None` if it runs none.
pub(crate) fn takes(severity: Severity) -> Option<bool> {
    Some(current()?.taken.load(Ordering::Relaxed) & severity.bit() != 0)
}

/// Logs a record in the name of the request that this thread runs; `None` if it runs none.
pub(crate) fn record(py: Python<'_>, record: &Record<'_>) -> Option<()> {
    let lease = current()?.exchange.current();
    let Record { severity, text, source } = *record;
    let (text, source) = (text.to_owned(), source.map(|source| (source.file.to_owned(), source.line)));
    let weight = text.len() + size_of::<Severity>() + source.as_ref().map_or(0, |(file, _)| file.len());
    let job = move |exchange: &mut (dyn Exchange + '_)| {
        let source = source.as_ref().map(|(file, line)| Source { file, line: *line });
        exchange.log().record(&Record { severity, text: &text, source });
    };
    detached(py, |detached| lease.defer(detached, weight, job))
}

/// Adds `data` to what was left of a line; returns the lines that are complete now.
fn complete_lines(partial: &mut Vec<u8>, data: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = data;
    while let Some(newline) = rest.iter().position(|byte| *byte == b'\n') {
        partial.extend_from_slice(&rest[..newline]);
        lines.push(line_text(partial));
        partial.clear();
        rest = &rest[newline + 1..];
    }
    partial.extend_from_slice(rest);
    lines
}

fn line_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The Rust side of the binary stream below `wsgi.errors`, `sys.stderr` and `sys.stdout`.
pub(crate) enum LogStream {
    /// `wsgi.errors` of one request.
    Request(Arc<RequestErrors>),
    /// A stream of the process: in the name of the request that the writing thread runs, if any.
    Process { name: &'static str, partial: Mutex<Vec<u8>>, report: fn(&str) },
}

impl Class for LogStream {
    const NAME: &'static CStr = c"mod_wsgi.Log";
    const METHODS: &'static [Method] = &[
        Method::positional(c"write", LogStream::write),
        Method::positional(c"writelines", LogStream::writelines),
        Method::positional(c"flush", LogStream::flush),
        Method::positional(c"close", LogStream::close),
        Method::positional(c"isatty", LogStream::no),
        Method::positional(c"readable", LogStream::no),
        Method::positional(c"seekable", LogStream::no),
        Method::positional(c"writable", LogStream::yes),
        Method::positional(c"fileno", LogStream::fileno),
        Method::END,
    ];
    const ATTRIBUTES: &'static [Attribute] = &[
        Attribute::read_only(c"name", LogStream::name),
        Attribute::read_only(c"closed", LogStream::closed),
        Attribute::read_only(c"encoding", LogStream::encoding),
        Attribute::read_only(c"errors", LogStream::error_handler),
        Attribute::END,
    ];
}

impl LogStream {
    fn write<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        let [Some(data), None] = [arguments.get(0), arguments.get(1)] else {
            return Err(PyTypeError::new_err("write() takes exactly 1 argument"));
        };
        this.put(&as_bytes(&data)?)?;
        none(this.py())
    }

    fn writelines<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        let [Some(lines), None] = [arguments.get(0), arguments.get(1)] else {
            return Err(PyTypeError::new_err("writelines() takes exactly 1 argument"));
        };
        for line in lines.try_iter()? {
            this.put(&as_bytes(&line?)?)?;
        }
        none(this.py())
    }

    fn flush<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        arguments.expect_none()?;
        let py = this.py();
        match &**this {
            Self::Request(errors) => {
                errors.touched.store(true, Ordering::Relaxed);
                errors.flush(py);
            }
            Self::Process { partial, report, .. } => match current() {
                Some(request) => request.flush(py),
                None => {
                    let rest = core::mem::take(&mut *partial.lock());
                    if !rest.is_empty() {
                        py.detach(|| report(&line_text(&rest)));
                    }
                }
            },
        }
        none(py)
    }

    /// The stream belongs to the server: closing it has no effect.
    fn close<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        Self::flush(this, arguments)
    }

    fn yes<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        arguments.expect_none()?;
        Ok(true.into_pyobject(this.py())?.to_owned().into_any())
    }

    fn no<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        arguments.expect_none()?;
        Ok(false.into_pyobject(this.py())?.to_owned().into_any())
    }

    fn fileno<'py>(this: &Object<'py, Self>, _: Arguments<'_, 'py>) -> Returns<'py> {
        Err(unsupported(this.py(), "the server's log has no file descriptor"))
    }

    fn name<'py>(this: &Object<'py, Self>) -> Returns<'py> {
        let name = match &**this {
            Self::Request(_) => "<wsgi.errors>",
            Self::Process { name, .. } => name,
        };
        text(this.py(), name)
    }

    fn closed<'py>(this: &Object<'py, Self>) -> Returns<'py> {
        Ok(false.into_pyobject(this.py())?.to_owned().into_any())
    }

    fn encoding<'py>(this: &Object<'py, Self>) -> Returns<'py> {
        text(this.py(), "utf-8")
    }

    fn error_handler<'py>(this: &Object<'py, Self>) -> Returns<'py> {
        text(this.py(), "replace")
    }
}

impl Object<'_, LogStream> {
    fn put(&self, data: &[u8]) -> PyResult<()> {
        let py = self.py();
        match &**self {
            LogStream::Request(errors) => errors.write(py, data),
            LogStream::Process { partial, report, .. } => {
                if let Some(request) = current() {
                    return request.write(py, data);
                }
                let lines = complete_lines(&mut partial.lock(), data);
                if !lines.is_empty() {
                    py.detach(|| lines.iter().for_each(|line| report(line)));
                }
                Ok(())
            }
        }
    }
}

/// `bytes`, anything with a buffer, or (as the peer still allows, with a warning) `str`.
fn as_bytes(data: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    if let Ok(bytes) = data.cast::<PyBytes>() {
        return Ok(bytes.as_bytes().to_vec());
    }
    let py = data.py();
    if let Ok(text) = data.cast::<PyString>() {
        let warning = py.get_type::<PyDeprecationWarning>();
        PyErr::warn(
            py,
            &warning,
            c"the binary stream of the log was given str; write bytes, or str to the text stream",
            1,
        )?;
        return text.call_method1("encode", ("utf-8", "replace"))?.extract();
    }
    let view = py.import("builtins")?.getattr("memoryview")?.call1((data,))?;
    view.call_method0("tobytes")?.extract()
}

#[cfg(test)]
mod tests {
    use super::complete_lines;

    #[test]
    fn a_line_is_complete_with_its_newline() {
        let mut partial = Vec::new();
        assert_eq!(complete_lines(&mut partial, b"one\ntw"), ["one"]);
        assert_eq!(complete_lines(&mut partial, b"o\n\n"), ["two", ""]);
        assert!(partial.is_empty());
    }

    #[test]
    fn an_incomplete_line_waits() {
        let mut partial = Vec::new();
        assert!(complete_lines(&mut partial, b"half").is_empty());
        assert_eq!(partial, b"half");
    }
}

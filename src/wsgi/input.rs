//! `wsgi.input`: reads the request body on demand (PEP 3333, "Input and Error Streams").

use super::gateway::{Arrived, BodyError, ExchangeLease, RequestBody};
use super::observer;
use crate::metrics::{RequestMeter, Transfer};
use crate::python::class::{Arguments, Class, Method, Next, Object, Returns, none, unsupported};
use crate::python::detached::Detached;
use core::ffi::CStr;
use core::sync::atomic::{AtomicU64, Ordering};
use parking_lot::Mutex;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use std::sync::Arc;

/// As much as is asked of the host at a time when the application names no size.
const BLOCK: usize = 64 * 1024;
/// As much as is asked for at first when the application reads a line; a long line is read in larger blocks.
const LINE_BLOCK: usize = 8 * 1024;

/// The Rust side of `wsgi.input`.
pub(crate) struct Input {
    exchange: ExchangeLease,
    reader: Mutex<Reader>,
    counts: Counts,
    meter: Option<Arc<RequestMeter>>,
}

/// Why a read fails.
#[derive(Debug, PartialEq, Eq)]
enum ReadError {
    /// The request is over.
    Over,
    Body(BodyError),
}

impl From<ReadError> for PyErr {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Over => PyRuntimeError::new_err("the request of this wsgi.input is over"),
            ReadError::Body(BodyError(text)) => PyOSError::new_err(text),
        }
    }
}

impl Class for Input {
    const NAME: &'static CStr = c"mod_wsgi.Input";
    const METHODS: &'static [Method] = &[
        Method::positional(c"read", Input::read),
        Method::positional(c"readline", Input::readline),
        Method::positional(c"readlines", Input::readlines),
        Method::positional(c"close", Input::close),
        Method::positional(c"fileno", Input::fileno),
        Method::END,
    ];
    const NEXT: Option<Next<Self>> = Some(Input::next);
}

impl Input {
    /// The input of a request that `meter` measures, if there is one.
    pub(super) fn new(exchange: ExchangeLease, meter: Option<Arc<RequestMeter>>) -> Self {
        Self { exchange, reader: Mutex::default(), counts: Counts::default(), meter }
    }

    /// How often the host was asked for bytes, and how many the application has got of them.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.counts.reads.load(Ordering::Relaxed), self.counts.given.load(Ordering::Relaxed))
    }

    /// Gives the body to `read`, which may wait for it.
    fn with_body<R>(
        &self,
        detached: &Detached<'_>,
        read: impl FnOnce(&mut dyn RequestBody) -> Result<R, BodyError>,
    ) -> Result<R, ReadError> {
        if !self.exchange.is_lent() {
            return Err(ReadError::Over);
        }
        let mut body = Awaited { exchange: &self.exchange, detached, is_over: false };
        read(&mut body).map_err(|error| if body.is_over { ReadError::Over } else { ReadError::Body(error) })
    }

    /// `read([size])`: all of the body, or exactly `size` bytes unless it ends before.
    fn read<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        let size = size_argument(arguments, "read")?;
        if size == Some(0) {
            return this.nothing(true);
        }
        let data = this.while_detached(|reader, body| reader.read(body, size))?;
        Ok(PyBytes::new(this.py(), &data).into_any())
    }

    /// `readline([size])`: up to and with the next newline, at most `size` bytes.
    fn readline<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        let size = size_argument(arguments, "readline")?;
        if size == Some(0) {
            return this.nothing(false);
        }
        let line = this.while_detached(|reader, body| reader.line(body, size))?;
        Ok(PyBytes::new(this.py(), &line).into_any())
    }

    /// `readlines([hint])`: lines until the body ends or `hint` bytes have been reached.
    fn readlines<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        let hint = size_argument(arguments, "readlines")?.filter(|hint| *hint > 0);
        let lines = PyList::empty(this.py());
        let mut total = 0;
        loop {
            let line = this.while_detached(|reader, body| reader.line(body, None))?;
            if line.is_empty() {
                break;
            }
            total += line.len();
            lines.append(PyBytes::new(this.py(), &line))?;
            if hint.is_some_and(|hint| total >= hint) {
                break;
            }
        }
        Ok(lines.into_any())
    }

    /// `close()` has no effect: the stream belongs to the server.
    fn close<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        arguments.expect_none()?;
        none(this.py())
    }

    fn fileno<'py>(this: &Object<'py, Self>, _: Arguments<'_, 'py>) -> Returns<'py> {
        Err(unsupported(this.py(), "the request body has no file descriptor"))
    }

    fn next<'py>(this: &Object<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let line = this.while_detached(|reader, body| reader.line(body, None))?;
        Ok((!line.is_empty()).then(|| PyBytes::new(this.py(), &line).into_any()))
    }
}

impl<'py> Object<'py, Input> {
    /// Reads with the thread detached. The locks are taken and given back while detached (NOTHING-HELD).
    fn while_detached(
        &self,
        read: impl FnOnce(&mut Reader, &mut dyn RequestBody) -> Result<Vec<u8>, BodyError> + Send,
    ) -> PyResult<Vec<u8>> {
        let input: &Input = self;
        let outcome = observer::detached(self.py(), self.meter.as_ref(), Transfer::Input, |detached| {
            let mut reader = input.reader.lock();
            let data = input.with_body(detached, |body| read(&mut reader, body));
            input.counts.note(&reader);
            data
        });
        Ok(outcome?)
    }

    /// A read of no bytes. It does not wait for the client, nor for another thread that waits for the client: that thread has
    /// asked the client for the body already. `invites` says that a client that waits for `100 Continue` is to get it.
    fn nothing(&self, invites: bool) -> Returns<'py> {
        let input: &Input = self;
        let outcome = observer::detached(self.py(), self.meter.as_ref(), Transfer::Input, |detached| {
            let Some(mut reader) = input.reader.try_lock() else { return Ok(()) };
            input.with_body(detached, |body| reader.nothing(body, invites))
        });
        outcome?;
        Ok(PyBytes::new(self.py(), b"").into_any())
    }
}

/// The body of an exchange, for a thread that waits for it: it has the exchange only while it takes what has arrived.
struct Awaited<'a, 'd> {
    exchange: &'a ExchangeLease,
    detached: &'a Detached<'d>,
    /// The request has ended meanwhile.
    is_over: bool,
}

impl RequestBody for Awaited<'_, '_> {
    fn read(&mut self, want: usize, into: &mut Vec<u8>) -> Result<bool, BodyError> {
        loop {
            match self.exchange.with(self.detached, |exchange| exchange.body().read_now(want, into)) {
                Some(Ok(Arrived::Some)) => return Ok(false),
                Some(Ok(Arrived::All)) => return Ok(true),
                Some(Ok(Arrived::Nothing(arrival))) => arrival.wait(self.detached),
                Some(Err(error)) => return Err(error),
                None => {
                    self.is_over = true;
                    return Err(BodyError("the request is over".into()));
                }
            }
        }
    }
}

/// What is told of the reads of a request, while a thread may be in one of them.
#[derive(Default)]
struct Counts {
    reads: AtomicU64,
    given: AtomicU64,
}

impl Counts {
    fn note(&self, reader: &Reader) {
        let (reads, given) = reader.counts();
        self.reads.store(reads, Ordering::Relaxed);
        self.given.store(given, Ordering::Relaxed);
    }
}

/// The optional size: `None` if missing, None or negative, which means no limit.
fn size_argument(arguments: Arguments<'_, '_>, method: &str) -> PyResult<Option<usize>> {
    if arguments.len() > 1 {
        return Err(PyTypeError::new_err(format!("{method}() takes at most 1 argument ({} given)", arguments.len())));
    }
    let Some(size) = arguments.get(0).filter(|size| !size.is_none()) else { return Ok(None) };
    Ok(usize::try_from(size.extract::<isize>()?).ok())
}

/// Bytes that were read ahead, and how the body ended.
#[derive(Default)]
struct Reader {
    ahead: Vec<u8>,
    /// Where the bytes not yet given begin.
    start: usize,
    /// How often the host was asked, and for how many bytes in all.
    reads: u64,
    fetched: u64,
    ended: bool,
    failed: Option<BodyError>,
}

impl Reader {
    fn counts(&self) -> (u64, u64) {
        (self.reads, self.fetched - self.available().len() as u64)
    }

    fn available(&self) -> &[u8] {
        &self.ahead[self.start..]
    }

    /// The next `length` bytes. Where they are most of the buffer it is given away as it is: a long line is not there twice.
    fn take(&mut self, length: usize) -> Vec<u8> {
        let end = self.start + length;
        let rest = self.ahead.len() - end;
        if length < LINE_BLOCK || rest > length {
            let taken = self.ahead[self.start..end].to_vec();
            self.start = end;
            if rest == 0 {
                self.ahead.clear();
                self.start = 0;
            }
            return taken;
        }
        let rest = self.ahead[end..].to_vec();
        let mut taken = core::mem::replace(&mut self.ahead, rest);
        taken.truncate(end);
        taken.drain(..core::mem::take(&mut self.start));
        taken
    }

    /// Reads from the host into `into`. After a failure every read fails.
    fn fill(&mut self, body: &mut dyn RequestBody, want: usize, into: &mut Vec<u8>) -> Result<(), BodyError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.reads += 1;
        let before = into.len();
        let outcome = body.read(want, into);
        self.fetched += (into.len() - before) as u64;
        match outcome {
            Ok(ended) => {
                self.ended = ended;
                Ok(())
            }
            Err(error) => {
                self.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    /// A read of no bytes, which the host is told of only if it is the first read and `invites` says so.
    fn nothing(&mut self, body: &mut dyn RequestBody, invites: bool) -> Result<(), BodyError> {
        if invites && self.reads == 0 {
            self.fill(body, 0, &mut Vec::new())?;
        }
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn read(&mut self, body: &mut dyn RequestBody, size: Option<usize>) -> Result<Vec<u8>, BodyError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let length = size.map_or(self.available().len(), |size| size.min(self.available().len()));
        let mut data = self.take(length);
        while !self.ended && size.is_none_or(|size| data.len() < size) {
            let want = size.map_or(BLOCK, |size| (size - data.len()).min(BLOCK));
            self.fill(body, want, &mut data)?;
        }
        Ok(data)
    }

    fn line(&mut self, body: &mut dyn RequestBody, size: Option<usize>) -> Result<Vec<u8>, BodyError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        // Each byte is looked at once: what was searched is not searched again when more has come.
        let mut searched = 0;
        loop {
            let there = self.available().len();
            let end = size.map_or(there, |size| size.min(there));
            let newline = self.available()[searched..end].iter().position(|byte| *byte == b'\n');
            if let Some(at) = newline {
                return Ok(self.take(searched + at + 1));
            }
            if size == Some(end) || self.ended {
                return Ok(self.take(end));
            }
            searched = end;
            self.fill_ahead(body)?;
        }
    }

    /// Reads more of a line. What was given is dropped once it is half of the buffer, so that a byte is moved only once and
    /// the buffer holds no more than twice a line and a block.
    fn fill_ahead(&mut self, body: &mut dyn RequestBody) -> Result<(), BodyError> {
        let there = self.available().len();
        if self.start >= there {
            self.ahead.drain(..core::mem::take(&mut self.start));
        }
        let mut ahead = core::mem::take(&mut self.ahead);
        let outcome = self.fill(body, there.clamp(LINE_BLOCK, BLOCK), &mut ahead);
        self.ahead = ahead;
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body that arrives in the pieces given.
    struct Pieces(Vec<&'static [u8]>);

    impl RequestBody for Pieces {
        fn read(&mut self, want: usize, into: &mut Vec<u8>) -> Result<bool, BodyError> {
            if want == 0 {
                return Ok(false);
            }
            let Some(piece) = self.0.first_mut() else { return Ok(true) };
            if *piece == b"!" {
                return Err(BodyError("connection reset".into()));
            }
            let length = want.min(piece.len());
            into.extend_from_slice(&piece[..length]);
            *piece = &piece[length..];
            if piece.is_empty() {
                self.0.remove(0);
            }
            Ok(false)
        }
    }

    fn lines(pieces: &[&'static [u8]], size: Option<usize>) -> Vec<Vec<u8>> {
        let (mut reader, mut body) = (Reader::default(), Pieces(pieces.to_vec()));
        let mut lines = Vec::new();
        loop {
            let line = reader.line(&mut body, size).expect("the body is whole");
            if line.is_empty() {
                return lines;
            }
            lines.push(line);
        }
    }

    #[test]
    fn read_without_size_returns_everything() {
        let (mut reader, mut body) = (Reader::default(), Pieces(vec![b"ab", b"cd", b"e"]));
        assert_eq!(reader.read(&mut body, None), Ok(b"abcde".to_vec()));
        assert_eq!(reader.read(&mut body, None), Ok(Vec::new()));
    }

    #[test]
    fn read_with_size_loops_over_short_reads() {
        let (mut reader, mut body) = (Reader::default(), Pieces(vec![b"ab", b"cd", b"e"]));
        assert_eq!(reader.read(&mut body, Some(3)), Ok(b"abc".to_vec()));
        assert_eq!(reader.read(&mut body, Some(9)), Ok(b"de".to_vec()));
    }

    #[test]
    fn readline_keeps_the_newline_and_spans_pieces() {
        assert_eq!(
            lines(&[b"one\ntw", b"o\n", b"three"], None),
            [b"one\n".to_vec(), b"two\n".to_vec(), b"three".to_vec()]
        );
    }

    #[test]
    fn readline_with_size_stops_at_the_size_or_the_newline() {
        assert_eq!(lines(&[b"ab\nc"], Some(2)), [b"ab".to_vec(), b"\n".to_vec(), b"c".to_vec()]);
        assert_eq!(lines(&[b"abc\n"], Some(9)), [b"abc\n".to_vec()]);
    }

    #[test]
    fn only_a_line_feed_ends_a_line() {
        assert_eq!(lines(&[b"a\rb\r\nc"], None), [b"a\rb\r\n".to_vec(), b"c".to_vec()]);
    }

    #[test]
    fn read_continues_where_readline_stopped() {
        let (mut reader, mut body) = (Reader::default(), Pieces(vec![b"one\ntwo", b"three"]));
        assert_eq!(reader.line(&mut body, None), Ok(b"one\n".to_vec()));
        assert_eq!(reader.read(&mut body, Some(5)), Ok(b"twoth".to_vec()));
        assert_eq!(reader.read(&mut body, None), Ok(b"ree".to_vec()));
    }

    #[test]
    fn after_an_error_every_read_fails() {
        let (mut reader, mut body) = (Reader::default(), Pieces(vec![b"ab", b"!"]));
        let error = BodyError("connection reset".into());
        assert_eq!(reader.read(&mut body, None), Err(error.clone()));
        assert_eq!(reader.read(&mut body, Some(1)), Err(error.clone()));
        assert_eq!(reader.read(&mut body, Some(0)), Err(error));
    }

    #[test]
    fn bytes_that_satisfy_a_read_are_returned_before_the_error() {
        let (mut reader, mut body) = (Reader::default(), Pieces(vec![b"ab", b"!"]));
        assert_eq!(reader.read(&mut body, Some(2)), Ok(b"ab".to_vec()));
        assert!(reader.read(&mut body, Some(1)).is_err());
    }
}

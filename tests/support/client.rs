//! An HTTP/1.1 client that hides nothing: bytes go out as given, and a response
//! tells how it was framed and whether its end was seen.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// How long a read waits before the test fails: ample, for a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// How the end of a body is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// HEAD, 1xx, 204 and 304 have no body.
    None,
    Length(usize),
    Chunked,
    UntilClose,
}

/// Status line and headers.
#[derive(Clone, Debug)]
pub struct Head {
    pub status_line: String,
    pub status: u16,
    /// In the order of the wire, spelt as on the wire.
    pub headers: Vec<(String, String)>,
}

impl Head {
    fn parse(block: &str) -> Self {
        let mut lines = block.split("\r\n");
        let status_line = lines.next().unwrap_or_default().to_owned();
        let status = status_line.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {status_line:?}"));
        let header = |line: &str| {
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no header: {line:?}"));
            (name.to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned())
        };
        Self { status, status_line, headers: lines.filter(|line| !line.is_empty()).map(header).collect() }
    }

    /// All values of a header, in the order of the wire.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The value of a header that must not be repeated.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let values = self.values(name);
        assert!(values.len() < 2, "{name} is repeated: {values:?}");
        values.first().copied()
    }

    fn framing(&self, to_head: bool) -> Framing {
        if to_head || self.status < 200 || [204, 304].contains(&self.status) {
            return Framing::None;
        }
        if self.values("Transfer-Encoding").iter().any(|value| value.eq_ignore_ascii_case("chunked")) {
            return Framing::Chunked;
        }
        match self.header("Content-Length") {
            Some(length) => Framing::Length(length.parse().expect("Content-Length is a number")),
            None => Framing::UntilClose,
        }
    }
}

/// A response as far as it came.
#[derive(Clone)]
pub struct Response {
    pub head: Head,
    pub status: u16,
    /// The statuses of interim responses that came before it: `[100]`.
    pub interim: Vec<u16>,
    pub framing: Framing,
    pub body: Vec<u8>,
    /// Sizes of the chunks, the last empty one left out.
    pub chunks: Vec<usize>,
    /// False when the connection ended before the body did. A body that ends
    /// with the connection is always complete.
    pub complete: bool,
}

impl Response {
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    pub fn values(&self, name: &str) -> Vec<&str> {
        self.head.values(name)
    }

    #[track_caller]
    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("the body is text")
    }

    /// Shows that the answer is complete and is this one.
    #[track_caller]
    pub fn assert(&self, status: u16, body: &str) {
        assert_eq!((self.status, String::from_utf8_lossy(&self.body).as_ref()), (status, body), "{self:?}");
        assert!(self.complete, "the response was cut short: {self:?}");
    }

    /// Shows that this is a whole page of httpd's own, which tells the client
    /// nothing of the application.
    #[track_caller]
    pub fn assert_error_page(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.complete, "the page was cut short: {self:?}");
        let page = self.text();
        assert_eq!(page.matches("<!DOCTYPE HTML").count(), 1, "not one page of httpd: {page:?}");
        assert!(page.trim_end().ends_with("</html>"), "something follows the page: {page:?}");
        for secret in ["Traceback", ".py", ".wsgi", "Error:", "WSGI0"] {
            assert!(!page.contains(secret), "the page tells {secret:?}: {page}");
        }
    }

    /// Shows that the client can tell that the body is not whole.
    #[track_caller]
    pub fn assert_cut_short(&self, status: u16, body_so_far: &str) {
        assert_eq!((self.status, String::from_utf8_lossy(&self.body).as_ref()), (status, body_so_far), "{self:?}");
        assert!(!self.complete, "the response looks complete: {self:?}");
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.complete { "complete" } else { "cut short" };
        writeln!(out, "{} {:?}, {end}", self.head.status_line, self.framing)?;
        for (name, value) in &self.head.headers {
            writeln!(out, "{name}: {value}")?;
        }
        write!(out, "{:?}", String::from_utf8_lossy(&self.body[..self.body.len().min(2000)]))
    }
}

/// A request built up piece by piece and sent over a connection of its own.
pub struct Request {
    port: u16,
    method: String,
    head: String,
    body: Vec<u8>,
    close: bool,
}

impl Request {
    pub fn new(port: u16, method: &str, target: &str) -> Self {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
        Self { port, method: method.to_owned(), head, body: Vec::new(), close: true }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head += &format!("{name}: {value}\r\n");
        self
    }

    /// A body, with its Content-Length.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        let length = self.body.len().to_string();
        self.header("Content-Length", &length)
    }

    /// A body in chunks of these contents.
    pub fn chunked(mut self, chunks: &[&str]) -> Self {
        for chunk in chunks {
            self.body.extend_from_slice(format!("{:x}\r\n{chunk}\r\n", chunk.len()).as_bytes());
        }
        self.body.extend_from_slice(b"0\r\n\r\n");
        self.header("Transfer-Encoding", "chunked")
    }

    /// Leaves it to the server to close the connection.
    pub fn keep_alive(mut self) -> Self {
        self.close = false;
        self
    }

    #[track_caller]
    pub fn send(self) -> Response {
        self.send_on().1
    }

    /// The connection comes back too, to see what becomes of it.
    #[track_caller]
    pub fn send_on(self) -> (Connection, Response) {
        let close = if self.close { "Connection: close\r\n" } else { "" };
        let mut connection = Connection::open(self.port);
        connection.send([format!("{}{close}\r\n", self.head).as_bytes(), &self.body[..]].concat());
        let response = connection.response_to(&self.method);
        (connection, response)
    }
}

/// A connection to the server.
pub struct Connection {
    stream: TcpStream,
    port: u16,
    /// Responses read so far.
    served: usize,
    /// Received and not yet looked at.
    ahead: Vec<u8>,
    ended: bool,
}

impl Connection {
    pub fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
        stream.set_nodelay(true).expect("an open socket");
        Self { stream, port, served: 0, ahead: Vec::new(), ended: false }
    }

    /// Sends bytes as they are. A server that has hung up is no error: what it
    /// said before can still be read.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = self.stream.write_all(bytes.as_ref());
        self
    }

    /// Sends a GET request that keeps the connection open.
    pub fn send_get(&mut self, target: &str) -> &mut Self {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    }

    /// Sends a GET request and reads the response to it.
    ///
    /// httpd may close a connection that waits for its next request at any time,
    /// and does so when all its workers are busy. As every HTTP client must, this
    /// one then asks again over a new connection.
    #[track_caller]
    pub fn get(&mut self, target: &str) -> Response {
        self.send_get(target);
        if self.served > 0 && self.ahead.is_empty() && !self.receive(PATIENCE) {
            *self = Self::open(self.port);
            self.send_get(target);
        }
        self.response()
    }

    /// Tells the server that nothing more will be sent.
    pub fn end_sending(&mut self) -> &mut Self {
        let _ = self.stream.shutdown(Shutdown::Write);
        self
    }

    /// The response to a request that is no HEAD.
    #[track_caller]
    pub fn response(&mut self) -> Response {
        self.response_to("GET")
    }

    #[track_caller]
    pub fn response_to(&mut self, method: &str) -> Response {
        let mut interim = Vec::new();
        let mut head = self.head();
        while head.status < 200 {
            interim.push(head.status);
            head = self.head();
        }
        let framing = head.framing(method == "HEAD");
        let (body, chunks, complete) = match framing {
            Framing::None => (Vec::new(), Vec::new(), true),
            Framing::Length(length) => {
                let body = self.up_to(length);
                let complete = body.len() == length;
                (body, Vec::new(), complete)
            }
            Framing::Chunked => self.chunked_body(),
            Framing::UntilClose => (self.rest(), Vec::new(), true),
        };
        self.served += 1;
        Response { status: head.status, head, interim, framing, body, chunks, complete }
    }

    /// The next status line with its headers, be it of an interim response.
    #[track_caller]
    pub fn head(&mut self) -> Head {
        let block = self.through(b"\r\n\r\n");
        let block = String::from_utf8_lossy(&block);
        assert!(block.ends_with("\r\n\r\n"), "the connection ended within the head: {block:?}");
        Head::parse(&block)
    }

    /// The content of the next chunk; `None` for the last one or when the
    /// connection ends before the chunk does.
    #[track_caller]
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        match self.read_chunk() {
            Chunk::Content(bytes) => Some(bytes),
            Chunk::Last | Chunk::CutShort(_) => None,
        }
    }

    fn chunked_body(&mut self) -> (Vec<u8>, Vec<usize>, bool) {
        let (mut body, mut sizes) = (Vec::new(), Vec::new());
        loop {
            match self.read_chunk() {
                Chunk::Content(bytes) => {
                    sizes.push(bytes.len());
                    body.extend(bytes);
                }
                Chunk::Last => return (body, sizes, true),
                Chunk::CutShort(bytes) => {
                    body.extend(bytes);
                    return (body, sizes, false);
                }
            }
        }
    }

    fn read_chunk(&mut self) -> Chunk {
        let line = self.through(b"\r\n");
        let line = String::from_utf8_lossy(&line);
        let Some(line) = line.strip_suffix("\r\n") else { return Chunk::CutShort(Vec::new()) };
        let size = usize::from_str_radix(line.trim_end(), 16).unwrap_or_else(|_| panic!("no chunk size: {line:?}"));
        let mut bytes = self.up_to(size + 2);
        if bytes.len() < size + 2 {
            bytes.truncate(size);
            return Chunk::CutShort(bytes);
        }
        assert_eq!(bytes.split_off(size), b"\r\n", "a chunk ends with its line");
        if size == 0 { Chunk::Last } else { Chunk::Content(bytes) }
    }

    /// This many bytes, fewer if the connection ends before.
    pub fn up_to(&mut self, length: usize) -> Vec<u8> {
        while self.ahead.len() < length && self.receive(PATIENCE) {}
        self.ahead.drain(..length.min(self.ahead.len())).collect()
    }

    /// Everything until the connection ends.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.receive(PATIENCE) {}
        std::mem::take(&mut self.ahead)
    }

    /// Bytes through a mark, or all if the connection ends before.
    fn through(&mut self, mark: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.ahead.windows(mark.len()).position(|window| window == mark) {
                return self.ahead.drain(..at + mark.len()).collect();
            }
            if !self.receive(PATIENCE) {
                return std::mem::take(&mut self.ahead);
            }
        }
    }

    /// Shows that the server closes the connection and sends nothing before.
    #[track_caller]
    pub fn assert_closed_within(&mut self, limit: Duration) {
        let begin = Instant::now();
        while !self.ended && begin.elapsed() < limit {
            self.receive_within(limit.saturating_sub(begin.elapsed()));
        }
        let unexpected = String::from_utf8_lossy(&self.ahead);
        assert!(unexpected.is_empty(), "more came after the end: {unexpected:?}");
        assert!(self.ended, "the connection is still open after {limit:?}");
    }

    /// Shows that nothing comes for a while and that the connection stays open.
    #[track_caller]
    pub fn assert_silent_for(&mut self, time: Duration) {
        self.receive_within(time);
        let unexpected = String::from_utf8_lossy(&self.ahead);
        assert!(unexpected.is_empty(), "not silent: {unexpected:?}");
        assert!(!self.ended, "the connection was closed");
    }

    /// Waits for bytes; false at the end of the connection.
    fn receive(&mut self, patience: Duration) -> bool {
        if self.ended {
            return false;
        }
        let came = self.receive_within(patience);
        assert!(
            came || self.ended,
            "nothing came for {patience:?}; so far: {:?}",
            String::from_utf8_lossy(&self.ahead)
        );
        came
    }

    /// Waits for bytes; false at the end of the connection or of the time.
    fn receive_within(&mut self, time: Duration) -> bool {
        let time = time.max(Duration::from_millis(1));
        self.stream.set_read_timeout(Some(time)).expect("a time to wait");
        let mut buffer = vec![0; 65536];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.ended = true,
            Ok(length) => {
                self.ahead.extend_from_slice(&buffer[..length]);
                return true;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            // Whoever stops and continues this process interrupts a read that has a time limit (signal(7)).
            Err(error) if error.kind() == ErrorKind::Interrupted => return self.receive_within(time),
            // A reset ends a connection as well.
            Err(error) => {
                println!("the connection ended: {error}");
                self.ended = true;
            }
        }
        false
    }
}

enum Chunk {
    Content(Vec<u8>),
    Last,
    /// The connection ended; what there was of the content.
    CutShort(Vec<u8>),
}

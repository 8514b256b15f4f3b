//! Clients that keep asking while a server restarts, and lose nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a client waits for bytes before its request counts as lost: ample, as
/// httpd takes seconds to start processes again after a restart.
const PATIENCE: Duration = Duration::from_secs(30);

/// What clients have seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that got their whole answer.
    pub answered: usize,
    /// Requests sent once more, because the server had closed the kept connection.
    pub repeated: usize,
    /// Connections opened.
    pub connections: usize,
}

/// Clients under way, each on a connection that it keeps as long as the server does.
pub struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Tally>>,
}

impl Load {
    /// Starts clients that get `target` again and again and expect this body,
    /// which the server sends with its length.
    pub fn start(port: u16, clients: usize, target: &str, body: &str) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let begin = |_| {
            let (stop, answered, request, body) = (stop.clone(), answered.clone(), request.clone(), body.to_owned());
            thread::spawn(move || ask_until(&stop, &answered, port, request.as_bytes(), body.as_bytes()))
        };
        Self { clients: (0..clients).map(begin).collect(), stop, answered }
    }

    /// Returns when so many more requests have been answered.
    #[track_caller]
    pub fn wait_for_answers(&self, count: usize) {
        let enough = self.answered.load(Ordering::Relaxed) + count;
        let limit = Instant::now() + PATIENCE;
        while self.answered.load(Ordering::Relaxed) < enough {
            assert!(Instant::now() < limit, "clients got no {count} answers in {PATIENCE:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lets each client finish its request. Panics if one of them lost any.
    #[track_caller]
    pub fn stop(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let tallies = self.clients.into_iter().map(|client| client.join().expect("a client that lost nothing"));
        tallies.fold(Tally::default(), |sum, tally| Tally {
            answered: sum.answered + tally.answered,
            repeated: sum.repeated + tally.repeated,
            connections: sum.connections + tally.connections,
        })
    }
}

fn ask_until(stop: &AtomicBool, answered: &AtomicUsize, port: u16, request: &[u8], body: &[u8]) -> Tally {
    let mut tally = Tally::default();
    let mut kept: Option<TcpStream> = None;
    while !stop.load(Ordering::Relaxed) {
        let fresh = kept.is_none();
        let mut stream = kept.take().unwrap_or_else(|| open(port));
        tally.connections += usize::from(fresh);
        match ask(&mut stream, request, body) {
            Answer::Whole { keep } => {
                tally.answered += 1;
                answered.fetch_add(1, Ordering::Relaxed);
                kept = keep.then_some(stream);
            }
            // RFC 9112, 9.3.1: the server may close a connection that it kept at any time.
            Answer::Nothing if !fresh => tally.repeated += 1,
            Answer::Nothing => panic!("a new connection was closed without an answer"),
        }
    }
    tally
}

fn open(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens at all times");
    stream.set_read_timeout(Some(PATIENCE)).expect("an open socket");
    stream.set_nodelay(true).expect("an open socket");
    stream
}

enum Answer {
    Whole { keep: bool },
    Nothing,
}

/// Panics when an answer has begun and is cut, or is another than expected.
fn ask(stream: &mut TcpStream, request: &[u8], body: &[u8]) -> Answer {
    let _ = stream.write_all(request);
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    let whole = loop {
        if let Some(head) = received.windows(4).position(|window| window == b"\r\n\r\n")
            && received.len() >= head + 4 + body.len()
        {
            break head + 4;
        }
        match stream.read(&mut buffer) {
            Ok(0) if received.is_empty() => return Answer::Nothing,
            Ok(0) => panic!("an answer was cut: {:?}", String::from_utf8_lossy(&received)),
            Ok(length) => received.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset && received.is_empty() => return Answer::Nothing,
            Err(error) => panic!("an answer was lost: {error}: {:?}", String::from_utf8_lossy(&received)),
        }
    };
    let text = String::from_utf8_lossy(&received[..whole]);
    assert!(text.starts_with("HTTP/1.1 200 ") && &received[whole..] == body, "another answer: {text:?}");
    Answer::Whole { keep: !text.contains("\r\nConnection: close\r\n") }
}

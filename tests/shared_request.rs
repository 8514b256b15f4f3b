//! A request that several threads of the application work on at the same time: one reads, one sends, others log.

use crate::support::{Builder, GilMode, Httpd, in_both_modes, wait_for};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const CONF: &str = "WSGIScriptAlias / {app}\nWSGIChunkedRequest On\nTimeout 120\nProtocols h2 h2c http/1.1";
const LOGGED: &str = "a thread says something";

fn serving(mode: GilMode) -> Builder {
    Httpd::with(CONF, "shared.py").modules(&["http2"]).gil_mode(mode)
}

/// The ways to a server: how its URL begins, and what curl is told.
const WAYS: [(&str, [&str; 2]); 2] =
    [("{url}", ["--http1.1", "--http2-prior-knowledge"]), ("{tls}", ["--http1.1", "--http2"])];

/// Tries something over HTTP/1.1 and HTTP/2, with and without TLS. The log may hold `expected`.
fn in_all_ways(expected: &[&str], test: impl Fn(&Httpd, &str, &str)) {
    in_both_modes(|mode| {
        for (url, versions) in WAYS {
            let builder = serving(mode);
            let httpd = if url == "{tls}" { builder.tls() } else { builder }.start();
            for version in versions {
                println!("{url} {version}");
                test(&httpd, url, version);
            }
            httpd.finish(expected);
        }
    });
}

/// A connection whose bytes are written here: a client of its own (curl) sends and receives by turns.
struct Wire {
    to: Box<dyn Write>,
    from: Box<dyn Read>,
    seen: Vec<u8>,
    /// The program that encrypts.
    program: Option<Child>,
}

impl Wire {
    fn open(httpd: &Httpd, is_encrypted: bool, is_http2: bool) -> Self {
        let address = format!("127.0.0.1:{}", httpd.port);
        if !is_encrypted {
            let stream = TcpStream::connect(address).expect("the server listens");
            stream.set_read_timeout(Some(Duration::from_secs(30))).expect("an open socket");
            let to = stream.try_clone().expect("a descriptor");
            return Self { to: Box::new(to), from: Box::new(stream), seen: Vec::new(), program: None };
        }
        let protocol = if is_http2 { "h2" } else { "http/1.1" };
        let mut program = Command::new("openssl")
            .args(["s_client", "-quiet", "-connect", &address, "-alpn", protocol])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl runs");
        let (to, from) = (program.stdin.take().expect("a pipe"), program.stdout.take().expect("a pipe"));
        Self { to: Box::new(to), from: Box::new(from), seen: Vec::new(), program: Some(program) }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.to.write_all(bytes).and_then(|()| self.to.flush()).expect("the server reads");
    }

    /// Reads until that text has come. Neither version of HTTP changes it.
    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        while !self.seen.windows(text.len()).any(|bytes| bytes == text.as_bytes()) {
            let mut more = [0; 4096];
            let length = self.from.read(&mut more).expect("the server sends");
            assert!(length > 0, "the end came instead of {text}: {}", String::from_utf8_lossy(&self.seen));
            self.seen.extend_from_slice(&more[..length]);
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(program) = &mut self.program {
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}

/// A frame of HTTP/2 for the first stream, or for the connection.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short frame");
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// The beginning of a request, whose body follows.
fn head(is_http2: bool, path: &str) -> Vec<u8> {
    if !is_http2 {
        return format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
    }
    let mut block = Vec::new();
    for (name, value) in [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", path)] {
        // HPACK: a literal that is not indexed.
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).expect("a short text"));
            block.extend_from_slice(text.as_bytes());
        }
    }
    [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(4, 0, 0, &[]), &frame(1, 4, 1, &block)].concat()
}

fn part(is_http2: bool, data: &str) -> Vec<u8> {
    if is_http2 {
        return frame(0, u8::from(data.is_empty()), 1, data.as_bytes());
    }
    format!("{:x}\r\n{data}\r\n", data.len()).into_bytes()
}

#[test]
fn one_thread_waits_for_the_client_while_another_one_answers() {
    in_all_ways(&[], |httpd, url, version| {
        let is_http2 = version.starts_with("--http2");
        let mut wire = Wire::open(httpd, url == "{tls}", is_http2);
        wire.send(&head(is_http2, "/duplex"));
        wire.wait_for("ready\n");
        for number in 0..20 {
            wire.send(&part(is_http2, &format!("{number}\n")));
            wire.wait_for(&format!("echo {number}\n"));
        }
        wire.send(&part(is_http2, ""));
        wire.wait_for("bye\n");
    });
}

/// The head of a request whose body does not come.
fn stalled(path: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc")
}

#[test]
fn an_answer_waits_neither_for_the_body_nor_for_a_thread_that_reads_it() {
    in_both_modes(|mode| {
        let httpd = serving(mode).start();
        for path in ["/answers_at_once", "/yields_at_once", "/reads_in_a_thread"] {
            let mut connection = httpd.connect();
            // Its end comes long before Timeout.
            connection.send(stalled(path)).response().assert(200, "answer");
        }
        wait_for("the read to fail", || (httpd.get("/what_was_read").text() == "RuntimeError").then_some(()));
        httpd.finish(&[]);
    });
}

#[test]
fn a_client_that_stalls_holds_up_no_other_request() {
    in_both_modes(|mode| {
        let httpd = serving(mode).start();
        let mut uploads = [httpd.connect(), httpd.connect()];
        for upload in &mut uploads {
            upload.send("POST /waits_for_client HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
        }
        let mut downloads = [httpd.connect(), httpd.connect()];
        for download in &mut downloads {
            download.send_get("/fills_client");
            assert_eq!(download.head().status, 200);
        }
        httpd.wait_for_log("a thread waits for its client");
        // What is to be logged waits for no client either.
        httpd.wait_for_log(LOGGED);
        // Far more than one request could take if it had to wait for one of them: they stall for ever.
        for _ in 0..20 {
            httpd.get("/plain").assert(200, "done");
        }
        for upload in &mut uploads {
            upload.send("hello").response().assert(200, "hello");
        }
        drop(downloads);
        httpd.finish(&["a thread waits for its client", LOGGED]);
    });
}

/// Where httpd cannot be asked whether the client has moved, a thread waits with the request in its hands: for a body
/// through a filter that works on its content, and for room in a stream of HTTP/2. It does so outside of Python.
#[test]
fn a_wait_within_httpd_holds_up_no_other_request() {
    let group = "WSGIDaemonProcess group threads=16\nWSGIProcessGroup group\n";
    let conf = |group| format!("{CONF}\n{group}<Location /waits_for_client>\nKeptBodySize 1000\n</Location>\n");
    in_both_modes(|mode| {
        for group in ["", group] {
            let builder = Httpd::with(&conf(group), "shared.py").modules(&["http2", "request"]);
            let httpd = builder.gil_mode(mode).start();
            let mut uploads = [httpd.connect(), httpd.connect()];
            for upload in &mut uploads {
                upload.send("POST /waits_for_client HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
            }
            // Their streams have room for 64 KiB, and get no more.
            let mut downloads = [true, true].map(|is_http2| Wire::open(&httpd, false, is_http2));
            for download in &mut downloads {
                download.send(&head(true, "/fills_client"));
                download.send(&part(true, ""));
                download.wait_for("xxxx");
            }
            wait_for("the threads", || (httpd.get("/how_many_wait").text() == "4").then_some(()));
            for _ in 0..20 {
                httpd.get("/collects").assert(200, "done");
            }
            for upload in &mut uploads {
                upload.send("hello").response().assert(200, "hello");
            }
            drop(downloads);
            let lines = wait_for("the requests to end", || {
                let response = httpd.get("/how_many_lines");
                response.text().strip_suffix(" 2").and_then(|lines| lines.parse::<usize>().ok())
            });
            // None is lost, though httpd may have learnt that the client is gone before it had seen all of them.
            wait_for("their lines", || (httpd.error_log().count(LOGGED) == lines).then_some(()));
            httpd.finish(&["a thread waits for its client", LOGGED]);
        }
    });
}

/// How long each way is used.
const FOR: Duration = Duration::from_secs(2);

#[test]
fn readers_loggers_and_a_writer_share_a_request() {
    let expected: Vec<u8> = (0..200).flat_map(|n| format!("{n:03}{}", "x".repeat(697)).into_bytes()).collect();
    let expected = [&expected[..], b"read 200000"].concat();
    in_all_ways(&[LOGGED], |httpd, url, version| {
        let children = httpd.children();
        let file = httpd.root().join("body");
        std::fs::write(&file, vec![b'y'; 200_000]).expect("a file");
        let (from, target) = (format!("@{}", file.display()), format!("{url}/stress"));
        let ask = |options: &[&str]| {
            let arguments = [version, "--data-binary", &from, "--header", "Expect:", &target];
            httpd.curl(&[&arguments, options].concat())
        };
        let until = Instant::now() + FOR;
        std::thread::scope(|scope| {
            let mut clients = Vec::new();
            for _ in 0..5 {
                clients.push(scope.spawn(|| {
                    while {
                        let output = ask(&[]);
                        let is_whole = output.status.success() && output.stdout == expected;
                        let (length, end) = (output.stdout.len(), output.stdout.len().saturating_sub(60));
                        let end = String::from_utf8_lossy(&output.stdout[end..]);
                        assert!(is_whole, "{}, {length} bytes, {end}", output.status);
                        Instant::now() < until
                    } {}
                }));
            }
            // One goes away in the middle.
            clients.push(scope.spawn(|| {
                while Instant::now() < until {
                    ask(&["--limit-rate", "100K", "--max-time", "0.3"]);
                }
            }));
            clients.into_iter().for_each(|client| client.join().expect("whole answers"));
        });
        assert!(children.iter().all(|child| child.is_alive()), "a child has died");
    });
}

#[test]
fn threads_that_log_for_ever_end_with_their_process() {
    in_both_modes(|mode| {
        let httpd = serving(mode)
            .size("StartServers 1\nServerLimit 3\nThreadsPerChild 4\nMaxRequestWorkers 12\nMinSpareThreads 1\nMaxSpareThreads 12")
            .start();
        for _ in 0..3 {
            let old = httpd.children();
            httpd.get("/logs_for_ever").assert(200, "done");
            httpd.graceful();
            wait_for("the old process to leave", || old.iter().all(|process| !process.is_alive()).then_some(()));
        }
        httpd.get("/plain").assert(200, "done");
        httpd.finish(&[LOGGED]);
    });
}

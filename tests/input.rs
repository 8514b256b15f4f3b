//! `wsgi.input`: the request's body as a file (PEP 3333, "Input and Error
//! Streams"), and bodies that are refused, cut short, chunked or waited for.

use crate::support::{Httpd, Response, in_both_modes};
use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(1);
const CHUNKED_ON: &str = "WSGIScriptAlias / {app}\nWSGIChunkedRequest On";

/// Numbers that look random and are the same in every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }

    /// A body of lines, most of them short.
    fn body(&mut self) -> Vec<u8> {
        let lines = self.below(30);
        let mut body = Vec::new();
        for _ in 0..lines {
            let length = [0, 1, 7, 80, 1000, 9000, 70_000][self.below(7)];
            let byte = u8::try_from(32 + self.below(90)).expect("a letter");
            body.resize(body.len() + self.below(length + 1), byte);
            body.extend(std::iter::repeat_n(b'\n', self.below(3)));
        }
        body
    }

    /// `data` in pieces that end anywhere.
    fn pieces<'a>(&mut self, mut data: &'a [u8]) -> Vec<&'a [u8]> {
        let longest = [10, 500, 20_000, 1_000_000][self.below(4)].max(data.len() / 40 + 1);
        let mut pieces = Vec::new();
        while !data.is_empty() {
            let (piece, rest) = data.split_at((1 + self.below(longest)).min(data.len()));
            pieces.push(piece);
            data = rest;
        }
        pieces
    }
}

/// Evaluates an expression that finds this body in `input`.
#[track_caller]
fn with_body(httpd: &Httpd, body: &[u8], expression: &str) -> String {
    let response = httpd.request("POST", "/").header("X-Python", expression).body(body).send();
    assert_eq!(response.status, 200, "{expression}: {response:?}");
    response.text().to_owned()
}

#[test]
fn it_reads_as_a_file_does() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("evaluate.py").gil_mode(mode).start();
        for (expression, value) in [
            ("input.read()", r"b'one\ntwo\nthree'"),
            ("input.read(-1)", r"b'one\ntwo\nthree'"),
            ("input.read(-5)", r"b'one\ntwo\nthree'"),
            ("input.read(None)", r"b'one\ntwo\nthree'"),
            ("(input.read(0), input.read())", r"(b'', b'one\ntwo\nthree')"),
            (
                "(input.readline(0), input.read(3), input.readline(0), input.read())",
                r"(b'', b'one', b'', b'\ntwo\nthree')",
            ),
            ("input.read(5)", r"b'one\nt'"),
            ("input.read(13)", r"b'one\ntwo\nthree'"),
            ("input.read(1000)", r"b'one\ntwo\nthree'"),
            ("input.read(0)", "b''"),
            (
                "(input.read(2), input.read(0), input.read(), input.read(), input.read(1))",
                r"(b'on', b'', b'e\ntwo\nthree', b'', b'')",
            ),
            ("[input.readline() for _ in range(5)]", r"[b'one\n', b'two\n', b'three', b'', b'']"),
            ("[input.readline(n) for n in (2, 2, 0, 9, -1, 2)]", r"[b'on', b'e\n', b'', b'two\n', b'three', b'']"),
            ("input.readlines()", r"[b'one\n', b'two\n', b'three']"),
            ("input.readlines(1)", r"[b'one\n']"),
            ("input.readlines(5)", r"[b'one\n', b'two\n']"),
            ("input.readlines(0)", r"[b'one\n', b'two\n', b'three']"),
            (
                "(input.readlines(), input.readlines(), input.readline(), list(input))",
                r"([b'one\n', b'two\n', b'three'], [], b'', [])",
            ),
            ("list(input)", r"[b'one\n', b'two\n', b'three']"),
            (
                "(next(input), input.read(2), input.readline(), next(input), list(input))",
                r"(b'one\n', b'tw', b'o\n', b'three', [])",
            ),
            ("iter(input) is input", "True"),
            ("(input.close(), input.read(3))", "(None, b'one')"),
            ("type(input.read(1)) is type(input.readline()) is bytes", "True"),
        ] {
            assert_eq!(with_body(&httpd, b"one\ntwo\nthree", expression), value, "{expression}");
        }
        httpd.finish(&[]);
    });
}

#[test]
fn arguments_of_the_wrong_kind_raise() {
    let httpd = Httpd::serving("evaluate.py").start();
    for call in [
        "read(1.5)",
        "read('1')",
        "read(size=1)",
        "read(1, 2)",
        "readline('1')",
        "readline(1, 2)",
        "readlines('1')",
        "close(1)",
    ] {
        assert_eq!(with_body(&httpd, b"x", &format!("input.{call}")), "TypeError", "{call}");
    }
    for call in ["seek(0)", "tell()", "readinto(bytearray(1))"] {
        assert_eq!(with_body(&httpd, b"x", &format!("input.{call}")), "AttributeError", "{call}");
    }
    assert_eq!(httpd.python("type(input)()"), "TypeError");
    httpd.finish(&[]);
}

#[test]
fn a_request_without_a_body_has_an_empty_one() {
    let httpd = Httpd::serving("evaluate.py").start();
    assert_eq!(httpd.python("(input.read(), input.readline(), input.readlines(), list(input))"), "(b'', b'', [], [])");
    httpd.finish(&[]);
}

#[test]
fn lines_are_whole_wherever_the_network_cut_them() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("evaluate.py").gil_mode(mode).start();
        let mut body = String::new();
        for length in 0..400 {
            writeln!(body, "{}", "x".repeat(length)).expect("a string grows");
        }
        // Longer than any buffer on the way.
        writeln!(body, "{}", "y".repeat(100_000)).expect("a string grows");
        let lengths = "(lambda lines: ([len(line) for line in lines] == [*range(1, 401), 100001]))";
        assert_eq!(with_body(&httpd, body.as_bytes(), &format!("{lengths}(list(input))")), "True");
        assert_eq!(with_body(&httpd, body.as_bytes(), &format!("{lengths}(input.readlines())")), "True");
        assert_eq!(with_body(&httpd, body.as_bytes(), &format!("{lengths}(list(iter(input.readline, b'')))")), "True");
        let pieces = "b''.join(iter(lambda: input.readline(77), b'')).count(b'\\n')";
        assert_eq!(with_body(&httpd, body.as_bytes(), pieces), "401");
        httpd.finish(&[]);
    });
}

/// mod_buffer and mod_request take the body from httpd before the application does.
const BEHIND_FILTERS: &str = "WSGIScriptAlias / {app}\nWSGIChunkedRequest On\n\
    <Location /buffer>\nSetInputFilter BUFFER\nBufferSize 50000\n</Location>\n\
    <Location /request>\nKeptBodySize 1000000\n</Location>";

#[test]
fn any_sequence_of_reads_gives_what_a_file_gives() {
    in_both_modes(|mode| {
        let httpd = Httpd::with(BEHIND_FILTERS, "sequences.py")
            .modules(&["filter", "buffer", "request"])
            .gil_mode(mode)
            .start();
        let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
        for path in ["/", "/buffer", "/request"] {
            let mut connection = httpd.connect();
            for seed in 0..60 {
                let body = numbers.body();
                let is_chunked = seed % 2 == 1;
                let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nX-Seed: {seed}\r\n");
                if is_chunked {
                    connection.send(head + "Transfer-Encoding: chunked\r\n\r\n");
                } else {
                    connection.send(format!("{head}Content-Length: {}\r\n\r\n", body.len()));
                }
                for piece in numbers.pieces(&body) {
                    if is_chunked {
                        connection.send([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
                    } else {
                        connection.send(piece);
                    }
                }
                if is_chunked {
                    connection.send("0\r\n\r\n");
                }
                let response = connection.response();
                let is_whole = response.status == 200 && response.body == body;
                assert!(is_whole, "{path}, seed {seed}, {} bytes, chunked: {is_chunked}: {response:?}", body.len());
            }
        }
        httpd.finish(&[]);
    });
}

#[test]
fn any_sequence_of_reads_gives_what_a_file_gives_over_tls_and_http2() {
    let conf = format!("Protocols h2 http/1.1\n{BEHIND_FILTERS}");
    let httpd = Httpd::with(&conf, "sequences.py").modules(&["filter", "buffer", "request", "http2"]).tls().start();
    let mut numbers = Numbers(0x0123_4567_89AB_CDEF);
    let file = httpd.root().join("body").display().to_string();
    let from = format!("@{file}");
    for (way, options) in [
        ("TLS", &["--http1.1", "--data-binary", &from][..]),
        ("TLS, chunked", &["--http1.1", "--header", "Transfer-Encoding: chunked", "--data-binary", &from]),
        ("HTTP/2", &["--http2", "--data-binary", &from]),
        ("HTTP/2 without a length", &["--http2", "--header", "Content-Length:", "--data-binary", &from]),
    ] {
        for (seed, path) in (0..10).flat_map(|seed| ["/", "/buffer", "/request"].map(|path| (seed, path))) {
            let body = numbers.body();
            std::fs::write(&file, &body).expect("a file");
            let (url, header) = (format!("{{tls}}{path}"), format!("X-Seed: {seed}"));
            let output = httpd.curl(&[&["--fail", "--header", &header, &url], options].concat());
            let is_whole = output.status.success() && output.stdout == body;
            let given = String::from_utf8_lossy(&output.stdout);
            assert!(is_whole, "{way}, {path}, seed {seed}, {} bytes: {given:.2000}", body.len());
        }
    }
    httpd.finish(&[]);
}

#[test]
fn a_read_of_nothing_waits_for_nobody() {
    in_both_modes(|mode| {
        let httpd = Httpd::with(CHUNKED_ON, "evaluate.py").gil_mode(mode).start();
        for length in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
            let calls = "[input.read(0), input.readline(0), input.read(0)]";
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{length}\r\nConnection: close\r\nX-Python: {calls}\r\n");
            // The client does not send its body.
            let mut connection = httpd.connect();
            connection.send(format!("{head}\r\n"));
            assert_eq!(connection.head().status, 200, "{length}");
            // It is told to go on nevertheless, once.
            let mut connection = httpd.connect();
            connection.send(format!("{head}Expect: 100-continue\r\n\r\n"));
            assert_eq!((connection.head().status, connection.head().status), (100, 200), "{length}");
        }
        httpd.finish(&[]);
    });
}

#[test]
fn a_long_line_costs_no_more_than_the_body_it_is() {
    // Over a thousand blocks: one that is searched and copied again for each of them takes minutes.
    let body = vec![b'x'; 80 << 20];
    let peak = "(lambda: int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) >> 10)";
    for line in ["input.readline()", "next(input)", "input.readlines()[0]", "input.readline(2 ** 40)"] {
        let httpd = Httpd::serving("evaluate.py").start();
        let expression =
            format!("(lambda peak, before: (len({line}), peak() - before))(*(lambda p: (p, p()))({peak}))");
        let answer = with_body(&httpd, &body, &expression);
        let (length, memory) = answer.trim_matches(['(', ')']).split_once(", ").expect("two numbers");
        let memory: usize = memory.parse().expect("a number");
        assert!(length == "83886080" && memory < 2 * 80 + 24, "{line}: {length} bytes took {memory} MiB");
        httpd.finish(&[]);
    }
}

#[test]
fn a_large_body_arrives_unchanged() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("input.py").gil_mode(mode).start();
        let body: Vec<u8> = (0..4_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        let response = httpd.post("/echo", &body);
        assert!(response.status == 200 && response.complete && response.body == body, "not the body that was sent");
        httpd.finish(&[]);
    });
}

#[test]
fn a_body_in_small_pieces_is_waited_for() {
    let httpd = Httpd::serving("evaluate.py").start();
    let mut connection = httpd.connect();
    connection
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nX-Python: (input.read(4), input.readline())\r\n\r\n");
    for piece in ["a", "b", "c", "d", "e", "f"] {
        thread::sleep(Duration::from_millis(30));
        connection.send(piece);
    }
    connection.response().assert(200, "(b'abcd', b'ef')");
    httpd.finish(&[]);
}

#[test]
fn it_ends_where_the_next_request_begins() {
    let httpd = Httpd::serving("input.py").start();
    let mut connection = httpd.connect();
    connection
        .send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /ignore HTTP/1.1\r\nHost: a\r\n\r\n");
    connection.response().assert(200, "abc");
    connection.response().assert(200, "ignored");
    httpd.finish(&[]);
}

#[test]
fn an_unread_body_does_not_harm_the_next_request() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("input.py").gil_mode(mode).start();
        let mut connection = httpd.connect();
        let body = "x".repeat(100_000);
        for _ in 0..3 {
            connection
                .send(format!("POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
            connection.response().assert(200, "ignored");
        }
        httpd.finish(&[]);
    });
}

#[test]
fn input_and_output_may_be_interleaved() {
    let httpd = Httpd::serving("input.py").start();
    let body = "0123456789".repeat(20_000);
    let response = httpd.post("/echo_in_parts", &body);
    response.assert(200, &body);
    httpd.finish(&[]);
}

#[test]
fn after_the_request_it_raises() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("input.py").gil_mode(mode).start();
        httpd.post("/keep", "abc\ndef").assert(200, "kept");
        let error = "RuntimeError";
        httpd.get("/use_what_was_kept").assert(200, &[error; 5].join(" "));
        httpd.finish(&[]);
    });
}

#[test]
fn a_chunked_body_needs_permission() {
    let httpd = Httpd::serving("input.py").log_level("warn wsgi:info").start();
    for _ in 0..3 {
        httpd.request("POST", "/echo").chunked(&["abc"]).send().assert_error_page(411);
    }
    // The operator is told once; that it goes on is at info level.
    let log = httpd.error_log();
    let levels: Vec<_> = log.matching("WSGI0139*WSGIChunkedRequest On").iter().map(|entry| &*entry.level).collect();
    assert_eq!(levels, ["warn", "info", "info"]);
    httpd.get("/was_called").assert(200, "");
    httpd.finish(&["WSGI0139", "loading", "Python"]);
}

#[test]
fn a_chunked_body_is_read_to_its_end() {
    in_both_modes(|mode| {
        let httpd = Httpd::with(CHUNKED_ON, "evaluate.py").gil_mode(mode).start();
        let send = |expression: &str, chunks: &[&str]| -> Response {
            httpd.request("POST", "/").header("X-Python", expression).chunked(chunks).send()
        };
        send("input.read()", &["one\nt", "wo", "\nthree"]).assert(200, r"b'one\ntwo\nthree'");
        send("input.read(7)", &["one\nt", "wo", "\nthree"]).assert(200, r"b'one\ntwo'");
        send("list(input)", &["one\nt", "wo", "\nthree"]).assert(200, r"[b'one\n', b'two\n', b'three']");
        send("(input.read(), input.read())", &[]).assert(200, "(b'', b'')");
        send("'CONTENT_LENGTH' in environ", &["x"]).assert(200, "False");
        send("environ['HTTP_TRANSFER_ENCODING']", &["x"]).assert(200, "'chunked'");

        let mut connection = httpd.connect();
        connection.send("POST / HTTP/1.1\r\nHost: a\r\nX-Python: input.read()\r\nTransfer-Encoding: Chunked\r\n\r\n");
        connection.send("3;extension=1\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n");
        connection.response().assert(200, "b'abc'");
        // What follows the trailers is the next request.
        connection.send("GET / HTTP/1.1\r\nHost: a\r\nX-Python: input.read()\r\n\r\n").response().assert(200, "b''");
        httpd.finish(&[]);
    });
}

#[test]
fn an_unread_chunked_body_does_not_harm_the_next_request() {
    let httpd = Httpd::with(CHUNKED_ON, "input.py").start();
    let mut connection = httpd.connect();
    connection.send("POST /ignore HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    connection.response().assert(200, "ignored");
    connection.get("/ignore").assert(200, "ignored");
    httpd.finish(&[]);
}

#[test]
fn other_transfer_encodings_are_refused() {
    let httpd = Httpd::with(CHUNKED_ON, "input.py").start();
    let mut connection = httpd.connect();
    connection.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    let response = connection.response();
    // httpd's core may refuse it first.
    assert!([400, 501].contains(&response.status), "{response:?}");
    response.assert_error_page(response.status);
    let served = httpd.get("/was_called");
    served.assert(200, "");
    let log = httpd.error_log();
    let expected: &[&str] = if log.count("WSGI0138") > 0 { &["WSGI0138"] } else { &[] };
    httpd.finish(expected);
}

#[test]
fn chunks_win_over_a_length_and_end_the_connection() {
    let httpd = Httpd::with(CHUNKED_ON, "input.py").start();
    let mut connection = httpd.connect();
    connection.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    connection.response().assert(200, "abc");
    connection.assert_closed_within(SOON);
    httpd.finish(&[]);
}

#[test]
fn a_body_over_the_limit_is_refused_before_python_runs() {
    let builder = Httpd::with("WSGIScriptAlias / {app}\nLimitRequestBody 100", "input.py");
    let httpd = builder.log_level("warn wsgi:info").start();
    httpd.post("/echo", "x".repeat(100)).assert(200, &"x".repeat(100));
    httpd.post("/echo", "x".repeat(101)).assert_error_page(413);
    let mut connection = httpd.connect();
    let response = connection
        .send("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 101\r\n\r\n")
        .response();
    response.assert_error_page(413);
    assert_eq!(response.interim, [0_u16; 0]);
    httpd.get("/was_called").assert(200, "/echo");
    // httpd's own word on it, from 2.4.x on.
    let said: &[&str] = if httpd.error_log().count("AH01588:") > 0 { &["AH01588:"] } else { &[] };
    let ours = "WSGI1001: the request body of 101 bytes is larger than LimitRequestBody 100 allows";
    assert_eq!(httpd.error_log().count(ours), 2, "{:#?}", httpd.error_log());
    httpd.finish(&[&[ours, "loading", "Python * started"], said].concat());
}

#[test]
fn a_chunked_body_over_the_limit_is_refused_when_it_is_read() {
    in_both_modes(|mode| {
        let conf = "WSGIScriptAlias / {app}\nWSGIChunkedRequest On\nLimitRequestBody 100";
        let httpd = Httpd::with(conf, "input.py").gil_mode(mode).start();
        let long = "x".repeat(60);
        let answer = |path: &str| httpd.request("POST", path).chunked(&[&long, &long]).send();
        // The application did not handle the error; the page says whose fault it was.
        answer("/echo").assert_error_page(413);
        // It goes on regardless: still one answer and not two glued together.
        let response = answer("/swallow");
        if response.status == 200 {
            response.assert(200, "swallowed");
        } else {
            response.assert_error_page(413);
        }
        answer("/ignore").assert(200, "ignored");
        let log = httpd.error_log();
        let expected = ["WSGI0174", "OSError: ", "AH01591:"];
        httpd.finish(&expected.into_iter().filter(|line| log.count(line) > 0).collect::<Vec<_>>());
    });
}

#[test]
fn a_malformed_chunk_is_the_clients_fault() {
    let httpd = Httpd::with(CHUNKED_ON, "input.py").start();
    for (path, expected) in [("/echo", 400), ("/swallow", 400)] {
        let mut connection = httpd.connect();
        connection.send(format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n"));
        let response = connection.response();
        if response.status == 200 {
            response.assert(200, "swallowed");
        } else {
            response.assert_error_page(expected);
        }
        connection.assert_closed_within(SOON);
    }
    let log = httpd.error_log();
    let expected = ["WSGI0174", "OSError: ", "AH01590:"];
    httpd.finish(&expected.into_iter().filter(|line| log.count(line) > 0).collect::<Vec<_>>());
}

#[test]
fn the_client_is_told_to_continue_at_the_first_read() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("input.py").gil_mode(mode).start();
        let head = |path: &str| {
            format!("POST {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        };

        let mut reads = httpd.connect();
        reads.send(head("/echo"));
        assert_eq!(reads.head().status, 100);
        reads.send("abc").response().assert(200, "abc");

        // Not before the application reads.
        let mut waits = httpd.connect();
        waits.send(head("/wait_and_echo")).assert_silent_for(Duration::from_millis(300));
        httpd.get("/release").assert(200, "released");
        assert_eq!(waits.head().status, 100);
        waits.send("abc").response().assert(200, "abc");

        // Not if it never reads. (On a connection to be kept httpd would wait for the unread body.)
        let response =
            httpd.connect().send(head("/ignore").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).response();
        response.assert(200, "ignored");
        assert_eq!(response.interim, [0_u16; 0]);

        // Not once the response has begun; the body is waited for without it.
        let mut answered = httpd.connect();
        answered.send(head("/answer_and_echo"));
        thread::sleep(Duration::from_millis(200));
        let response = answered.send("abc").response();
        response.assert(200, "body:abc");
        assert_eq!(response.interim, [0_u16; 0]);
        httpd.finish(&[]);
    });
}

#[test]
fn a_body_cut_short_raises_when_what_is_missing_is_needed() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("evaluate.py").gil_mode(mode).start();
        for (expression, value) in [
            ("input.read()", "OSError"),
            ("input.read(8)", "OSError"),
            ("input.read(6)", r"b'on\ntwo'"),
            ("(input.readline(), attempt(input.readline))", r"(b'on\n', 'OSError')"),
            ("input.readlines()", "OSError"),
            ("list(input)", "OSError"),
            // Once failed, always failed.
            (
                "[attempt(call) for call in (input.read, input.read, input.readline, input.readlines, input.__next__)]",
                "['OSError', 'OSError', 'OSError', 'OSError', 'OSError']",
            ),
        ] {
            let mut connection = httpd.connect();
            connection.send(format!(
                "POST / HTTP/1.1\r\nHost: a\r\nX-Python: {expression}\r\nContent-Length: 10\r\n\r\non\ntwo"
            ));
            let response = connection.end_sending().response();
            response.assert(200, value);
            connection.assert_closed_within(SOON);
        }
        httpd.finish(&[]);
    });
}

#[test]
fn a_client_that_stalls_raises_after_the_timeout() {
    let httpd = Httpd::with("WSGIScriptAlias / {app}\nTimeout 1", "evaluate.py").start();
    let mut connection = httpd.connect();
    let begin = Instant::now();
    connection.send("POST / HTTP/1.1\r\nHost: a\r\nX-Python: input.read()\r\nContent-Length: 10\r\n\r\npart");
    connection.response().assert(200, "OSError");
    let elapsed = begin.elapsed();
    assert!((Duration::from_millis(800)..Duration::from_secs(4)).contains(&elapsed), "{elapsed:?}");
    httpd.finish(&[]);
}

#[test]
fn a_body_that_a_filter_made_longer_is_read_to_its_end() {
    // 5000 times "x", gzipped.
    let gzipped: &[u8] = &[
        31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 237, 193, 49, 1, 0, 0, 0, 194, 160, 218, 139, 111, 10, 63, 160, 0, 0, 0, 0,
        128, 183, 1, 38, 240, 219, 0, 136, 19, 0, 0,
    ];
    let conf = "WSGIScriptAlias / {app}\n<Location />\nSetInputFilter DEFLATE\n</Location>";
    let httpd = Httpd::with(conf, "evaluate.py").modules(&["filter", "deflate"]).start();
    let request = httpd.request("POST", "/").header("Content-Encoding", "gzip");
    let expression = "(input.read() == b'x' * 5000, int(environ['CONTENT_LENGTH']) < 5000)";
    request.header("X-Python", expression).body(gzipped).send().assert(200, "(True, True)");
    httpd.finish(&[]);
}

#[test]
fn a_length_that_another_module_makes_nonsense_of_is_refused() {
    let conf = "WSGIScriptAlias / {app}\nRequestHeader set Content-Length nonsense";
    let httpd = Httpd::with(conf, "input.py").modules(&["headers"]).log_level("warn wsgi:info").start();
    httpd.get("/echo").assert_error_page(400);
    httpd.finish(&["WSGI0141: Content-Length 'nonsense' is not a number", "Python * started"]);
}

//! Over HTTP/2, where httpd serves a request on a thread of mod_http2's own.

use crate::support::{Builder, Httpd, LOG_OF_DEATH, in_both_modes, wait_for};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How a client comes to speak HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wire {
    /// h2c: the client knows beforehand.
    PriorKnowledge,
    /// h2c: the first request is HTTP/1.1 and asks for it.
    Upgrade,
    /// h2: agreed upon while TLS begins (ALPN).
    Tls,
}

impl Wire {
    const ALL: [Self; 3] = [Self::PriorKnowledge, Self::Upgrade, Self::Tls];

    fn serving(self, conf: &str, app: &str) -> Builder {
        let httpd = Httpd::with(&format!("Protocols h2 h2c http/1.1\n{conf}"), app).modules(&["http2"]);
        if self == Self::Tls { httpd.tls() } else { httpd }
    }

    fn option(self) -> &'static str {
        if self == Self::PriorKnowledge { "--http2-prior-knowledge" } else { "--http2" }
    }

    fn url(self, path: &str) -> String {
        if self == Self::Tls { format!("{{tls}}{path}") } else { format!("{{url}}{path}") }
    }

    fn scheme(self) -> &'static str {
        if self == Self::Tls { "https" } else { "http" }
    }

    fn command(self, httpd: &Httpd, path: &str, options: &[&str]) -> Command {
        httpd.curl_command(&[&[self.option(), "--no-buffer", &self.url(path)], options].concat())
    }

    /// Asks for a path: curl's exit status, and what it received.
    fn ask(self, httpd: &Httpd, path: &str, options: &[&str]) -> (Option<i32>, String) {
        let output = self.command(httpd, path, options).output().expect("curl runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Shows that a path is answered with all of this.
    #[track_caller]
    fn assert_answer(self, httpd: &Httpd, path: &str, options: &[&str], expected: &str) {
        let (code, text) = self.ask(httpd, path, options);
        assert!(code == Some(0) && text == expected, "{self:?} {path}: {code:?} {text:.200}");
    }
}

impl Wire {
    /// Shows that the response of `failures.py` to this path ends with a reset of its stream.
    #[track_caller]
    fn assert_reset(self, httpd: &Httpd, path: &str) {
        if self == Self::Upgrade {
            // curl may call it a partial file where the reset is among the bytes right behind the upgrade.
            let output = nghttp(self, httpd, &[path]).arg("--upgrade").output().expect("nghttp runs");
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(text.contains("recv RST_STREAM frame <length=4, flags=0x00, stream_id=1>"), "{path}: {text}");
            return assert!(!text.contains("END_STREAM"), "{path} was whole: {text}");
        }
        let (code, text) = self.ask(httpd, path, &[]);
        assert_eq!(code, STREAM_WAS_RESET, "{self:?} {path}: {text}");
        // A reset may overtake what was sent before it.
        assert!("so far".starts_with(&text), "{self:?} {path}: {text}");
    }
}

/// curl's exit status when the server has reset the stream.
const STREAM_WAS_RESET: Option<i32> = Some(92);

const ONE_APP: &str = "WSGIScriptAlias / {app}\n";

/// The applications iteration.py, and failures.py below `/failures`.
const ITERATION_AND_FAILURES: &str = "WSGIScriptAlias /failures {apps}/failures.py\nWSGIScriptAlias / {app}\n";

/// Sends a body whose length nobody knows beforehand.
fn upload(mut command: Command, body: &str) -> (Option<i32>, String) {
    command.args(["--upload-file", "-", "--request", "POST"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut curl = command.spawn().expect("curl runs");
    curl.stdin.take().expect("a pipe").write_all(body.as_bytes()).expect("curl reads");
    let output = curl.wait_with_output().expect("curl ends");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The answer to a body that is refused. mod_http2 now and then resets such a stream before it has sent the answer, as it
/// does for any response that does not wait for the body (`Redirect 413`): then the client asks again.
fn unless_reset(ask: impl Fn() -> (Option<i32>, String)) -> (Option<i32>, String) {
    let answers = (0..10).map(|_| ask());
    answers.into_iter().find(|answer| answer.0 != STREAM_WAS_RESET).expect("one answer in ten attempts")
}

fn spawn(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).spawn().expect("a client")
}

#[track_caller]
fn expect(client: &mut Child, text: &str) {
    let mut buffer = vec![0; text.len()];
    client.stdout.as_mut().expect("a pipe").read_exact(&mut buffer).expect("the client receives this much");
    assert_eq!(String::from_utf8_lossy(&buffer), text);
}

#[test]
fn requests_and_responses_of_any_size_pass() {
    in_both_modes(|mode| {
        for group in ["%{GLOBAL}", "%{RESOURCE}"] {
            for wire in [Wire::PriorKnowledge, Wire::Tls] {
                let conf = format!("{ONE_APP}WSGIApplicationGroup {group}");
                let httpd = wire.serving(&conf, "http2.py").gil_mode(mode).start();
                wire.assert_answer(&httpd, "/protocol", &[], &format!("HTTP/2.0 {}", wire.scheme()));
                let body = "0123456789".repeat(10_000);
                wire.assert_answer(&httpd, "/echo", &["--data-binary", &body], &body);
                wire.assert_answer(&httpd, "/large", &[], &"x".repeat(64 * 65536));
                httpd.finish(&[]);
            }
        }
    });
}

#[test]
fn the_environ_tells_protocol_and_scheme() {
    for wire in Wire::ALL {
        let conf = format!("{ONE_APP}<Location /variables>\nSSLOptions +StdEnvVars\n</Location>");
        let conf = if wire == Wire::Tls { &conf } else { ONE_APP };
        let httpd = wire.serving(conf, "environ.py").start();
        for (path, has_ssl_variables) in [("/", false), ("/variables", wire == Wire::Tls)] {
            let (code, text) = wire.ask(&httpd, path, &[]);
            let environ = format!("\n{text}");
            let has = |line: &str| environ.contains(&format!("\n{line}\n"));
            println!("{wire:?} {path} {code:?} {environ}");
            assert_eq!(code, Some(0));
            assert!(has("SERVER_PROTOCOL='HTTP/2.0'") && has("REQUEST_METHOD='GET'") && has("HTTP2='on'"));
            assert!(has(&format!("wsgi.url_scheme='{}'", wire.scheme())));
            assert!(has(&format!("REQUEST_SCHEME='{}'", wire.scheme())));
            assert!(has(&format!("HTTP_HOST='127.0.0.1:{}'", httpd.port)));
            assert!(has(&format!("PATH_INFO='{path}'")) && has("QUERY_STRING=''") && has("wsgi.input_terminated=True"));
            assert_eq!(environ.contains("\nSSL_PROTOCOL='TLS"), has_ssl_variables);
            for absent in ["HTTPS=", "CONTENT_LENGTH=", "HTTP_TRANSFER_ENCODING="] {
                assert!(!environ.contains(&format!("\n{absent}")), "{absent}");
            }
        }
        httpd.finish(&[]);
    }
}

#[test]
fn a_body_of_unknown_length_needs_permission() {
    for wire in [Wire::PriorKnowledge, Wire::Tls] {
        let httpd = wire.serving(ONE_APP, "http2.py").file("body", "abc").log_level("warn wsgi:info").start();
        let mut nghttp = nghttp(wire, &httpd, &["/echo"]);
        nghttp.arg("--no-content-length").arg("--data").arg(httpd.root().join("body"));
        let output = nghttp.output().expect("nghttp runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(":status: 411\n"), "{wire:?}: {text}");
        // A body of known length needs none.
        wire.assert_answer(&httpd, "/echo", &["--data-binary", "abc"], "abc");
        httpd.finish(&["WSGI0139", "loading", "Python"]);
    }
}

/// A client that writes its frames itself: one request over a connection of its own.
struct Frames(TcpStream);

impl Frames {
    /// Sends the head of a request, and does not say that it has no body.
    fn send_head(httpd: &Httpd, method: &str, expression: &str) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", httpd.port)).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("an open socket");
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("the server reads");
        let mut block = Vec::new();
        let fields = [(":method", method), (":scheme", "http"), (":authority", "a"), (":path", "/")];
        for (name, value) in fields.into_iter().chain([("x-python", expression)]) {
            // HPACK: a literal that is not indexed.
            block.push(0);
            for text in [name, value] {
                block.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("a short text"));
                block.extend_from_slice(text.as_bytes());
            }
        }
        let mut client = Self(stream);
        client.send(4, 0, 0, &[]);
        client.send(1, 4, 1, &block);
        client
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u8, payload: &[u8]) {
        let length = u16::try_from(payload.len()).expect("a short frame").to_be_bytes();
        let head = [0, length[0], length[1], kind, flags, 0, 0, 0, stream];
        self.0.write_all(&[&head[..], payload].concat()).expect("the server reads");
    }

    /// Sends bytes of the body, be it none.
    fn send_data(&mut self, data: &[u8], is_last: bool) {
        self.send(0, u8::from(is_last), 1, data);
    }

    /// The first byte of the header block, and the body.
    fn response(&mut self) -> (u8, String) {
        let (mut first, mut body) = (0, Vec::new());
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).expect("a frame");
            let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
            self.0.read_exact(&mut payload).expect("the rest of the frame");
            match head[3] {
                0 => body.extend_from_slice(&payload),
                1 => first = payload[0],
                3 | 7 => panic!("the stream or the connection was given up: {head:?} {payload:?}"),
                _ => continue,
            }
            if head[4] & 1 != 0 {
                return (first, String::from_utf8_lossy(&body).into_owned());
            }
        }
    }
}

impl Frames {
    /// The first bytes of the body of the response.
    fn first_data(&mut self) -> String {
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).expect("a frame");
            let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
            self.0.read_exact(&mut payload).expect("the rest of the frame");
            if head[3] == 0 {
                return String::from_utf8_lossy(&payload).into_owned();
            }
        }
    }
}

/// `:status: 200` in the table of HPACK.
const OK: u8 = 0x88;

#[test]
fn a_body_that_nobody_reads_does_not_cost_the_response() {
    let conf = format!(
        "WSGIScriptAlias /fails {{apps}}/error_documents.py callable-object=raises\n{ONE_APP}WSGIChunkedRequest On"
    );
    let httpd = Wire::PriorKnowledge.serving(&conf, "evaluate.py").app("error_documents.py").start();
    for _ in 0..40 {
        let mut client = Frames::send_head(&httpd, "POST", "1");
        client.send_data(b"a short body", true);
        assert_eq!(client.response(), (OK, "1".to_owned()));
        let options = ["--data", "a short body", "--output", "/dev/null", "--write-out", "%{http_code}"];
        Wire::PriorKnowledge.assert_answer(&httpd, "/fails", &options, "500");
    }
    // A client that does not end its request has its response, and waits for no more than the end of it.
    let mut client = Frames::send_head(&httpd, "POST", "1");
    client.send_data(b"a part", false);
    assert_eq!(client.first_data(), "1");
    drop(client);
    httpd.finish(&["WSGI0174", "ValueError: no page"]);
}

#[test]
fn a_response_to_head_has_no_body_however_it_is_made() {
    for wire in Wire::ALL {
        let httpd = wire.serving("WSGIScriptAlias / {app}", "http2.py").start();
        for path in ["/large", "/written", "/protocol"] {
            for _ in 0..5 {
                let options = ["--head", "--output", "/dev/null", "--write-out", "%{http_code} %{size_download}"];
                wire.assert_answer(&httpd, path, &options, "200 0");
            }
        }
        httpd.finish(&[]);
    }
}

#[test]
fn a_response_to_head_that_has_no_end_does_not_run_for_ever() {
    let httpd = Wire::PriorKnowledge.serving("WSGIScriptAlias / {app}", "http2.py").start();
    let options = ["--head", "--output", "/dev/null", "--write-out", "%{http_code} %{size_download}"];
    Wire::PriorKnowledge.assert_answer(&httpd, "/endless", &options, "200 0");
    httpd.wait_for_log("the endless response is closed");
    httpd.finish(&["the endless response is closed"]);
}

#[test]
fn a_request_may_say_late_that_it_has_no_body() {
    for setting in ["Off", "On"] {
        let conf = format!("{ONE_APP}WSGIChunkedRequest {setting}");
        let httpd = Wire::PriorKnowledge.serving(&conf, "evaluate.py").log_level("warn wsgi:info").start();
        let expression = "(input.read(), environ.get('CONTENT_LENGTH'), input.read(1))";
        for method in ["GET", "HEAD", "POST", "DELETE", "OPTIONS"] {
            for pause in [0, 200] {
                let mut client = Frames::send_head(&httpd, method, expression);
                std::thread::sleep(Duration::from_millis(pause));
                client.send_data(b"", true);
                let expected = if method == "HEAD" { "" } else { "(b'', None, b'')" };
                assert_eq!(client.response(), (OK, expected.to_owned()), "{setting} {method} {pause}");
            }
        }
        for pieces in [&[&b"abc"[..], b"def"][..], &[b"", b"abcdef", b""]] {
            let mut client = Frames::send_head(&httpd, "POST", "input.read()");
            for (index, piece) in pieces.iter().enumerate() {
                client.send_data(piece, index + 1 == pieces.len());
            }
            let (status, body) = client.response();
            if setting == "On" {
                assert_eq!((status, &*body), (OK, "b'abcdef'"));
            } else {
                assert!(status != OK && body.contains("<title>411 Length Required</title>"), "{status} {body}");
            }
        }
        httpd.finish(if setting == "On" { &["loading", "Python"] } else { &["WSGI0139", "loading", "Python"] });
    }
}

#[test]
fn an_index_and_an_error_document_may_be_applications() {
    for wire in [Wire::PriorKnowledge, Wire::Tls] {
        let pages: String = [404, 411, 413, 500].iter().map(|code| format!("ErrorDocument {code} /page\n")).collect();
        let conf = format!(
            "WSGIScriptAlias /page {{app}} callable-object=page application-group=pages\nWSGIScriptAlias /echo {{app}}\n\
             WSGIScriptAlias /raises {{app}} callable-object=raises\nDirectoryIndex /page\n{pages}\
             <Location /echo/small>\nLimitRequestBody 10\n</Location>\n\
             <Location /echo/chunks>\nLimitRequestBody 10\nWSGIChunkedRequest On\n</Location>"
        );
        let httpd = wire.serving(&conf, "error_documents.py").modules(&["dir"]).start();
        wire.assert_answer(&httpd, "/", &[], "GET 200 - b''");
        wire.assert_answer(&httpd, "/none", &[], "GET 404 /none b''");
        wire.assert_answer(&httpd, "/raises", &["--data", "abc"], "GET 500 /raises b''");
        let body = "x".repeat(20);
        let small = || wire.ask(&httpd, "/echo/small", &["--data", &body]);
        assert_eq!(unless_reset(small), (Some(0), "GET 413 /echo/small b''".to_owned()), "{wire:?}");
        for (path, status) in [("/echo/any", 411), ("/echo/chunks", 413)] {
            let answer = unless_reset(|| upload(wire.command(&httpd, path, &[]), &body));
            assert_eq!(answer, (Some(0), format!("GET {status} {path} b''")), "{wire:?}");
        }
        httpd.finish(&["WSGI0139", "WSGI0174", "ValueError: no page", "OSError: "]);
    }
}

#[test]
fn a_body_of_unknown_length_is_read_to_its_end() {
    in_both_modes(|mode| {
        for wire in [Wire::PriorKnowledge, Wire::Tls] {
            let conf = format!("{ONE_APP}WSGIChunkedRequest On");
            let httpd = wire.serving(&conf, "evaluate.py").gil_mode(mode).start();
            let send = |expression: &str, body: &str| {
                upload(wire.command(&httpd, "/", &["--header", &format!("X-Python: {expression}")]), body)
            };
            for (expression, body, value) in [
                ("input.read()", "one\ntwo", r"b'one\ntwo'"),
                ("(input.read(3), input.read())", "one\ntwo", r"(b'one', b'\ntwo')"),
                ("list(input)", "one\ntwo", r"[b'one\n', b'two']"),
                ("input.read()", "", "b''"),
                ("len(input.read())", &"x".repeat(1_000_000), "1000000"),
                ("(input.read(), environ.get('CONTENT_LENGTH'))", "x", "(b'x', None)"),
                ("(input.read(), environ['wsgi.input_terminated'])", "x", "(b'x', True)"),
            ] {
                assert_eq!(send(expression, body), (Some(0), value.to_owned()), "{wire:?} {expression}");
            }
            httpd.finish(&[]);
        }
    });
}

#[test]
fn a_body_is_read_while_the_client_sends_it() {
    in_both_modes(|mode| {
        let wire = Wire::PriorKnowledge;
        let conf = format!("{ONE_APP}WSGIChunkedRequest On");
        let httpd = wire.serving(&conf, "evaluate.py").gil_mode(mode).start();
        let expression = "X-Python: [kept.setdefault('lines', []).append(line) for line in input] and kept['lines']";
        let options = ["--upload-file", "-", "--request", "POST", "--header", expression];
        let mut command = wire.command(&httpd, "/", &options);
        command.stdin(Stdio::piped());
        let mut client = spawn(command);
        let mut input = client.stdin.take().expect("a pipe");
        let so_far = ["--header", "X-Python: kept.get('lines')"];
        for (line, read) in [("one\n", r"[b'one\n']"), ("two\n", r"[b'one\n', b'two\n']")] {
            input.write_all(line.as_bytes()).expect("curl reads");
            wait_for(read, || (wire.ask(&httpd, "/", &so_far).1 == read).then_some(()));
        }
        drop(input);
        expect(&mut client, r"[b'one\n', b'two\n']");
        assert!(client.wait().expect("curl ends").success());
        httpd.finish(&[]);
    });
}

#[test]
fn an_item_reaches_the_client_before_the_next_is_made() {
    in_both_modes(|mode| {
        for wire in Wire::ALL {
            let httpd = wire.serving(ONE_APP, "iteration.py").gil_mode(mode).start();
            // The application goes on only when it is told to, by another client.
            let mut client = spawn(wire.command(&httpd, "/step_by_step", &[]));
            expect(&mut client, "first");
            wire.assert_answer(&httpd, "/release", &[], "released");
            expect(&mut client, "second");
            assert!(client.wait().expect("curl ends").success(), "{wire:?}");
            httpd.finish(&[]);
        }
    });
}

#[test]
fn many_streams_of_one_connection_are_served() {
    in_both_modes(|mode| {
        let httpd = Wire::PriorKnowledge.serving(ONE_APP, "http2.py").gil_mode(mode).start();
        let url = format!("http://127.0.0.1:{}/protocol", httpd.port);
        let output =
            Command::new("h2load").args(["-n", "200", "-c", "2", "-m", "20", &url]).output().expect("h2load runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("200 succeeded") && text.contains("200 2xx"), "{output:?}");
        httpd.finish(&[]);
    });
}

#[test]
fn a_failure_before_the_first_byte_is_an_error_page() {
    in_both_modes(|mode| {
        for wire in Wire::ALL {
            let httpd = wire.serving(ONE_APP, "http2.py").gil_mode(mode).start();
            let options = ["--output", "/dev/null", "--write-out", "%{http_code}"];
            wire.assert_answer(&httpd, "/fails", &options, "500");
            wire.assert_answer(&httpd, "/protocol", &[], &format!("HTTP/2.0 {}", wire.scheme()));
            httpd.finish(&["WSGI0174", "ValueError: at once"]);
        }
    });
}

#[test]
fn a_failure_half_way_resets_the_stream() {
    in_both_modes(|mode| {
        for wire in Wire::ALL {
            let httpd = wire.serving(ONE_APP, "failures.py").gil_mode(mode).start();
            for path in [
                "/sends_and_raises",
                "/sends_and_raises_with_length",
                "/writes_and_raises",
                "/sends_and_yields_str",
                "/sends_and_exits",
                "/short",
                "/short_by_everything",
            ] {
                wire.assert_reset(&httpd, path);
            }
            wire.assert_answer(&httpd, "/fine", &[], "fine");
            httpd.finish(&["WSGI0174", "ValueError: half-way", "TypeError", "SystemExit", "WSGI1003"]);
        }
    });
}

#[test]
fn other_streams_of_the_connection_outlive_a_failure() {
    in_both_modes(|mode| {
        for wire in [Wire::PriorKnowledge, Wire::Tls] {
            let httpd = wire.serving(ITERATION_AND_FAILURES, "iteration.py").app("failures.py").gil_mode(mode).start();
            let paths = ["/step_by_step", "/failures/sends_and_raises", "/failures/short", "/failures/fine"];
            let client = spawn(nghttp(wire, &httpd, &paths));
            for path in &paths[1..] {
                httpd.wait_for_access(path);
            }
            wire.assert_answer(&httpd, "/release", &[], "released");
            let output = client.wait_with_output().expect("nghttp ends");
            let text = String::from_utf8_lossy(&output.stdout);
            println!("{wire:?}\n{text}");
            let ends: Vec<_> = paths.iter().map(|path| end_of(&text, path)).collect();
            assert_eq!(ends, [End::Whole, End::Reset, End::Reset, End::Whole]);
            assert!(!text.contains("recv GOAWAY"), "the connection was given up");
            httpd.finish(&["WSGI0174", "ValueError: half-way", "WSGI1003"]);
        }
    });
}

/// A client that asks for each path by a stream of one connection, and prints the frames.
fn nghttp(wire: Wire, httpd: &Httpd, paths: &[&str]) -> Command {
    let address = format!("{}://127.0.0.1:{}", wire.scheme(), httpd.port);
    let mut nghttp = Command::new("nghttp");
    nghttp.args(["--null-out", "--verbose", "--no-dep", "--no-verify-peer"]);
    nghttp.args(paths.iter().map(|path| format!("{address}{path}")));
    nghttp.stderr(Stdio::null());
    nghttp
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Whole,
    Reset,
}

/// How the stream that asked for a path ended, by what nghttp printed.
#[track_caller]
fn end_of(text: &str, path: &str) -> End {
    let frames: Vec<_> = text.split("] ").collect();
    let asks = |frame: &&&str| frame.starts_with("send HEADERS") && frame.contains(&format!(":path: {path}\n"));
    let id = frames.iter().find(asks).and_then(|frame| stream_id(frame));
    let id = id.unwrap_or_else(|| panic!("no request for {path}"));
    let mut received = frames.iter().filter(|frame| frame.starts_with("recv ") && stream_id(frame) == Some(id));
    let last = received.next_back().unwrap_or_else(|| panic!("no answer to {path}"));
    if last.starts_with("recv RST_STREAM") {
        return End::Reset;
    }
    assert!(last.contains("; END_STREAM"), "{path} did not end: {last}");
    End::Whole
}

fn stream_id(frame: &str) -> Option<&str> {
    frame.split_once("stream_id=")?.1.split_once('>').map(|(id, _)| id)
}

#[test]
fn a_client_that_leaves_ends_the_iteration_and_close_is_called() {
    in_both_modes(|mode| {
        let wire = Wire::PriorKnowledge;
        let httpd = wire.serving(ONE_APP, "failures.py").gil_mode(mode).start();
        let mut client = spawn(wire.command(&httpd, "/endless", &[]));
        expect(&mut client, "xxxx");
        client.kill().expect("our own child");
        client.wait().expect("it ends");
        wait_for("close() to be called", || (wire.ask(&httpd, "/what_was_closed", &[]).1 == "endless").then_some(()));
        httpd.finish(&[]);
    });
}

#[test]
fn a_file_is_whole_however_slowly_it_is_read() {
    in_both_modes(|mode| {
        for wire in [Wire::PriorKnowledge, Wire::Tls] {
            let data: String = (0..2_000_000).map(|line| format!("line {line:07}\n")).collect();
            let httpd = wire.serving(ONE_APP, "file_wrapper.py").file("data", &data).gil_mode(mode).start();
            // A client that has not begun to read when the application has long been done, ...
            let mut slow = spawn(wire.command(&httpd, "/whole", &[]));
            expect(&mut slow, &data[..13]);
            // ... while others have other files opened, under numbers that have become free.
            for _ in 0..4 {
                wire.assert_answer(&httpd, "/from_offset?25999987", &[], &data[data.len() - 13..]);
            }
            let rest = slow.wait_with_output().expect("curl ends");
            assert!(rest.status.success() && rest.stdout == data.as_bytes()[13..], "{wire:?}: another file");
            httpd.finish(&[]);
        }
    });
}

#[test]
fn a_child_that_dies_never_completes_a_response() {
    for wire in [Wire::PriorKnowledge, Wire::Tls] {
        let httpd = wire.serving(ONE_APP, "failures.py").start();
        let (code, text) = wire.ask(&httpd, "/child_dies", &[]);
        assert!(code != Some(0) && "so far".starts_with(&text), "{wire:?}: {code:?} {text}");
        wire.assert_answer(&httpd, "/fine", &[], "fine");
        httpd.finish(LOG_OF_DEATH);
    }
}

#[test]
fn filters_caches_and_framing_are_as_over_http_1() {
    let conf = "WSGIScriptAlias /framing {apps}/start_response.py\nWSGIScriptAlias / {app}\nXSendFile On\n\
                XSendFilePath {root}\nCacheRoot {root}/cache\nCacheEnable disk /raises";
    for wire in [Wire::PriorKnowledge, Wire::Tls] {
        let httpd = wire.serving(conf, "responses.py").app("start_response.py").writable("cache");
        let httpd = httpd.modules(&["xsendfile", "cache", "cache_disk"]).file("data", "line 0\nline 1\n").start();
        for _ in 0..3 {
            for path in ["/sends_file?length", "/sends_file?length,body", "/sends_file?length,blocks"] {
                wire.assert_answer(&httpd, path, &[], "line 0\nline 1\n");
                wire.assert_answer(&httpd, path, &["--header", "Range: bytes=7-13"], "line 1\n");
            }
            let part = ["--header", "Range: bytes=0-3"];
            wire.assert_answer(&httpd, "/counted?list", &part, "0123456789abcdefghij");
            wire.assert_answer(&httpd, "/own_part", &part, "0123");
            wire.assert_answer(&httpd, "/framing/own_framing", &[], "abc");
            wire.assert_reset(&httpd, "/raises");
        }
        httpd.finish(&["WSGI1090", "WSGI0174", "ValueError: half-way"]);
    }
}

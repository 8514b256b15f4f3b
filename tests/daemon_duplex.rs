//! A daemon whose application reads in one thread and answers in another: nobody waits for the one who waits for the client.

use crate::support::{Builder, Connection, Httpd, in_both_modes};
use std::io::{Read, Write};
use std::process::{ChildStdout, Stdio};

/// One process. Whoever waits for a client waits for longer than any test does.
fn serving(conf: &str) -> Builder {
    let conf = format!(
        "WSGIDaemonProcess group processes=1 threads=6\nWSGIChunkedRequest On\nTimeout 300\n\
         WSGIScriptAlias / {{app}} process-group=group application-group=%{{GLOBAL}}\n{conf}\n"
    );
    Httpd::with(&conf, "duplex.py")
}

/// A request whose body stalls after these bytes.
fn stalled(httpd: &Httpd, target: &str, body: &str) -> Connection {
    let mut connection = httpd.connect();
    connection.send(format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{body}"));
    connection
}

#[test]
fn a_thread_that_waits_for_the_body_keeps_neither_the_answer_nor_other_requests_waiting() {
    in_both_modes(|mode| {
        let httpd = serving("").gil_mode(mode).start();
        let mut connection = stalled(&httpd, "/ticks", "half");
        assert_eq!(connection.head().status, 200);
        for number in 0..3 {
            assert_eq!(connection.chunk(), Some(format!("tick {number}\n").into_bytes()));
        }
        for _ in 0..20 {
            assert_eq!(httpd.get("/collect").status, 200);
        }
        connection.send([b'x'; 96]);
        assert_eq!(connection.chunk(), Some(b"read 100 bytes\n".to_vec()));
        assert_eq!(connection.chunk(), None);
        connection.get("/collect");
        httpd.finish(&["tick 0", "tick 1", "tick 2"]);
    });
}

#[test]
fn bytes_go_to_and_fro_as_they_come() {
    let httpd = serving("").start();
    let mut connection = httpd.connect();
    connection.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    for byte in b"echo" {
        connection.send([b"1\r\n", &[*byte][..], b"\r\n"].concat());
        if *byte == b'e' {
            assert_eq!(connection.head().status, 200);
        }
        assert_eq!(connection.chunk(), Some(vec![*byte]));
    }
    connection.send("0\r\n\r\n");
    assert_eq!(connection.chunk(), None);
    assert_eq!(connection.get("/collect").status, 200);
    httpd.finish(&[]);
}

#[test]
fn a_client_that_does_not_read_keeps_no_other_request_waiting() {
    in_both_modes(|mode| {
        let httpd = serving("").gil_mode(mode).start();
        let mut connections: Vec<_> = (0..2).map(|_| stalled(&httpd, "/download", "")).collect();
        connections.iter_mut().for_each(|connection| assert_eq!(connection.head().status, 200));
        for _ in 0..20 {
            assert_eq!(httpd.get("/collect").status, 200);
        }
        drop(connections);
        assert_eq!(httpd.get("/collect").status, 200);
        httpd.finish(&[]);
    });
}

#[test]
fn an_answer_does_not_wait_for_a_thread_that_still_reads() {
    in_both_modes(|mode| {
        let httpd = serving("").gil_mode(mode).start();
        for target in ["/answer", "/answer_in_pieces"] {
            let mut connection = stalled(&httpd, target, "half");
            connection.response().assert(200, "answer");
            // The client still has its body to send.
            let reader = httpd.get("/reader");
            assert!(
                reader.text().starts_with("True [RuntimeError('the request of this wsgi.input is over"),
                "{reader:?}"
            );
            connection.send([b'x'; 96]);
            assert_eq!(connection.get("/collect").status, 200);
        }
        httpd.finish(&[]);
    });
}

#[test]
fn an_answer_that_needs_no_more_of_the_body_does_not_wait_for_it() {
    let httpd = serving("").start();
    for (target, body) in [("/deaf", "answer"), ("/deaf_list", "answer"), ("/half", "hal")] {
        let mut connection = stalled(&httpd, target, "half");
        let response = connection.response();
        assert!(response.complete, "{target}: {response:?}");
        response.assert(200, body);
        connection.send([b'x'; 96]);
        assert_eq!(connection.get("/collect").status, 200, "{target}");
    }
    httpd.finish(&[]);
}

/// Reads until `expected` has come.
#[track_caller]
fn expect(stdout: &mut ChildStdout, expected: &str) {
    let mut text = vec![0; expected.len()];
    stdout.read_exact(&mut text).expect("the answer goes on");
    assert_eq!(String::from_utf8_lossy(&text), expected);
}

#[test]
fn over_http2_the_answer_does_not_wait_for_the_body_either() {
    let httpd = serving("Protocols h2c http/1.1").modules(&["http2"]).start();
    // Standard input is read without waiting for it. With a limit of time curl holds back what it receives.
    let options = ["--http2-prior-knowledge", "--no-buffer", "--max-time", "0", "-X", "POST", "-T", "."];
    let mut curl = httpd
        .curl_command(&[&options[..], &["-H", "Expect:", "{url}/ticks"]].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("curl runs");
    let (mut stdin, mut stdout) = (curl.stdin.take().expect("a pipe"), curl.stdout.take().expect("a pipe"));
    stdin.write_all(b"half").expect("curl reads");
    expect(&mut stdout, "tick 0\ntick 1\ntick 2\n");
    assert_eq!(httpd.get("/collect").status, 200);
    stdin.write_all(b"more").expect("curl reads");
    drop(stdin);
    expect(&mut stdout, "read 8 bytes\n");
    assert!(curl.wait().expect("curl ends").success());
    httpd.finish(&["tick 0", "tick 1", "tick 2"]);
}

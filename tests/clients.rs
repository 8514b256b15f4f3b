//! Clients that leave, dawdle or talk nonsense: the server goes on.

use crate::support::{Builder, Httpd, Process, in_both_modes, wait_for};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

fn serving() -> Builder {
    Httpd::serving("clients.py")
}

/// Shows that the same processes are there, all requests have ended, and the next one is served.
#[track_caller]
fn assert_goes_on(httpd: &Httpd, children: &[Process]) {
    let counts = wait_for("all requests to end", || {
        let counts = httpd.get("/counts").text().to_owned();
        // [('begun', n), ('closed', n), ('cut', m)]
        let numbers: Vec<_> = counts.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty()).collect();
        (numbers[0] == numbers[1]).then_some(counts)
    });
    assert!(!counts.contains("('begun', 0)"), "no request came through: {counts}");
    httpd.post("/echo", "still here").assert(200, "still here");
    assert_eq!(httpd.children(), children, "no process was lost");
}

#[test]
fn a_client_may_leave_after_any_byte_of_its_request() {
    const REQUEST: &str =
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 40\r\n\r\n0123456789012345678901234567890123456789";
    in_both_modes(|mode| {
        let httpd = serving().gil_mode(mode).start();
        httpd.get("/counts");
        let children = httpd.children();
        for length in 0..=REQUEST.len() {
            let mut stream = TcpStream::connect(("127.0.0.1", httpd.port)).expect("the server listens");
            stream.write_all(&REQUEST.as_bytes()[..length]).expect("a listening server takes it");
            if length % 2 == 0 {
                // Some only say that they have said all.
                stream.shutdown(Shutdown::Write).expect("an open socket");
            }
        }
        assert_goes_on(&httpd, &children);
        httpd.finish(&[]);
    });
}

#[test]
fn a_client_may_leave_after_any_byte_of_the_response() {
    in_both_modes(|mode| {
        let httpd = serving().gil_mode(mode).start();
        httpd.get("/counts");
        let children = httpd.children();
        for (path, read) in [
            ("16", 0),
            ("16", 1),
            ("16", 200),
            ("1000000", 1),
            ("1000000", 300),
            ("1000000", 70_000),
            ("8000000", 500_000),
        ] {
            let mut stream = TcpStream::connect(("127.0.0.1", httpd.port)).expect("the server listens");
            stream.write_all(format!("GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).expect("an open socket");
            let mut received = vec![0; read];
            let mut so_far = 0;
            while so_far < read {
                match stream.read(&mut received[so_far..]).expect("an answer") {
                    0 => break,
                    more => so_far += more,
                }
            }
        }
        assert_goes_on(&httpd, &children);
        httpd.finish(&[]);
    });
}

#[test]
fn what_is_no_request_is_answered_or_dropped() {
    let httpd = serving().start();
    httpd.post("/store", "x").assert(200, "1");
    let children = httpd.children();
    let binary: Vec<u8> = (0..=255).collect();
    let long_method = format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(9000));
    let long_header = format!("GET /16 HTTP/1.1\r\nHost: a\r\nX: {}", "y".repeat(1_000_000));
    for nonsense in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &binary,
        &[b'\r', b'\n'].repeat(500),
        &[0; 5000],
        long_method.as_bytes(),
        long_header.as_bytes(),
        b"GET /16 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999999\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    ] {
        let mut connection = httpd.connect();
        let answer = connection.send(nonsense).end_sending().rest();
        let answer = String::from_utf8_lossy(&answer);
        let shown = String::from_utf8_lossy(&nonsense[..nonsense.len().min(40)]);
        let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        let refused = status.is_none_or(|status| status.starts_with('4') || status == "501" || status == "505");
        assert!(refused, "{shown:?} was answered with {answer:.300}");
        assert!(!answer.contains("Traceback"), "{shown:?} was answered with {answer}");
    }
    assert_goes_on(&httpd, &children);
    // httpd's own word about the percent sign.
    httpd.finish(&["AH10244: invalid URI path (/%zz)"]);
}

#[test]
fn twenty_megabytes_come_back_unchanged() {
    in_both_modes(|mode| {
        let httpd = serving().gil_mode(mode).start();
        let body: Vec<u8> = (0..20_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        let mut stream = TcpStream::connect(("127.0.0.1", httpd.port)).expect("the server listens");
        let mut sending = stream.try_clone().expect("a second handle");
        let mut answer = Vec::new();
        // The application answers while it reads, so this must go both ways at once.
        thread::scope(|scope| {
            scope.spawn(|| {
                let head = format!("POST /echo HTTP/1.0\r\nContent-Length: {}\r\n\r\n", body.len());
                sending.write_all(head.as_bytes()).expect("the head is taken");
                sending.write_all(&body).expect("the body is taken");
            });
            stream.read_to_end(&mut answer).expect("an answer");
        });
        let head = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        assert!(answer.starts_with(b"HTTP/1.1 200 ") && answer[head + 4..] == body, "not the body that was sent");
        httpd.finish(&[]);
    });
}

#[test]
fn a_slow_reader_gets_everything_and_holds_up_no_other() {
    const LENGTH: usize = 4_000_000;
    in_both_modes(|mode| {
        let httpd = serving().gil_mode(mode).start();
        let mut slow = httpd.connect();
        slow.send(format!("GET /{LENGTH} HTTP/1.0\r\n\r\n")).head();
        let mut received = Vec::new();
        for _ in 0..20 {
            received.extend(slow.up_to(LENGTH / 20));
            thread::sleep(Duration::from_millis(10));
            httpd.post("/echo", "meanwhile").assert(200, "meanwhile");
        }
        let expected: String = (0..LENGTH / 16).map(|number| format!("{number:015}\n")).collect();
        assert!(received == expected.as_bytes(), "not what was sent");
        httpd.finish(&[]);
    });
}

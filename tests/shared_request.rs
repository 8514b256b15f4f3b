//! A request that several threads of the application work on at the same time: one reads, one sends, others log.

use crate::support::{Builder, GilMode, Httpd, in_both_modes, wait_for};
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
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

#[test]
fn one_thread_waits_for_the_client_while_another_one_answers() {
    in_all_ways(&[], |httpd, url, version| {
        let target = format!("{url}/duplex");
        let mut client = httpd.curl_command(&[version, "--no-buffer", "--upload-file", ".", &target]);
        let mut client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("curl runs");
        let mut to = client.stdin.take().expect("a pipe");
        let mut from = BufReader::new(client.stdout.take().expect("a pipe"));
        let mut line = || {
            let mut text = String::new();
            from.read_line(&mut text).expect("curl writes text");
            text
        };
        for number in 0..5 {
            to.write_all(format!("{number}\n").as_bytes()).expect("curl reads");
            if number == 0 {
                // curl looks at what it receives only when it has something to send.
                assert_eq!(line(), "ready\n");
            }
            assert_eq!(line(), format!("echo {number}\n"));
        }
        drop(to);
        assert_eq!(line(), "");
        assert!(client.wait().expect("curl ends").success());
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

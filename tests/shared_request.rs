//! A request that several threads of the application work on at the same time: one reads, one sends, others log.

use crate::support::{GilMode, Httpd, in_both_modes, wait_for};
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

const CONF: &str = "WSGIScriptAlias / {app}\nWSGIChunkedRequest On\nTimeout 120\nProtocols h2 h2c http/1.1";
const LOGGED: &str = "a thread says something";

fn serving(mode: GilMode) -> crate::support::Builder {
    Httpd::with(CONF, "shared.py").modules(&["http2"]).tls().gil_mode(mode)
}

/// The ways to a server: what curl is told, and how the URL begins.
const WAYS: [(&str, &str); 4] =
    [("--http1.1", "{url}"), ("--http1.1", "{tls}"), ("--http2", "{tls}"), ("--http2-prior-knowledge", "{url}")];

#[test]
fn one_thread_waits_for_the_client_while_another_one_answers() {
    in_both_modes(|mode| {
        let httpd = serving(mode).start();
        for (version, url) in WAYS {
            let mut client =
                httpd.curl_command(&[version, "--no-buffer", "--upload-file", "-", &format!("{url}/duplex")]);
            let mut client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("curl runs");
            let mut to = client.stdin.take().expect("a pipe");
            let mut from = BufReader::new(client.stdout.take().expect("a pipe"));
            let mut line = || {
                let mut text = String::new();
                from.read_line(&mut text).expect("curl writes text");
                text
            };
            assert_eq!(line(), "ready\n", "{version} {url}");
            for number in 0..20 {
                to.write_all(format!("{number}\n").as_bytes()).expect("curl reads");
                assert_eq!(line(), format!("echo {number}\n"), "{version} {url}");
            }
            drop(to);
            assert_eq!(line(), "", "{version} {url}");
            assert!(client.wait().expect("curl ends").success(), "{version} {url}");
        }
        httpd.finish(&[]);
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
const FOR: Duration = Duration::from_secs(3);

#[test]
fn readers_loggers_and_a_writer_share_a_request() {
    let expected: Vec<u8> = (0..200).flat_map(|n| format!("{n:03}{}", "x".repeat(697)).into_bytes()).collect();
    let expected = [&expected[..], b"read 200000"].concat();
    in_both_modes(|mode| {
        let httpd = serving(mode).start();
        let children = httpd.children();
        let file = httpd.root().join("body");
        std::fs::write(&file, vec![b'y'; 200_000]).expect("a file");
        let from = format!("@{}", file.display());
        for (version, url) in WAYS {
            let until = Instant::now() + FOR;
            std::thread::scope(|scope| {
                for client in 0..6 {
                    let (httpd, expected, from) = (&httpd, &expected, &from);
                    scope.spawn(move || {
                        let mut count = 0;
                        while Instant::now() < until || count == 0 {
                            let target = format!("{url}/stress");
                            let mut arguments = vec![version, "--data-binary", from, "--header", "Expect:", &target];
                            // One of the clients goes away in the middle.
                            if client == 0 {
                                arguments.extend(["--limit-rate", "100K", "--max-time", "0.3"]);
                            }
                            let output = httpd.curl(&arguments);
                            let is_whole = output.status.success() && output.stdout == *expected;
                            let end = String::from_utf8_lossy(&output.stdout[output.stdout.len().saturating_sub(60)..]);
                            let (status, length) = (output.status, output.stdout.len());
                            assert!(is_whole || client == 0, "{version} {url}: {status}, {length} bytes, {end}");
                            count += 1;
                        }
                    });
                }
            });
        }
        assert!(children.iter().all(|child| child.is_alive()), "a child has died");
        httpd.finish(&[LOGGED]);
    });
}

#[test]
fn threads_that_log_for_ever_end_with_their_process() {
    in_both_modes(|mode| {
        let httpd = Httpd::with(CONF, "shared.py")
            .modules(&["http2"])
            .tls()
            .gil_mode(mode)
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

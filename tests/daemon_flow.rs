//! More than a process group can take at once: queues that are full or too slow, and bodies of which one side takes no notice.

use crate::support::faults::{
    daemons, release, serving, supervisor, wait_for_note, wait_for_notes, wait_until_started,
};
use crate::support::{Connection, Httpd, in_both_modes, wait_for};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

/// A connection over which a request is under way that waits to be released.
fn block(httpd: &Httpd, number: u64) -> Connection {
    wait_until_started(httpd, 1);
    let mut connection = httpd.connect();
    connection.send_get("/blocked");
    wait_for_notes(httpd, "blocked", number);
    connection
}

#[test]
fn a_request_for_which_the_queue_has_no_room_is_refused() {
    in_both_modes(|mode| {
        let options = "processes=1 threads=1 listen-backlog=1 connect-timeout=1";
        let httpd = serving(options, "").gil_mode(mode).start();
        let mut served = block(&httpd, 1);
        let mut others = [httpd.connect(), httpd.connect(), httpd.connect()];
        for connection in &mut others {
            connection.send_get("/plain");
        }
        // Two of the three; which one waits is not said.
        wait_for("two refusals", || (httpd.error_log().count("WSGI0116") == 2).then_some(()));
        release(&httpd);
        served.response().assert(200, "done");
        let mut statuses: Vec<_> = others.iter_mut().map(|connection| connection.response().status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 503, 503]);
        httpd.finish(&["WSGI0116: process group 'group' is busy, and 1 requests wait already (listen-backlog)"]);
    });
}

#[test]
fn a_request_that_waits_too_long_is_told_so_while_all_threads_are_busy() {
    in_both_modes(|mode| {
        let httpd = serving("processes=1 threads=1 queue-timeout=1", "").gil_mode(mode).start();
        let mut served = block(&httpd, 1);
        // Its thread is busy until this has been answered.
        httpd.get("/plain").assert_error_page(504);
        release(&httpd);
        served.response().assert(200, "done");
        httpd.finish(&["WSGI0084: no process of group 'group' had a thread to spare within 1s (queue-timeout)"]);
    });
}

#[test]
fn without_a_queue_timeout_a_request_waits_for_the_socket_timeout() {
    in_both_modes(|mode| {
        let httpd = serving("processes=1 threads=1", "Timeout 1").gil_mode(mode).start();
        let mut served = block(&httpd, 1);
        httpd.get("/plain").assert_error_page(504);
        release(&httpd);
        let first = served.response();
        assert!([200, 504].contains(&first.status), "{first:?}");
        httpd.finish(&["WSGI0145"]);
    });
}

#[test]
fn an_upload_that_is_ignored_does_not_hold_up_the_answer() {
    in_both_modes(|mode| {
        // Whoever waits for the other side here waits for longer than the client does.
        let httpd = serving("processes=1 threads=1", "Timeout 300").gil_mode(mode).start();
        let mut stream = TcpStream::connect(("127.0.0.1", httpd.port)).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("an open socket");
        let mut writer = stream.try_clone().expect("a second handle");
        let received = thread::scope(|scope| {
            scope.spawn(move || {
                let head = format!("POST /deaf HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", 8 << 20);
                // The server may hang up before it has all.
                let _ = writer.write_all(head.as_bytes());
                let _ = writer.write_all(&vec![b'y'; 8 << 20]);
            });
            let mut received = vec![0; 3_000_000];
            stream.read_exact(&mut received).expect("3 MB in time");
            received
        });
        assert!(received.starts_with(b"HTTP/1.1 200 OK\r\n"));
        httpd.get("/plain").assert(200, "done");
        httpd.finish(&[]);
    });
}

#[test]
fn a_slow_reader_of_much_holds_up_nobody_and_costs_no_memory() {
    const BLOCK: usize = 1 << 20;
    in_both_modes(|mode| {
        let httpd = serving("processes=1 threads=2", "Timeout 60").gil_mode(mode).start();
        httpd.get("/plain").assert(200, "done");
        let peak = || httpd.get("/peak").text().parse::<u64>().expect("a number");
        let supervisor = supervisor(&httpd);
        let child = httpd.children().into_iter().find(|child| *child != supervisor).expect("a child of httpd");
        let (daemon_before, child_before) = (peak(), child.peak_kib());
        let mut slow = httpd.connect();
        slow.send_get("/large");
        assert_eq!(slow.head().status, 200);
        // The response stands still now and then, and others are served meanwhile.
        for _ in 0..20 {
            assert_eq!(slow.up_to(BLOCK).len(), BLOCK);
            httpd.get("/plain").assert(200, "done");
        }
        for _ in 20..200 {
            assert_eq!(slow.up_to(BLOCK).len(), BLOCK);
        }
        let (daemon, child) = (peak() - daemon_before, child.peak_kib() - child_before);
        assert!(daemon < 8192 && child < 8192, "the daemon grew by {daemon} KiB, the child of httpd by {child} KiB");
        httpd.finish(&[]);
    });
}

#[test]
fn a_client_that_goes_away_gives_its_thread_back() {
    in_both_modes(|mode| {
        let httpd = serving("processes=1 threads=1", "Timeout 60").gil_mode(mode).start();
        let mut connection = httpd.connect();
        connection.send_get("/endless");
        wait_for_note(&httpd, "endless");
        assert_eq!(connection.head().status, 200);
        drop(connection);
        // The only thread of the group.
        httpd.get("/plain").assert(200, "done");
        wait_for_note(&httpd, "closed");
        httpd.finish(&[]);
    });
}

#[test]
fn a_thread_whose_client_gave_up_gets_no_further_request_before_it_is_done() {
    in_both_modes(|mode| {
        let httpd = serving("processes=2 threads=1 socket-timeout=1", "").gil_mode(mode).start();
        wait_until_started(&httpd, 2);
        daemons(&httpd, 2);
        let mut connection = httpd.connect();
        connection.send_get("/blocked");
        let busy = wait_for_note(&httpd, "blocked");
        connection.response().assert_error_page(504);
        for _ in 0..6 {
            let response = httpd.get("/pid");
            assert_eq!(response.status, 200, "{response:?}");
            assert_ne!(response.text(), busy.0.to_string(), "its only thread is busy");
        }
        release(&httpd);
        wait_for("the thread to be done", || (httpd.get("/pid").text() == busy.0.to_string()).then_some(()));
        httpd.finish(&["WSGI0145"]);
    });
}

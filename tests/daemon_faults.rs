//! Processes of a group that are killed or stopped: clients see the truth, no other request suffers, and the group heals.

use crate::support::faults::{
    answering, daemons, noted, release, serving, supervisor, wait_for_end, wait_for_note, wait_for_notes,
    wait_until_started,
};
use crate::support::{Builder, Connection, GilMode, Httpd, Mpm, Process, in_both_modes, wait_for};
use nix::sys::stat::Mode;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// What is logged when a daemon was killed with one request under way.
const KILLED_WITH_ONE: &str = "WSGI1023: process * was killed by signal 9 (SIGKILL), with 1 request under way";
/// ... and on behalf of that request.
const LOST: &str = "WSGI0146: process * of group 'group' has failed while it had this request";

/// Statuses that clients saw.
#[derive(Default)]
struct Seen {
    answered: AtomicUsize,
    lost: AtomicUsize,
}

/// Clients that ask for `/short` as long as `body` runs, each over one connection as long as httpd keeps it.
fn under_load(httpd: &Httpd, clients: usize, body: impl FnOnce(&Seen)) -> Seen {
    let (seen, over) = (Seen::default(), AtomicBool::new(false));
    let ask = |connection: &mut Connection| {
        let response = connection.get("/short");
        match response.status {
            200 => response.assert(200, "done"),
            502 => response.assert_error_page(502),
            _ => panic!("{response:?}"),
        }
        let count = if response.status == 200 { &seen.answered } else { &seen.lost };
        count.fetch_add(1, Ordering::SeqCst);
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..clients)
            .map(|_| {
                scope.spawn(|| {
                    let mut connection = httpd.connect();
                    while !over.load(Ordering::SeqCst) {
                        ask(&mut connection);
                    }
                })
            })
            .collect();
        body(&seen);
        over.store(true, Ordering::SeqCst);
        clients.into_iter().for_each(|client| client.join().expect("a client that saw nothing strange"));
    });
    seen
}

/// How many requests the log says were under way when daemons were killed.
fn logged_as_lost(httpd: &Httpd) -> usize {
    let log = httpd.error_log();
    let entries = log.matching("WSGI1023: process * was killed by signal 9");
    let number = |message: &str| {
        let (_, rest) = message.split_once(", with ")?;
        rest.split(' ').next()?.parse::<usize>().ok()
    };
    entries.iter().filter_map(|entry| number(&entry.message)).sum()
}

#[test]
fn only_the_requests_of_a_killed_process_fail() {
    for (options, kills) in [("processes=2 threads=4", 4), ("processes=1 threads=4", 3)] {
        in_both_modes(|mode| {
            let httpd = serving(options, "").gil_mode(mode).start();
            let seen = under_load(&httpd, 6, |seen| {
                for _ in 0..kills {
                    let before = seen.answered.load(Ordering::SeqCst);
                    wait_for("some answers", || (seen.answered.load(Ordering::SeqCst) > before + 20).then_some(()));
                    let daemon = answering(&httpd);
                    daemon.signal("KILL");
                    wait_for_end(daemon);
                }
                daemons(&httpd, 1);
            });
            let lost = seen.lost.load(Ordering::SeqCst);
            wait_for("the log", || (httpd.error_log().count("WSGI1023") == kills).then_some(()));
            assert_eq!(lost, httpd.error_log().count("WSGI0146"), "{options}");
            // One that was killed between the end of a request and its last word has nothing under way.
            let logged = logged_as_lost(&httpd);
            assert!(logged <= lost && lost <= logged + kills, "{options}: {lost} lost, {logged} logged");
            assert!(lost <= kills * 4, "{options}: {lost} requests lost");
            let mut expected = vec!["WSGI1023: process * was killed by signal 9 (SIGKILL)"];
            expected.extend((lost > 0).then_some(LOST));
            httpd.finish(&expected);
        });
    }
}

#[test]
fn a_stopped_process_costs_what_it_had_and_serves_again_when_it_goes_on() {
    in_both_modes(|mode| {
        let httpd = serving("processes=2 threads=2 socket-timeout=1", "").gil_mode(mode).start();
        wait_until_started(&httpd, 2);
        let [stopped, other] = daemons(&httpd, 2)[..] else { panic!("two daemons") };
        stopped.signal("STOP");
        wait_for("the process to stop", || stopped.is_stopped().then_some(()));
        let failed = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        let response = httpd.get("/pid");
                        match response.status {
                            200 => response.assert(200, &other.0.to_string()),
                            _ => {
                                response.assert_error_page(504);
                                failed.fetch_add(1, Ordering::SeqCst);
                            }
                        }
                    }
                });
            }
        });
        let failed = failed.into_inner();
        assert!((1..=2).contains(&failed), "{failed} requests failed: as many as the process has threads may");
        stopped.signal("CONT");
        wait_for("the process to serve again", || (answering(&httpd) == stopped).then_some(()));
        assert_eq!(httpd.error_log().count("WSGI0145"), failed);
        httpd.finish(&[
            "WSGI0145: process * of group 'group' was silent for 1s while it had this request (socket-timeout",
        ]);
    });
}

/// The child of httpd that serves; there is one.
fn child_of_httpd(httpd: &Httpd) -> Process {
    wait_until_started(httpd, 1);
    let supervisor = supervisor(httpd);
    httpd.children().into_iter().find(|child| *child != supervisor).expect("a child of httpd")
}

fn stop(process: Process) {
    process.signal("STOP");
    wait_for("the process to stop", || process.is_stopped().then_some(()));
}

#[test]
fn a_stopped_child_of_httpd_does_not_hold_the_thread_of_its_response() {
    in_both_modes(|mode| {
        let httpd = serving("processes=1 threads=1 socket-timeout=1", "").gil_mode(mode).start();
        let child = child_of_httpd(&httpd);
        let mut connection = httpd.connect();
        connection.send_get("/endless");
        assert_eq!(connection.head().status, 200);
        stop(child);
        wait_for_note(&httpd, "closed");
        child.signal("CONT");
        assert!(!connection.rest().ends_with(b"0\r\n\r\n"), "the response looks complete");
        httpd.get("/plain").assert(200, "done");
        httpd.finish(&[
            "process group 'group': WSGI1050: httpd's child * did not take the next part of a response in time (socket-timeout)",
            "WSGI0146: process * of group 'group' has failed while it had this request",
        ]);
    });
}

#[test]
fn a_stopped_child_of_httpd_does_not_hold_the_thread_of_its_upload() {
    in_both_modes(|mode| {
        let httpd = serving("processes=1 threads=1 socket-timeout=1", "Timeout 60").gil_mode(mode).start();
        let child = child_of_httpd(&httpd);
        let mut connection = httpd.connect();
        connection.send("POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\nten bytes.");
        wait_for_note(&httpd, "reading");
        stop(child);
        wait_for("the log to say so", || (httpd.error_log().count("WSGI1050") == 1).then_some(()));
        child.signal("CONT");
        connection.send("ten more..");
        connection.response().assert_error_page(500);
        httpd.get("/plain").assert(200, "done");
        httpd.finish(&[
            "WSGI1050: httpd's child * did not send the next part of a request body in time (socket-timeout)",
            "WSGI0174*OSError",
            "OSError: the request body cannot be read: the other side did not answer in time",
        ]);
    });
}

#[test]
fn a_response_that_a_killed_process_had_begun_is_cut() {
    in_both_modes(|mode| {
        for path in ["/chunked", "/sized"] {
            let httpd = serving("processes=1 threads=2", "").gil_mode(mode).start();
            let mut connection = httpd.connect();
            connection.send_get(path);
            wait_for_note(&httpd, "sent").signal("KILL");
            connection.response().assert_cut_short(200, "so far");
            connection.assert_closed_within(Duration::from_secs(10));
            httpd.get("/plain").assert(200, "done");
            httpd.finish(&[KILLED_WITH_ONE, LOST]);
        }
    });
}

#[test]
fn a_stream_of_http2_that_a_killed_process_had_begun_is_reset() {
    in_both_modes(|mode| {
        let builder = serving("processes=1 threads=2", "Protocols h2c http/1.1").modules(&["http2"]);
        let httpd = builder.gil_mode(mode).start();
        let output = thread::scope(|scope| {
            let client = scope.spawn(|| httpd.curl(&["--http2-prior-knowledge", "{url}/chunked"]));
            wait_for_note(&httpd, "sent").signal("KILL");
            client.join().expect("curl ran")
        });
        assert!(!output.status.success(), "the response looks complete: {output:?}");
        httpd.get("/plain").assert(200, "done");
        httpd.finish(&[KILLED_WITH_ONE, LOST]);
    });
}

#[test]
fn a_process_that_is_killed_before_it_answers_is_a_bad_gateway() {
    in_both_modes(|mode| {
        let httpd = serving("processes=1 threads=2", "").gil_mode(mode).start();
        let mut connection = httpd.connect();
        connection.send_get("/blocked");
        wait_for_note(&httpd, "blocked").signal("KILL");
        connection.response().assert_error_page(502);
        httpd.get("/plain").assert(200, "done");
        httpd.finish(&[KILLED_WITH_ONE, LOST]);
    });
}

#[test]
fn a_process_that_an_application_ends_takes_its_requests_along_and_the_log_says_so() {
    in_both_modes(|mode| {
        let httpd = serving("processes=1 threads=2", "").gil_mode(mode).start();
        httpd.get("/leave").assert_error_page(502);
        httpd.get("/plain").assert(200, "done");
        httpd.finish(&["WSGI1023: process * ended with exit status 0, with 1 request under way; another one", LOST]);
    });
}

#[test]
fn a_process_that_is_killed_in_the_middle_of_an_upload_is_a_bad_gateway() {
    in_both_modes(|mode| {
        let httpd = serving("processes=1 threads=2", "").gil_mode(mode).start();
        let mut connection = httpd.connect();
        connection.send("POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n");
        connection.send("0123456789".repeat(10));
        wait_for_note(&httpd, "reading").signal("KILL");
        connection.send("0123456789".repeat(9_990));
        connection.response().assert_error_page(502);
        // The kernel may still be taking the process down, with its socket open, or its successor have the place.
        httpd.post("/upload", "0123456789ab").assert(200, "0123456789ab");
        httpd.wait_for_log(KILLED_WITH_ONE);
        assert_eq!(httpd.error_log().count("WSGI014"), 1);
        httpd.finish(&[KILLED_WITH_ONE, "WSGI014"]);
    });
}

#[test]
fn requests_that_wait_for_python_in_a_process_that_ends_are_served_by_another_one() {
    let options = "processes=1 threads=4 deadlock-timeout=3 shutdown-timeout=1";
    let httpd = serving(options, "").gil_mode(GilMode::Shared).start();
    let mut stuck = httpd.connect();
    stuck.send_get("/hold");
    let before = wait_for_note(&httpd, "holding");
    // They have until the limit is over to get as far as a thread of the process.
    let mut waiting = [httpd.connect(), httpd.connect(), httpd.connect()];
    for connection in &mut waiting {
        connection.send_get("/pid");
    }
    stuck.response().assert_error_page(502);
    for connection in &mut waiting {
        let response = connection.response();
        assert_eq!(response.status, 200, "{response:?}");
        assert_ne!(response.text(), before.0.to_string());
    }
    const ENDED: &str = "WSGI1023: process * did not end in time and left, with 1 request under way";
    httpd.wait_for_log(ENDED);
    let log = httpd.error_log();
    assert_eq!((log.count("leaves without an end of"), log.count("has failed while it had")), (1, 1));
    httpd.finish(&["WSGI1034", "WSGI1035", "leaves without an end of request", ENDED, LOST]);
}

#[test]
fn a_process_that_is_killed_while_it_starts_has_a_successor_and_requests_wait_for_it() {
    const SLOW: &str = "import os, time\nopen(os.environ['NOTES'] + f'/starting.{os.getpid()}', 'a').close()\n\
                        while not os.path.exists(os.environ['NOTES'] + '/go'): time.sleep(0.005)\n";
    in_both_modes(|mode| {
        let conf = "WSGIImportScript {root}/slow.py process-group=group application-group=%{GLOBAL}";
        let builder = serving("processes=1 threads=2", conf).file("slow.py", SLOW);
        let httpd = builder.gil_mode(mode).start();
        let first = wait_for("a process that starts", || noted(&httpd, "starting").first().map(|note| note.0));
        thread::scope(|scope| {
            let client = scope.spawn(|| httpd.get("/plain"));
            first.signal("KILL");
            wait_for("its successor", || noted(&httpd, "starting").iter().find(|note| note.0 != first).map(|_| ()));
            fs::write(httpd.root().join("notes/go"), "").expect("our own folder");
            client.join().expect("a client").assert(200, "done");
        });
        httpd.finish(&["WSGI1023: process * was killed by signal 9 (SIGKILL); another one takes its place"]);
    });
}

#[test]
fn an_application_that_does_not_load_is_served_once_it_is_repaired() {
    in_both_modes(|mode| {
        let httpd = serving_script(BROKEN).gil_mode(mode).start();
        for _ in 0..4 {
            httpd.get("/").assert_error_page(500);
        }
        write_script(&httpd, &GOOD.replace("ANSWER", "repaired"));
        for _ in 0..4 {
            assert!(httpd.get("/").text().starts_with("repaired "));
        }
        httpd.finish(&["WSGI0109", "ValueError: not yet"]);
    });
}

#[test]
fn an_application_that_does_not_load_any_more_goes_on_with_the_old_code_until_it_is_repaired() {
    in_both_modes(|mode| {
        let httpd = serving_script(&GOOD.replace("ANSWER", "first")).gil_mode(mode).start();
        let mut seen = BTreeSet::new();
        wait_for("both processes to load it", || {
            seen.insert(httpd.get("/").text().to_owned());
            (seen.len() == 2).then_some(())
        });
        write_script(&httpd, BROKEN);
        for _ in 0..10 {
            assert!(seen.contains(httpd.get("/").text()), "another answer than those of the old processes");
        }
        httpd.wait_for_log("WSGI1021");
        write_script(&httpd, &GOOD.replace("ANSWER", "second"));
        wait_for("the new code", || httpd.get("/").text().starts_with("second ").then_some(()));
        httpd.finish(&["WSGI1021: the code", "WSGI0110", "ValueError: not yet"]);
    });
}

const GOOD: &str = "import os\n\n\ndef application(environ, start_response):\n    \
                    start_response('200 OK', [('Content-Type', 'text/plain')])\n    \
                    return [b'ANSWER %d' % os.getpid()]\n";
const BROKEN: &str = "raise ValueError('not yet')\n";

/// The script is not loaded before it is asked for.
fn serving_script(text: &str) -> Builder {
    let conf = "WSGIDaemonProcess group processes=2 threads=2\nWSGIProcessGroup group\n\
                WSGIScriptAlias / {root}/app.wsgi\n";
    Httpd::bare(conf).file("app.wsgi", text)
}

fn write_script(httpd: &Httpd, text: &str) {
    fs::write(httpd.root().join("app.wsgi"), text).expect("our own file");
}

#[test]
fn a_killed_supervisor_has_a_successor_and_requests_go_on() {
    in_both_modes(|mode| {
        let httpd = serving("processes=2 threads=4", "").gil_mode(mode).start();
        let old = daemons(&httpd, 2);
        let seen = under_load(&httpd, 4, |seen| {
            let before = supervisor(&httpd);
            before.signal("KILL");
            httpd.wait_for_log("WSGI1020: the supervisor of the process groups");
            old.iter().copied().for_each(wait_for_end);
            let new = daemons(&httpd, 2);
            assert!(new.iter().all(|daemon| daemon.parent() != Some(before)));
            let answered = seen.answered.load(Ordering::SeqCst);
            wait_for("more answers", || (seen.answered.load(Ordering::SeqCst) > answered + 20).then_some(()));
        });
        assert_eq!(seen.lost.load(Ordering::SeqCst), 0);
        httpd
            .finish(&["WSGI1020: the supervisor of the process groups, process *, ended; another one takes its place"]);
    });
}

#[test]
fn daemons_leave_by_themselves_when_the_parent_of_httpd_is_killed() {
    in_both_modes(|mode| {
        let httpd = serving("processes=2 threads=2", "").gil_mode(mode).start();
        let old = daemons(&httpd, 2);
        let (supervisor, children) = (supervisor(&httpd), httpd.children());
        httpd.parent().signal("KILL");
        old.iter().copied().for_each(wait_for_end);
        wait_for_end(supervisor);
        // httpd's children notice nothing of their parent's end.
        children.iter().for_each(|child| child.signal("KILL"));
        httpd.finish_killed(&[]);
    });
}

#[test]
fn what_a_killed_child_of_httpd_had_in_flight_is_taken_back() {
    in_both_modes(|mode| {
        let httpd = serving("processes=1 threads=3", "").gil_mode(mode).start();
        let (supervisor, child) = (supervisor(&httpd), child_of_httpd(&httpd));
        let mut connections = [httpd.connect(), httpd.connect(), httpd.connect()];
        for connection in &mut connections {
            connection.send_get("/blocked");
        }
        wait_for_notes(&httpd, "blocked", 3);
        child.signal("KILL");
        wait_for("another child", || {
            httpd.children().iter().any(|other| *other != supervisor && *other != child).then_some(())
        });
        release(&httpd);
        // All three threads are there again: as many requests are under way at once.
        let mut connections = [httpd.connect(), httpd.connect(), httpd.connect()];
        for connection in &mut connections {
            connection.send_get("/meet");
        }
        connections.iter_mut().for_each(|connection| connection.response().assert(200, "met"));
        httpd.finish(&[]);
    });
}

#[test]
fn a_process_without_descriptors_says_so_and_takes_connections_when_it_has_some() {
    in_both_modes(|mode| {
        let httpd = serving("threads=3", "").gil_mode(mode).start();
        answering(&httpd);
        thread::scope(|scope| {
            let hoarding = scope.spawn(|| httpd.get("/hoard"));
            wait_for_notes(&httpd, "hoard", 1);
            // The connection that there was is in use.
            let waiting = scope.spawn(|| httpd.get("/pid"));
            httpd.wait_for_log("WSGI1061: process group 'group': process * cannot accept connections");
            release(&httpd);
            hoarding.join().expect("a response").assert(200, "done");
            assert_eq!(waiting.join().expect("a response").status, 200);
        });
        assert_eq!(httpd.error_log().count("WSGI1061"), 1);
        httpd.finish(&["WSGI1061"]);
    });
}

#[test]
fn connections_of_many_children_do_not_use_up_the_descriptors_of_a_process() {
    let size = "StartServers 24\nServerLimit 24\nMaxRequestWorkers 24\nMinSpareServers 1\nMaxSpareServers 24\n";
    in_both_modes(|mode| {
        let builder = serving("threads=2 socket-timeout=3", "").gil_mode(mode).mpm(Mpm::Prefork).size(size);
        let httpd = builder.start();
        httpd.get("/frugal").assert(200, "done");
        // Each client has a child of its own, which keeps its connection to the daemon.
        let mut clients: Vec<_> = (0..23).map(|_| httpd.connect()).collect();
        for round in 0..3 {
            for client in &mut clients {
                assert_eq!(client.get("/pid").status, 200, "round {round}");
            }
        }
        httpd.finish(&[]);
    });
}

/// What is logged of a process without memory: requests fail one by one, or the process ends because the module or Python
/// cannot go on.
const WITHOUT_MEMORY: [&str; 8] = [
    "WSGI1002: the objects of the request cannot be made: MemoryError",
    "WSGI0174: the application raised MemoryError",
    "Traceback",
    "MemoryError",
    "memory allocation of * bytes failed",
    "backtrace",
    "WSGI1023: process * was killed by signal 6 (SIGABRT)",
    "WSGI0146",
];

#[test]
fn a_process_without_memory_fails_requests_and_serves_when_it_has_some() {
    let options = "processes=1 threads=2 memory-limit=300000000";
    let httpd = serving(options, "").env("RUST_BACKTRACE", "1").gil_build().start();
    let pipe = httpd.root().join("notes/free");
    let mode = Mode::from_bits_truncate(0o666);
    nix::unistd::mkfifo(&pipe, mode).expect("our own folder");
    fs::set_permissions(&pipe, fs::Permissions::from_mode(0o666)).expect("our own file");
    // Nobody may read from it: the process may have ended.
    let mut pipe = fs::OpenOptions::new().read(true).write(true).open(&pipe).expect("our own file");
    let answers: Vec<_> = ["/fill"].iter().chain(&["/pid"; 8]).map(|path| httpd.get(path).status).collect();
    assert!(answers.iter().all(|status| [200, 500, 502].contains(status)), "{answers:?}");
    pipe.write_all(b"x").expect("a pipe with room");
    for _ in 0..8 {
        wait_for("the process, or its successor", || (httpd.get("/pid").status == 200).then_some(()));
    }
    let log = httpd.error_log();
    let expected: Vec<_> = WITHOUT_MEMORY.into_iter().filter(|line| log.count(line) > 0).collect();
    // What is freed on the way may be enough for small requests.
    let failed = answers.iter().any(|status| *status != 200);
    assert!(!failed || !expected.is_empty(), "nothing is logged of {answers:?}");
    httpd.finish(&expected);
}

#[test]
fn a_long_request_to_a_stopped_process_fails_when_socket_timeout_is_over() {
    let options = "processes=1 threads=1 socket-timeout=1";
    // More than the buffers of a socket hold.
    let conf = "LimitRequestFieldSize 1000000\nLimitRequestFields 100\n";
    let httpd = serving(options, conf).gil_mode(GilMode::Free).start();
    let process = answering(&httpd);
    process.signal("STOP");
    let long = "x".repeat(900_000);
    httpd.request("GET", "/plain").header("X-Long", &long).header("X-Longer", &long).send().assert_error_page(500);
    process.signal("CONT");
    httpd.get("/plain").assert(200, "done");
    httpd.finish(&["WSGI0121: the request cannot be sent to a process of group 'group'"]);
}

#[test]
fn a_supervisor_that_does_not_end_is_killed() {
    let httpd = serving("processes=1", "").gil_mode(GilMode::Free).start();
    answering(&httpd);
    supervisor(&httpd).signal("STOP");
    httpd.finish(&["WSGI1028: the supervisor of the process groups, process * does not end; it is killed"]);
}

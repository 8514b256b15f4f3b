//! A daemon that turns against the server: httpd, the supervisor and other groups suffer no harm.

use crate::support::{Builder, Httpd, Process, Response, in_both_modes, wait_for};

/// A group that is hostile, and one that is not.
const GROUPS: &str = "WSGIDaemonProcess hostile threads=2 socket-timeout=6 shutdown-timeout=1\n\
                      WSGIDaemonProcess other threads=2\n\
                      WSGIApplicationGroup %{GLOBAL}\n\
                      WSGIScriptAlias /hostile {app} process-group=hostile\n\
                      WSGIScriptAlias /other {app} process-group=other\n";

fn serving(conf: &str) -> Builder {
    Httpd::with(&format!("{GROUPS}{conf}"), "hostile.py")
}

/// The process of a group.
#[track_caller]
fn process(httpd: &Httpd, group: &str) -> Process {
    let response = httpd.get(group);
    assert_eq!(response.status, 200, "{response:?}");
    Process(response.text().parse().expect("a number"))
}

/// Kills the process of a group, and waits for another one.
#[track_caller]
fn replace(httpd: &Httpd, group: &str, before: Process) {
    before.signal("KILL");
    wait_for("a successor", || {
        let response = httpd.get(group);
        (response.status == 200 && response.text() != before.0.to_string()).then_some(())
    });
}

#[test]
fn nonsense_in_the_table_of_a_group_harms_no_one_else() {
    in_both_modes(|mode| {
        for damage in ["noise", "ones", "sevens", "zeroes"] {
            let httpd = serving("").gil_mode(mode).start();
            let (hostile, other) = (process(&httpd, "/hostile"), process(&httpd, "/other"));
            let servers = (httpd.children(), other.parent());
            // Whatever becomes of that request.
            httpd.get(&format!("/hostile/{damage}"));
            assert_eq!(process(&httpd, "/other"), other, "{damage}");
            // The supervisor still minds both groups.
            replace(&httpd, "/other", other);
            replace(&httpd, "/hostile", hostile);
            assert_eq!((httpd.children(), process(&httpd, "/other").parent()), servers, "{damage}");
            httpd.finish(&["WSGI1023: process * was killed by signal 9"]);
        }
    });
}

#[test]
fn descriptors_that_belong_to_no_frame_are_closed() {
    let httpd = serving("").start();
    let child = httpd.children()[0];
    process(&httpd, "/hostile");
    let before = child.descriptors();
    for _ in 0..8 {
        for attack in ["many_descriptors", "descriptor_after_descriptor"] {
            httpd.get(&format!("/hostile/{attack}"));
        }
    }
    process(&httpd, "/other");
    // Connections to daemons come and go.
    wait_for("the descriptors to be closed", || (child.descriptors() <= before + 8).then_some(()));
    httpd.finish(&["sent more descriptors than belong to its frames", "WSGI0148"]);
}

#[test]
fn a_file_that_is_not_there_is_refused() {
    let httpd = serving("").start();
    process(&httpd, "/hostile");
    let children = httpd.children();
    for attack in ["beyond_the_end", "no_file"] {
        httpd.get(&format!("/hostile/{attack}")).assert_error_page(500);
    }
    assert_eq!(httpd.children(), children);
    httpd.finish(&["sent a frame of kind File with a payload that cannot be read"]);
}

#[test]
fn an_interim_response_is_refused() {
    let httpd = serving("").start();
    process(&httpd, "/hostile");
    for attack in ["interim", "interim_abort"] {
        let response = httpd.get(&format!("/hostile/{attack}"));
        response.assert_error_page(500);
        assert!(response.interim.is_empty(), "{response:?}");
    }
    let refused = "with a payload that cannot be read";
    httpd.finish(&[&format!("a frame of kind Head {refused}"), &format!("a frame of kind Abort {refused}")]);
}

/// Asks the hostile group and then, over the same connection, the other one. The second request is answered by that or by no
/// one. Returns the first response.
#[track_caller]
fn ask_both(httpd: &Httpd, attack: &str, other: Process) -> Response {
    let mut connection = httpd.connect();
    let host = "HTTP/1.1\r\nHost: localhost\r\n\r\n";
    connection.send(format!("GET /hostile/{attack} {host}GET /other {host}"));
    let response = connection.response();
    let rest = String::from_utf8_lossy(&connection.rest()).into_owned();
    assert!(rest.is_empty() || rest.ends_with(&format!("\r\n\r\n{}", other.0)), "{attack}: {response:?}, {rest:?}");
    assert!(!rest.contains("forged"), "{attack}: {response:?}, {rest:?}");
    response
}

#[test]
fn no_response_of_a_daemon_reaches_into_the_next_one() {
    let httpd = serving("KeepAliveTimeout 1").start();
    process(&httpd, "/hostile");
    let other = process(&httpd, "/other");
    let names = httpd.get("/hostile/names");
    let files = ["file_then_data", "file_then_head", "part_of_a_file_as_the_whole"];
    for (number, attack) in names.text().split(' ').chain(files).enumerate() {
        let response = ask_both(&httpd, attack, other);
        // It is refused, or cut, or was complete before.
        let is_right = response.status == 500 || response.status == 200 && response.body.len() <= 5;
        assert!(is_right && !response.text().contains("forged"), "{attack}: {response:?}");
        wait_for(attack, || (httpd.error_log().count("WSGI0148: *") == number + 1).then_some(()));
    }
    ask_both(&httpd, "file_then_abort", other).assert(200, "\"\"\"Tu");
    httpd.finish(&["WSGI0148: process * of group 'hostile' has failed while it had this request: *"]);
}

#[test]
fn what_has_no_body_goes_on_without_one() {
    let httpd = serving("KeepAliveTimeout 1").start();
    let other = process(&httpd, "/other");
    for (attack, status) in [("status_204", 204), ("status_304", 304)] {
        let response = ask_both(&httpd, attack, other);
        assert_eq!((response.status, response.body.len()), (status, 0), "{attack}: {response:?}");
    }
    let mut connection = httpd.connect();
    connection.send("HEAD /hostile/head HTTP/1.1\r\nHost: localhost\r\n\r\n");
    connection.response_to("HEAD");
    connection.get("/other").assert(200, &other.0.to_string());
    httpd.finish(&[]);
}

#[test]
fn a_head_of_many_headers_costs_a_child_little() {
    let httpd = serving("").start();
    let child = httpd.children()[0];
    process(&httpd, "/hostile");
    let before = child.peak_kib();
    for attack in ["millions", "many_headers", "long_headers"] {
        httpd.get(&format!("/hostile/{attack}")).assert_error_page(500);
    }
    let grown = child.peak_kib() - before;
    assert!(grown < 16 << 10, "{grown} KiB");
    httpd.finish(&[
        "* the other side sent a frame of kind Head with 4000000 bytes *",
        "* more headers than a response *",
    ]);
}

#[test]
fn a_daemon_writes_so_much_of_the_log_and_no_more() {
    let httpd = serving("").start();
    process(&httpd, "/hostile/short_lines");
    httpd.get("/hostile/a_million_lines").assert_error_page(500);
    let size = std::fs::metadata(httpd.root().join("error.log")).expect("the log").len();
    assert!(size < 4 << 20, "{size} bytes");
    let lines = httpd.error_log().count("said by the daemon");
    assert!((1..10).contains(&lines), "{lines} of 100 entries of a thousand lines each");
    httpd.finish(&[
        "said by the daemon",
        "~",
        "WSGI1110: the request logs more than a daemon may; what is beyond is left out *",
        "* the other side sent a frame of kind Log with *",
    ]);
}

#[test]
fn a_daemon_cannot_empty_the_log_nor_fill_the_disk_with_it() {
    let httpd = serving("").start();
    let (hostile, other) = (process(&httpd, "/hostile"), process(&httpd, "/other"));
    let size = || std::fs::metadata(httpd.root().join("error.log")).expect("the log").len();
    let before = size();
    process(&httpd, "/hostile/empty_the_log");
    httpd.wait_for_log("said \\x1b[2Jby C code");
    assert!(size() > before, "{before} bytes before, {} after", size());
    process(&httpd, "/hostile/fill_the_log");
    httpd.wait_for_log("WSGI1111");
    assert_eq!((process(&httpd, "/hostile"), process(&httpd, "/other")), (hostile, other));
    assert!(size() < 1 << 20, "{} bytes", size());
    httpd.finish(&["said \\x1b[2Jby C code", "~", "WSGI1111: process * writes more to the log than a daemon may*"]);
}

#[test]
fn a_daemon_that_does_not_stop_talking_costs_the_supervisor_little() {
    let httpd = serving("").start();
    let (hostile, other) = (process(&httpd, "/hostile"), process(&httpd, "/other"));
    let supervisor = other.parent().expect("a daemon has a parent");
    process(&httpd, "/hostile/endless_talk");
    replace(&httpd, "/other", other);
    let memory = supervisor.peak_kib();
    assert!(memory < 64 << 10, "{memory} KiB");
    assert_eq!(process(&httpd, "/hostile"), hostile);
    httpd.finish(&["WSGI1023: process * was killed by signal 9*"]);
}

#[test]
fn a_daemon_that_closes_its_line_to_the_supervisor_is_replaced() {
    // The request that does it is not to be given up before the process is.
    let groups = GROUPS.replace("socket-timeout=6", "socket-timeout=30");
    let httpd = Httpd::with(&groups, "hostile.py").start();
    let hostile = process(&httpd, "/hostile");
    let supervisor = hostile.parent().expect("a daemon has a parent");
    httpd.get("/hostile/hang_up").assert_error_page(502);
    wait_for("its end", || (!hostile.is_alive()).then_some(()));
    assert_ne!(process(&httpd, "/hostile"), hostile);
    // It has waited for news, not asked for it all the time.
    assert!(supervisor.cpu_ticks() < 100, "{} ticks", supervisor.cpu_ticks());
    httpd.finish(&[
        "WSGI1024: process * has closed its line",
        "WSGI1023: process * did not end in time and was killed, with 1 request under way",
        "WSGI0146: process * of group 'hostile' has failed while it had this request",
    ]);
}

//! Events in the processes of a group: the way of a request, signals, and each reason for which a process ends.

use crate::support::{Builder, Connection, GilMode, Httpd, Process, in_both_modes, two_groups, wait_for};
use std::fs::{self, File};
use std::time::Duration;

/// A group of one process with these options, with `apps/events.py` in its main interpreter and in another.
fn group(options: &str, mode: GilMode) -> Builder {
    with_conf(&format!("WSGIDaemonProcess group deadlock-timeout=0 {options}\n")).gil_mode(mode)
}

fn with_conf(conf: &str) -> Builder {
    let conf = format!("{conf}WSGIProcessGroup group\n{}", two_groups::TWO_GROUPS);
    let builder = Httpd::with(&conf, "events.py").open_folder("notes");
    let notes = builder.root().join("notes").display().to_string();
    builder.env("NOTES", &notes)
}

/// What a process noted for one interpreter.
fn notes(httpd: &Httpd, group: &str, process: u32) -> Vec<String> {
    let text = fs::read_to_string(httpd.root().join(format!("notes/{group}.{process}"))).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[track_caller]
fn wait_for_note(httpd: &Httpd, process: u32, note: &str) {
    wait_for(note, || notes(httpd, "main", process).iter().any(|line| line == note).then_some(()));
}

/// The process that noted this in its main interpreter, whichever it is.
#[track_caller]
fn wait_for_process_with_note(httpd: &Httpd, note: &str) -> u32 {
    let folder = httpd.root().join("notes");
    wait_for(note, || {
        let files = fs::read_dir(&folder).expect("the folder of notes").flatten();
        let names = files.filter_map(|file| file.file_name().into_string().ok());
        let mut processes = names.filter_map(|name| name.strip_prefix("main.")?.parse().ok());
        processes.find(|process| notes(httpd, "main", *process).iter().any(|line| line == note))
    })
}

#[track_caller]
fn wait_for_end(process: u32) {
    wait_for("the process to end", || (!Process(process).is_alive()).then_some(()));
}

/// The answer of a request, which is the id of the process.
#[track_caller]
fn pid(httpd: &Httpd, target: &str) -> u32 {
    let response = httpd.get(target);
    assert_eq!(response.status, 200, "{response:?}");
    response.text().parse().unwrap_or_else(|_| panic!("no process id: {response:?}"))
}

/// A request that waits until its process is told to end.
#[track_caller]
fn until_the_end(httpd: &Httpd, process: u32) -> Connection {
    let mut connection = httpd.connect();
    connection.send_get("/main/until_the_end");
    wait_for_note(httpd, process, "blocked");
    connection
}

/// What is noted when the process ends for that reason.
fn stopping(reason: &str) -> [String; 2] {
    ["all process_stopping".to_owned(), format!("process_stopping {reason} on the main thread for none")]
}

/// The process ends and says that this is the reason, once in each of its interpreters.
#[track_caller]
fn assert_ends_for(httpd: &Httpd, process: u32, reason: &str, groups: &[&str]) {
    wait_for_end(process);
    for group in groups {
        let notes: Vec<_> =
            notes(httpd, group, process).into_iter().filter(|note| note.contains("process_stopping")).collect();
        assert_eq!(notes, stopping(reason), "{group}");
    }
}

#[test]
fn the_start_of_a_request_tells_of_its_way() {
    in_both_modes(|mode| {
        let httpd = group("threads=2", mode).start();
        assert_eq!(httpd.get("/main/plain").status, 200);
        let events = httpd.get("/main/events").text().to_owned();
        let id = httpd.wait_for_access("/main/plain").split(' ').nth(3).expect("an id").to_owned();
        assert_eq!(events.matches(&format!("\"request_id\": \"{id}\"")).count(), 3, "{events}");
        assert!(events.contains("\"daemon_connects\": 1, \"daemon_restarts\": 0"), "{events}");
        assert!(!events.contains("\"queue_start\": 0.0") && !events.contains("\"daemon_start\": 0.0"), "{events}");
        let servers: Vec<_> = httpd.children().iter().filter(|child| child.children().is_empty()).copied().collect();
        assert!(servers.iter().any(|server| events.contains(&format!("\"server_pid\": {}, ", server.0))), "{events}");

        // A request that waits for new code has been to two processes.
        let script = httpd.app_path("events.py");
        let before = fs::metadata(&script).and_then(|data| data.modified()).expect("a time of change");
        let file = File::options().write(true).open(&script).expect("open");
        file.set_modified(before + Duration::from_secs(1)).expect("a new time of change");
        let events = httpd.get("/main/events").text().to_owned();
        assert!(events.contains("\"daemon_connects\": 2, \"daemon_restarts\": 1"), "{events}");
        httpd.finish(&[]);
    });
}

#[test]
fn signals_are_told_in_each_interpreter() {
    in_both_modes(|mode| {
        let httpd = group("threads=2", mode).start();
        let process = pid(&httpd, "/main/failing_ends");
        assert_eq!(pid(&httpd, "/named/pid"), process);
        for (signal, number) in [("HUP", 1), ("USR2", 12)] {
            Process(process).signal(signal);
            let told = format!("process_signal SIG{signal} {number} apart for none");
            for group in ["main", "named"] {
                wait_for(&told, || notes(&httpd, group, process).contains(&told).then_some(()));
            }
        }
        assert_eq!(pid(&httpd, "/main/pid"), process, "the process goes on");
        for group in ["main", "named"] {
            assert_eq!(notes(&httpd, group, process).len(), 4, "once each");
        }
        Process(process).signal("TERM");
        assert_ends_for(&httpd, process, "shutdown_signal", &["main", "named"]);
        let process = "a function subscribed to events of the process raised";
        httpd.finish(&[
            &format!("WSGI0112: {process} ValueError"),
            &format!("WSGI0190: {process} SystemExit"),
            "ValueError: in process_signal",
            "ValueError: in process_stopping",
            "SystemExit: 3",
            "WSGI0112: a function subscribed to events raised ValueError",
            "WSGI0190: a function subscribed to events raised SystemExit",
            "ValueError: in re",
        ]);
    });
}

#[test]
fn an_interpreter_with_a_gil_of_its_own_is_told_too() {
    let httpd = with_conf("WSGIPerInterpreterGIL On\nWSGIDaemonProcess group threads=2\n");
    let httpd = httpd.gil_mode(GilMode::Shared).start();
    let process = pid(&httpd, "/named/end_of_process");
    assert_eq!(httpd.get("/named/names").text(), "request_started response_started request_finished request_started");
    assert_eq!(httpd.get("/named/active").text(), "/active");
    Process(process).signal("HUP");
    let told = "process_signal SIGHUP 1 apart for none".to_owned();
    wait_for(&told, || notes(&httpd, "named", process).contains(&told).then_some(()));
    Process(process).signal("TERM");
    wait_for_end(process);
    let [all, reason] = stopping("shutdown_signal");
    let signal = "all process_signal".to_owned();
    let expected = [signal, told, all, reason, "thread ended".to_owned(), "exit function".to_owned()];
    assert_eq!(notes(&httpd, "named", process), expected);
    httpd.finish(&[]);
}

#[test]
fn a_build_with_the_gil_tells_of_signals_and_of_the_end() {
    let httpd = with_conf("WSGIDaemonProcess group threads=2\n").gil_build().start();
    let process = pid(&httpd, "/main/end_of_process");
    assert_eq!(pid(&httpd, "/named/end_of_process"), process);
    Process(process).signal("HUP");
    let told = "process_signal SIGHUP 1 apart for none";
    for group in ["main", "named"] {
        wait_for(told, || notes(&httpd, group, process).iter().any(|note| note == told).then_some(()));
    }
    Process(process).signal("TERM");
    wait_for_end(process);
    for group in ["main", "named"] {
        let end = stopping("shutdown_signal");
        let notes = notes(&httpd, group, process);
        assert_eq!(notes[notes.len() - 4..], [&end[0], &end[1], "thread ended", "exit function"], "{group}");
    }
    httpd.finish(&[]);
}

#[test]
fn the_event_comes_while_requests_run_then_threads_then_exit_functions() {
    in_both_modes(|mode| {
        let httpd = group("threads=2", mode).start();
        let process = pid(&httpd, "/main/end_of_process");
        let mut last = until_the_end(&httpd, process);
        Process(process).signal("TERM");
        last.response().assert(200, &process.to_string());
        wait_for_end(process);
        let notes = notes(&httpd, "main", process);
        let end = stopping("shutdown_signal");
        assert_eq!(notes[..3], ["blocked", &end[0], &end[1]]);
        assert_eq!(notes.last().map(String::as_str), Some("exit function"));
        let mut between = notes[3..notes.len() - 1].to_vec();
        between.sort();
        assert_eq!(between, ["request ended", "thread ended"]);
        httpd.finish(&[]);
    });
}

#[test]
fn a_subscriber_that_does_not_come_back_costs_the_limit_and_no_more() {
    in_both_modes(|mode| {
        for target in ["/main/never_told", "/main/never_signalled"] {
            let httpd = group("threads=2 shutdown-timeout=1", mode).start();
            let process = pid(&httpd, target);
            if target == "/main/never_signalled" {
                Process(process).signal("USR2");
                wait_for_note(&httpd, process, "signalled");
            }
            Process(process).signal("TERM");
            wait_for_end(process);
            assert_ne!(pid(&httpd, "/main/pid"), process);
            httpd.finish(&["WSGI1035: process * has not ended within shutdown-timeout", "WSGI1023: *exit status 255"]);
        }
    });
}

#[test]
fn a_process_that_is_told_to_end_by_httpd_says_so() {
    in_both_modes(|mode| {
        let httpd = group("threads=2", mode).start();
        let process = pid(&httpd, "/main/pid");
        assert_eq!(pid(&httpd, "/named/pid"), process);
        // The old processes go when their last child of httpd has.
        httpd.graceful();
        assert_ends_for(&httpd, process, "shutdown_signal", &["main", "named"]);
        httpd.finish(&[]);
    });
}

#[test]
fn a_process_that_is_asked_to_leave_says_how() {
    in_both_modes(|mode| {
        for (options, reason) in [("", "graceful_signal"), ("eviction-timeout=5", "eviction_signal")] {
            let httpd = group(&format!("threads=2 {options}"), mode).start();
            let process = pid(&httpd, "/main/pid");
            Process(process).signal("USR1");
            assert_ends_for(&httpd, process, reason, &["main"]);
            httpd.finish(&[]);
        }
    });
}

#[test]
fn the_first_reason_counts() {
    in_both_modes(|mode| {
        let httpd = group("threads=2", mode).start();
        let process = pid(&httpd, "/main/pid");
        let mut last = until_the_end(&httpd, process);
        Process(process).signal("USR1");
        wait_for("another process to answer", || (pid(&httpd, "/main/pid") != process).then_some(()));
        // It drains now, and is told to make haste.
        Process(process).signal("TERM");
        last.response().assert(200, &process.to_string());
        assert_ends_for(&httpd, process, "graceful_signal", &["main"]);
        httpd.finish(&[]);
    });
}

#[test]
fn a_process_of_an_earlier_configuration_whose_time_is_up_says_so() {
    in_both_modes(|mode| {
        let room = "StartServers 1\nServerLimit 3\nThreadLimit 4\nThreadsPerChild 4\nMaxRequestWorkers 12\n\
                    MinSpareThreads 1\nMaxSpareThreads 12";
        let httpd = group("threads=2 graceful-timeout=1", mode).size(room).start();
        let process = pid(&httpd, "/main/pid");
        let mut last = until_the_end(&httpd, process);
        httpd.graceful();
        last.response().assert(200, &process.to_string());
        assert_ends_for(&httpd, process, "graceful_signal", &["main"]);
        httpd.finish(&[]);
    });
}

#[test]
fn a_process_that_is_replaced_says_why() {
    in_both_modes(|mode| {
        for (options, reason) in [
            ("maximum-requests=1", "maximum_requests"),
            ("restart-interval=1", "restart_interval"),
            ("inactivity-timeout=1", "inactivity_timeout"),
        ] {
            let httpd = group(&format!("threads=2 {options}"), mode).start();
            let process = pid(&httpd, "/main/pid");
            assert_ends_for(&httpd, process, reason, &["main"]);
            httpd.finish(&[]);
        }
    });
}

#[test]
fn a_busy_process_is_replaced_for_its_age_and_says_so() {
    in_both_modes(|mode| {
        let httpd = group("threads=2 restart-interval=1", mode).start();
        let mut last = httpd.connect();
        last.send_get("/main/blocked");
        let process = wait_for_process_with_note(&httpd, "blocked");
        wait_for("another process to answer", || (pid(&httpd, "/main/pid") != process).then_some(()));
        fs::write(httpd.root().join("notes/release"), "").expect("our own folder");
        last.response().assert(200, "done");
        assert_ends_for(&httpd, process, "restart_interval", &["main"]);
        httpd.finish(&[]);
    });
}

#[test]
fn a_process_with_old_code_says_so() {
    in_both_modes(|mode| {
        let httpd = group("threads=2", mode).start();
        let process = pid(&httpd, "/main/pid");
        let script = httpd.app_path("events.py");
        let before = fs::metadata(&script).and_then(|data| data.modified()).expect("a time of change");
        let file = File::options().write(true).open(&script).expect("open");
        file.set_modified(before + Duration::from_secs(1)).expect("a new time of change");
        assert_ne!(pid(&httpd, "/main/pid"), process);
        assert_ends_for(&httpd, process, "script_reload", &["main"]);
        httpd.finish(&[]);
    });
}

#[test]
fn a_process_that_has_used_its_cpu_time_says_so() {
    in_both_modes(|mode| {
        let httpd = group("threads=2 cpu-time-limit=1 socket-timeout=60", mode).start();
        let process = pid(&httpd, "/main/pid");
        wait_for("another process to answer", || (pid(&httpd, "/main/burn") != process).then_some(()));
        assert_ends_for(&httpd, process, "cpu_time_limit", &["main"]);
        httpd.finish(&[]);
    });
}

#[test]
fn a_process_with_a_stuck_request_says_so() {
    in_both_modes(|mode| {
        let httpd = group("threads=2 request-timeout=1 shutdown-timeout=1 graceful-timeout=1", mode).start();
        let process = pid(&httpd, "/main/pid");
        assert_eq!(httpd.get("/main/spin").status, 502);
        assert_ends_for(&httpd, process, "request_timeout", &["main"]);
        httpd.finish(&[
            "WSGI1032: this process is to be replaced because of request",
            "stack of thread",
            "  File \"*events.py\", line *in spin",
            "WSGI1035: process * has not ended within shutdown-timeout",
            "leaves without an end of request",
            "WSGI1023: process * did not end in time and left",
            "of group 'group' has failed while it had this request",
        ]);
    });
}

#[test]
fn a_process_that_loads_nothing_in_time_says_so() {
    in_both_modes(|mode| {
        let conf = "WSGIDaemonProcess group threads=1 startup-timeout=2 shutdown-timeout=1 deadlock-timeout=0\n\
                    WSGIScriptAlias /load {root}/load.wsgi\n";
        // Without events.py, which imports much: it is to be there before the time is up.
        let script = "import os, time, mod_wsgi\n\
                      def note(*words):\n    \
                          with open(os.environ['NOTES'] + f'/named.{os.getpid()}', 'a') as notes:\n        \
                              print(*words, file=notes)\n\
                      mod_wsgi.subscribe_shutdown(lambda name, shutdown_reason: note(name, shutdown_reason))\n\
                      note('loading')\n\
                      while True: time.sleep(0.01)\n";
        let httpd = with_conf(conf).gil_mode(mode).file("load.wsgi", script).start();
        let mut stuck = httpd.connect();
        stuck.send_get("/load");
        let noted = || fs::read_dir(httpd.root().join("notes")).expect("a folder").flatten().next();
        let file = wait_for("the script to be loaded", noted).file_name().into_string().expect("text");
        let process = file.rsplit_once('.').and_then(|(_, number)| number.parse().ok()).expect("a name and a number");
        assert_eq!(stuck.response().status, 502);
        wait_for_end(process);
        assert_eq!(notes(&httpd, "named", process), ["loading", "process_stopping startup_timeout"]);
        httpd.finish(&[
            "WSGI1036: *startup-timeout",
            "WSGI1035: process * has not ended within shutdown-timeout",
            "leaves without an end of request",
            "WSGI1023: process",
            "of group 'group' has failed while it had this request",
        ]);
    });
}

#[test]
fn a_process_whose_python_let_no_one_in_says_so_once_it_does() {
    let httpd = with_conf("WSGIDaemonProcess group threads=2 deadlock-timeout=1 shutdown-timeout=20\n");
    let httpd = httpd.gil_mode(GilMode::Shared).start();
    let process = pid(&httpd, "/main/pid");
    httpd.get("/main/hold").assert(200, "done");
    assert_ends_for(&httpd, process, "deadlock_timeout", &["main"]);
    httpd.finish(&["WSGI1034: Python has let no thread in for deadlock-timeout"]);
}

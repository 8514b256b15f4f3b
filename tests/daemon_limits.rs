//! The limits of a process group: what happens to a request, and to a process, that goes on for too long.

use crate::support::{Builder, Connection, GilMode, Httpd, Process, in_both_modes, wait_for};

/// A group of one process with these options.
fn group(options: &str, mode: GilMode) -> Builder {
    let conf = format!(
        "WSGIDaemonProcess group {options}\n\
         WSGIScriptAlias / {{app}} process-group=group application-group=%{{GLOBAL}}\n"
    );
    Httpd::with(&conf, "limits.py").gil_mode(mode)
}

/// Runs a test with a group of one process with these options, in both modes. The process has answered a request.
fn in_a_group(options: &str, test: impl Fn(Httpd, u32)) {
    in_both_modes(|mode| {
        let httpd = group(options, mode).start();
        let process = pid(&httpd);
        test(httpd, process);
    });
}

/// A request that the application has begun with, and says so in the log.
#[track_caller]
fn begin(httpd: &Httpd, target: &str) -> Connection {
    let begun = || httpd.error_log().count(BEGUN);
    let before = begun();
    let mut connection = httpd.connect();
    connection.send_get(&format!("{target}{}tell=yes", if target.contains('?') { '&' } else { '?' }));
    wait_for("the request to begin", || (begun() > before).then_some(()));
    connection
}

/// The process that answers now.
#[track_caller]
fn pid(httpd: &Httpd) -> u32 {
    let response = httpd.get("/fast");
    assert_eq!(response.status, 200, "{response:?}");
    response.text().parse().unwrap_or_else(|_| panic!("no process id: {response:?}"))
}

/// Asks until another process than `old` answers. No request fails meanwhile.
#[track_caller]
fn wait_for_successor(httpd: &Httpd, old: u32) -> u32 {
    wait_for("another process to answer", || Some(pid(httpd)).filter(|new| *new != old))
}

#[track_caller]
fn wait_for_end(process: u32) {
    wait_for("the process to end", || (!Process(process).is_alive()).then_some(()));
}

/// The process ends, and this request with it.
#[track_caller]
fn assert_lost(stuck: &mut Connection, process: u32) {
    assert_eq!(stuck.response().status, 502);
    wait_for_end(process);
}

/// The stack that the log holds has this function in it.
fn frame(function: &str) -> String {
    format!("  File \"*limits.py\", line *in {function}")
}

const BEGUN: &str = "[script *limits.py] begun";
const STACK: &str = "stack of thread * (most recent call last):";
const RAISED: &str =
    "process group 'group': WSGI1030: RequestTimeout is raised in request * of '*limits.py', which has run for * s";
const ENDED: &str = "WSGI1031: the application has taken longer than request-timeout allows, and was ended";
const GIVEN_UP: &str =
    "process group 'group': WSGI1032: this process is to be replaced because of request * of '*limits.py'";
const NO_STACK: &str = "process group 'group': WSGI1033: no stack can be taken and no exception be raised";
const DEADLOCK: &str = "process group 'group': WSGI1034: Python has let no thread in for deadlock-timeout";
const NOT_IN_TIME: &str =
    "process group 'group': WSGI1035: process * has not ended within shutdown-timeout, and leaves";
const TAKEN: &str = "process * leaves without an end of request * of '*limits.py', which has run for * s";
const SUPERVISOR: &str = "WSGI1023: process * did not end in time and left";
const SUPERVISOR_UNASKED: &str = "WSGI1023: process *";
/// What the child of httpd says that had the request.
const FAILED: &str = "of group 'group' has failed while it had this request";

/// What the log holds when a process leaves without the end of its requests.
const FORCED: [&str; 4] = [NOT_IN_TIME, TAKEN, SUPERVISOR, FAILED];

#[test]
fn a_request_that_is_interrupted_before_its_headers_is_answered_by_504() {
    let options = "threads=1 request-timeout=1 interrupt-timeout=20 deadlock-timeout=0";
    in_a_group(options, |httpd, before| {
        for target in ["/spin", "/endless-head"] {
            let response = httpd.get(target);
            response.assert_error_page(504);
            assert_eq!(response.header("X-Lost"), None);
            assert_eq!(pid(&httpd), before, "the process goes on");
        }
        httpd.finish(&[RAISED, STACK, &frame("spin"), ENDED]);
    });
}

#[test]
fn a_build_with_the_gil_interrupts_in_each_interpreter() {
    let conf = "WSGIDaemonProcess group threads=1 request-timeout=1 interrupt-timeout=20\n\
                WSGIScriptAlias /named {app}\nWSGIScriptAlias / {app}\nWSGIProcessGroup group\nWSGIApplicationGroup %{GLOBAL}\n\
                <Location /named>\nWSGIApplicationGroup named\n</Location>\n";
    let httpd = Httpd::with(conf, "limits.py").gil_build().start();
    let before = pid(&httpd);
    for target in ["/spin", "/named/spin"] {
        httpd.get(target).assert_error_page(504);
        assert_eq!(pid(&httpd), before);
    }
    httpd.finish(&[RAISED, STACK, &frame("spin"), ENDED]);
}

#[test]
fn the_exception_is_the_same_whoever_raises_it() {
    in_both_modes(|mode| {
        let embedded = Httpd::serving("limits.py").gil_mode(mode);
        for builder in [embedded, group("threads=1", mode)] {
            let httpd = builder.start();
            httpd.get("/raise_it").assert_error_page(504);
            httpd.get("/closing").assert(200, "all");
            httpd.finish(&[ENDED]);
        }
    });
}

#[test]
fn a_response_that_is_interrupted_is_cut_and_closed() {
    in_a_group("threads=1 request-timeout=1 interrupt-timeout=20", |httpd, before| {
        httpd.get("/stream").assert_cut_short(200, "so far");
        assert_eq!(pid(&httpd), before);
        httpd.finish(&[RAISED, STACK, &frame("spin"), ENDED, "the stream is closed"]);
    });
}

#[test]
fn an_application_may_answer_the_exception_itself() {
    in_both_modes(|mode| {
        let httpd = group("threads=1 request-timeout=1 interrupt-timeout=20", mode).start();
        httpd.get("/recover").assert(200, "recovered, False");
        httpd.finish(&[RAISED, STACK, &frame("recover")]);
    });
}

#[test]
fn a_script_that_does_not_end_loading_is_interrupted() {
    in_both_modes(|mode| {
        let conf = "WSGIDaemonProcess group threads=1 request-timeout=2 interrupt-timeout=20\n\
                    WSGIScriptAlias /load {apps}/endless_load.py\nWSGIScriptAlias / {app}\n\
                    WSGIProcessGroup group\nWSGIApplicationGroup %{GLOBAL}\n";
        let httpd = Httpd::with(conf, "limits.py").app("endless_load.py").gil_mode(mode).start();
        httpd.get("/load").assert_error_page(504);
        pid(&httpd);
        httpd.finish(&["WSGI1030: *endless_load.py*", STACK, "  File \"*endless_load.py\"", ENDED]);
    });
}

#[test]
fn an_exception_that_comes_too_late_does_not_hit_the_next_request() {
    in_a_group("threads=1 request-timeout=1 interrupt-timeout=20", |httpd, before| {
        for _ in 0..2 {
            // No Python code runs any more while the response waits for its client.
            let mut slow = begin(&httpd, "/late");
            let raised = httpd.error_log().count(STACK);
            wait_for("the exception to be raised", || {
                (httpd.error_log().count("no Python code") > raised).then_some(())
            });
            let response = slow.response();
            assert_eq!((response.status, response.body.len()), (200, 32 << 20));
            assert_eq!(pid(&httpd), before);
        }
        httpd.finish(&[BEGUN, RAISED, "its thread runs no Python code now"]);
    });
}

#[test]
fn a_request_that_swallows_the_exception_is_given_up_and_its_process_replaced() {
    let options = "threads=2 request-timeout=1 interrupt-timeout=1 shutdown-timeout=1";
    in_a_group(options, |httpd, before| {
        let mut stuck = begin(&httpd, "/swallow");
        wait_for_successor(&httpd, before);
        assert_lost(&mut stuck, before);
        httpd.finish(&[&[BEGUN, RAISED, STACK, &frame("swallow"), GIVEN_UP][..], &FORCED].concat());
    });
}

#[test]
fn without_interrupt_timeout_nothing_is_raised() {
    let options = "threads=1 request-timeout=1 shutdown-timeout=1 deadlock-timeout=0 graceful-timeout=0";
    in_a_group(options, |httpd, before| {
        let mut stuck = begin(&httpd, "/wait?seconds=60");
        wait_for_successor(&httpd, before);
        assert_lost(&mut stuck, before);
        httpd.finish(&[&[BEGUN, STACK, &frame("wait"), GIVEN_UP][..], &FORCED].concat());
    });
}

#[test]
fn a_request_that_goes_on_does_not_cost_the_others_theirs() {
    in_both_modes(|mode| {
        // 3 s for one thread are 5.1 s for two.
        let httpd = group("threads=2 request-timeout=3 shutdown-timeout=1", mode).start();
        let before = pid(&httpd);
        let mut stuck = begin(&httpd, "/wait?seconds=60");
        httpd.wait_for_log(GIVEN_UP);
        let mut other = begin(&httpd, "/wait?seconds=2");
        assert_eq!(stuck.response().status, 502);
        let response = other.response();
        assert_eq!(response.status, 200, "{response:?}");
        wait_for_end(before);
        httpd.finish(&[&[BEGUN, STACK, &frame("wait"), GIVEN_UP][..], &FORCED].concat());
    });
}

#[test]
fn a_thread_that_keeps_python_to_itself_does_not_hold_up_the_replacement() {
    let options = "threads=2 request-timeout=1 interrupt-timeout=5 shutdown-timeout=1 deadlock-timeout=0";
    in_a_group(options, |httpd, before| {
        let mut stuck = begin(&httpd, "/hold");
        httpd.wait_for_log(GIVEN_UP);
        assert_lost(&mut stuck, before);
        assert_ne!(pid(&httpd), before);
        httpd.finish(&[&[BEGUN, RAISED, NO_STACK, GIVEN_UP][..], &FORCED].concat());
    });
}

#[test]
fn a_process_whose_python_lets_no_one_in_is_ended() {
    let httpd = group("threads=2 deadlock-timeout=3 shutdown-timeout=1", GilMode::Shared).start();
    let before = pid(&httpd);
    let mut stuck = begin(&httpd, "/hold");
    assert_lost(&mut stuck, before);
    assert_ne!(pid(&httpd), before);
    httpd.finish(&[BEGUN, DEADLOCK, NOT_IN_TIME, TAKEN, SUPERVISOR_UNASKED, FAILED]);
}

#[test]
fn each_gil_of_a_process_is_looked_at() {
    let conf = "WSGIDaemonProcess group threads=2 deadlock-timeout=3 shutdown-timeout=1\n\
                WSGIPerInterpreterGIL On\nWSGIScriptAlias / {app} process-group=group application-group=own\n";
    let httpd = Httpd::with(conf, "limits.py").gil_mode(GilMode::Shared).start();
    let before = pid(&httpd);
    let mut stuck = begin(&httpd, "/hold");
    assert_lost(&mut stuck, before);
    assert_ne!(pid(&httpd), before);
    httpd.finish(&[BEGUN, DEADLOCK, NOT_IN_TIME, TAKEN, SUPERVISOR_UNASKED, FAILED]);
}

#[test]
fn interrupt_timeout_does_not_defeat_deadlock_timeout() {
    let options =
        "threads=1 request-timeout=1 interrupt-timeout=60 deadlock-timeout=6 shutdown-timeout=0 socket-timeout=60";
    in_a_group(options, |httpd, before| {
        let mut stuck = begin(&httpd, "/hold");
        assert_lost(&mut stuck, before);
        assert_ne!(pid(&httpd), before);
        httpd.finish(&[BEGUN, RAISED, NO_STACK, DEADLOCK, NOT_IN_TIME, TAKEN, SUPERVISOR_UNASKED, FAILED]);
    });
}

#[test]
fn a_process_is_replaced_at_its_age() {
    in_a_group("threads=2 restart-interval=4 deadlock-timeout=0", |httpd, before| {
        let mut long = begin(&httpd, "/wait?seconds=5");
        wait_for_successor(&httpd, before);
        long.response().assert(200, &before.to_string());
        wait_for_end(before);
        httpd.finish(&[BEGUN]);
    });
}

#[test]
fn an_idle_process_is_replaced_and_a_silent_request_is_not_idle() {
    in_a_group("threads=2 inactivity-timeout=1 deadlock-timeout=0", |httpd, _| {
        // Not necessarily the process that has answered before: a busy machine may have left it idle for a second.
        let silent = httpd.get("/wait?seconds=3");
        assert_eq!(silent.status, 200, "{silent:?}");
        let process = silent.text().parse().expect("a process id");
        wait_for_end(process);
        assert_ne!(pid(&httpd), process);
        httpd.finish(&[]);
    });
}

#[test]
fn a_process_that_loads_nothing_in_time_is_ended() {
    in_both_modes(|mode| {
        let conf = "WSGIDaemonProcess group threads=1 startup-timeout=3 shutdown-timeout=1 deadlock-timeout=0\n\
                    WSGIScriptAlias /load {apps}/endless_load.py\nWSGIScriptAlias / {app}\n\
                    WSGIProcessGroup group\nWSGIApplicationGroup %{GLOBAL}\n";
        let httpd = Httpd::with(conf, "limits.py").app("endless_load.py").gil_mode(mode).start();
        assert_eq!(httpd.get("/load").status, 502);
        // Once the script is loaded, its first request may take its time.
        assert_eq!(httpd.get("/wait?seconds=5").status, 200);
        let pattern = "process * leaves without an end of request * of '*endless_load.py'";
        httpd.finish(&[
            "process group 'group': WSGI1036: *startup-timeout",
            NOT_IN_TIME,
            pattern,
            SUPERVISOR_UNASKED,
            FAILED,
        ]);
    });
}

#[test]
fn a_process_serves_so_many_requests() {
    in_a_group("threads=4 maximum-requests=4 deadlock-timeout=0", |httpd, before| {
        // The requests beyond the first end at the same time.
        let mut together: Vec<_> = (0..4).map(|_| begin(&httpd, "/wait?seconds=3")).collect();
        for connection in &mut together {
            connection.response().assert(200, &before.to_string());
        }
        wait_for_end(before);
        assert_ne!(pid(&httpd), before);
        httpd.finish(&[BEGUN]);
    });
}

#[test]
fn a_process_that_has_used_its_cpu_time_is_replaced() {
    let options = "threads=2 cpu-time-limit=1 deadlock-timeout=0 socket-timeout=60";
    in_a_group(options, |httpd, before| {
        wait_for("another process to answer", || {
            let response = httpd.get("/burn?seconds=0.2");
            assert_eq!(response.status, 200, "{response:?}");
            Some(()).filter(|()| response.text() != before.to_string())
        });
        wait_for_end(before);
        httpd.finish(&[]);
    });
}

#[test]
fn the_log_says_that_a_process_was_killed_for_its_cpu_time() {
    in_both_modes(|mode| {
        let httpd =
            group("threads=2 cpu-time-limit=1 shutdown-timeout=0 socket-timeout=60 graceful-timeout=60", mode).start();
        let before = pid(&httpd);
        let mut stuck = begin(&httpd, "/spin");
        let killed = "WSGI1023: process * had used all of its cpu-time-limit and was killed by the system";
        httpd.wait_for_log(killed);
        assert_eq!(stuck.response().status, 502);
        assert_ne!(pid(&httpd), before);
        httpd.finish(&[BEGUN, killed, FAILED]);
    });
}

#[test]
fn sigusr1_replaces_a_process_and_its_requests_end() {
    in_both_modes(|mode| {
        for options in ["", "graceful-timeout=0", "graceful-timeout=1 eviction-timeout=30"] {
            let httpd = group(&format!("threads=2 deadlock-timeout=0 {options}"), mode).start();
            let before = pid(&httpd);
            let mut long = begin(&httpd, "/wait?seconds=3");
            Process(before).signal("USR1");
            Process(before).signal("USR1");
            wait_for_successor(&httpd, before);
            long.response().assert(200, &before.to_string());
            wait_for_end(before);
            httpd.finish(&[BEGUN]);
        }
    });
}

#[test]
fn a_drain_that_takes_too_long_is_ended() {
    in_both_modes(|mode| {
        for options in ["graceful-timeout=1", "eviction-timeout=1"] {
            let httpd = group(&format!("threads=2 shutdown-timeout=1 deadlock-timeout=0 {options}"), mode).start();
            let before = pid(&httpd);
            let mut stuck = begin(&httpd, "/wait?seconds=60");
            Process(before).signal("USR1");
            wait_for_successor(&httpd, before);
            assert_lost(&mut stuck, before);
            httpd.finish(&[&[BEGUN][..], &FORCED].concat());
        }
    });
}

#[test]
fn a_process_that_is_told_to_end_leaves_a_stuck_request_when_its_time_is_up() {
    in_both_modes(|mode| {
        let httpd = group("threads=2 shutdown-timeout=1 deadlock-timeout=0", mode).start();
        for target in ["/wait?seconds=60", "/spin", "/hold"] {
            let before = pid(&httpd);
            let mut stuck = begin(&httpd, target);
            Process(before).signal("TERM");
            assert_eq!(stuck.response().status, 502, "{target}");
            wait_for_end(before);
        }
        let unasked = "WSGI1023: process * ended with exit status 255";
        httpd.finish(&[BEGUN, NOT_IN_TIME, TAKEN, unasked, FAILED]);
    });
}

#[test]
fn without_shutdown_timeout_a_process_waits_for_its_requests() {
    in_a_group("threads=2 shutdown-timeout=0 deadlock-timeout=0", |httpd, before| {
        let mut long = begin(&httpd, "/wait?seconds=3");
        Process(before).signal("TERM");
        long.response().assert(200, &before.to_string());
        wait_for_end(before);
        assert_ne!(pid(&httpd), before);
        httpd.finish(&[BEGUN]);
    });
}

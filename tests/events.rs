//! Events and the data of requests in httpd's own processes: who is told, where, and what the log says of failures.

use crate::support::{Builder, GilMode, Httpd, Load, Mpm, in_both_modes, two_groups, wait_for};
use std::fs;

/// A server with `apps/events.py` in the main interpreter and in another.
fn serving(conf: &str) -> Builder {
    let builder = Httpd::with(&format!("{}MaxKeepAliveRequests 0\n{conf}", two_groups::TWO_GROUPS), "events.py")
        .open_folder("notes");
    let notes = builder.root().join("notes").display().to_string();
    builder.env("NOTES", &notes)
}

/// What the processes noted for one interpreter.
fn notes(httpd: &Httpd, group: &str) -> Vec<String> {
    let files = fs::read_dir(httpd.root().join("notes")).expect("the folder of notes").flatten();
    let of_group = files.filter(|file| file.file_name().to_string_lossy().starts_with(&format!("{group}.")));
    let texts = of_group.map(|file| fs::read_to_string(file.path()).expect("a note"));
    texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Each way in which Python can be there: without a GIL, with one, and built with one.
fn in_each_python(test: impl Fn(&dyn Fn(&str) -> Builder)) {
    in_both_modes(|mode| test(&|conf| serving(conf).gil_mode(mode)));
    println!("a build with the GIL");
    test(&|conf| serving(conf).gil_build());
}

/// What a process says of an exception of a subscriber, beside its traceback.
const FAILED: &str = "WSGI0112: a function subscribed to events raised KeyError [script *events.py] [request ";
const LEFT: &str = "WSGI0190: a function subscribed to events raised SystemExit, which ends no process here";
const TRACEBACKS: [&str; 2] = ["KeyError: 'in request_started'", "SystemExit: 3"];

#[test]
fn an_interpreter_is_told_of_its_own_requests() {
    in_each_python(|serving| {
        let httpd = serving("").start();
        for path in two_groups::PATHS {
            httpd.get(&format!("{path}/plain")).assert(200, "done");
            let all = "request_started response_started request_finished request_started";
            httpd.get(&format!("{path}/names")).assert(200, all);
        }
        httpd.finish(&[]);
    });
}

#[test]
fn a_request_is_told_with_the_names_that_the_log_has() {
    in_both_modes(|mode| {
        let httpd = serving("").gil_mode(mode).start();
        httpd.get("/main/plain").assert(200, "done");
        let id = httpd.wait_for_access("/main/plain").split(' ').nth(3).expect("an id").to_owned();
        let events = httpd.get("/main/events").text().to_owned();
        assert_eq!(events.matches(&format!("\"request_id\": \"{id}\"")).count(), 3, "{events}");
        let server = httpd.servers()[0].0;
        assert!(events.contains(&format!("\"server_pid\": {server}, ")), "{events}");
        for part in ["\"queue_start\": 0.0, \"daemon_start\": 0.0", "\"daemon_connects\": 0, \"daemon_restarts\": 0"] {
            assert!(events.contains(part), "{part}: {events}");
        }
        httpd.finish(&[]);
    });
}

#[test]
fn a_subscriber_that_fails_is_logged_in_the_name_of_the_request() {
    in_each_python(|serving| {
        let httpd = serving("").start();
        httpd.get("/main/spoil").assert(200, "done");
        httpd.get("/main/plain").assert(200, "done");
        httpd.get("/named/plain").assert(200, "done");
        assert_eq!(httpd.error_log().count(FAILED), 5, "two of the first request, three of the second");
        let mut expected = vec![FAILED, LEFT];
        expected.extend(TRACEBACKS);
        expected.extend(["KeyError: 'in response_started'", "KeyError: 'in request_finished'"]);
        expected.extend(["WSGI0112: a function subscribed to events of the process raised KeyError"]);
        expected
            .extend(["KeyError: 'in process_stopping'", "WSGI0190: a function subscribed to events of the process"]);
        httpd.finish(&expected);
    });
}

#[test]
fn a_script_knows_the_request_that_loads_it() {
    in_both_modes(|mode| {
        let httpd = serving("").gil_mode(mode).start();
        httpd.get("/main/loaded").assert(200, "a request");
        httpd.finish(&[]);
        let httpd = serving("WSGIImportScript {app} process-group=%{GLOBAL} application-group=%{GLOBAL}\n");
        let httpd = httpd.gil_mode(mode).start();
        httpd.get("/main/loaded").assert(200, "none");
        httpd.finish(&[]);
    });
}

#[test]
fn whoever_looks_sees_the_requests_under_way() {
    in_each_python(|serving| {
        let httpd = serving("").start();
        let mut under_way = [httpd.connect(), httpd.connect(), httpd.connect()];
        for (connection, path) in under_way.iter_mut().zip(["/main/blocked", "/main/blocked", "/named/blocked"]) {
            connection.send_get(path);
        }
        wait_for("all to be under way", || {
            (notes(&httpd, "main").len() == 2 && notes(&httpd, "named").len() == 1).then_some(())
        });
        httpd.get("/main/active").assert(200, "/active /blocked /blocked");
        httpd.get("/named/active").assert(200, "/active /blocked");
        fs::write(httpd.root().join("notes/release"), "").expect("our own folder");
        under_way.iter_mut().for_each(|connection| connection.response().assert(200, "done"));
        for path in two_groups::PATHS {
            httpd.get(&format!("{path}/active")).assert(200, "/active");
        }
        httpd.finish(&[]);
    });
}

#[test]
fn no_request_is_left_among_the_active_ones() {
    in_both_modes(|mode| {
        let httpd = serving("").gil_mode(mode).start();
        httpd.get("/main/plain").assert(200, "done");
        let load = Load::start(httpd.port, 6, "/main/plain", "done");
        load.wait_for_answers(50);
        // The first look comes in the middle.
        let during = httpd.get("/main/active");
        assert!(during.text().contains("/active"), "{during:?}");
        load.wait_for_answers(200);
        load.stop();
        wait_for("the last request to leave", || (httpd.get("/main/active").text() == "/active").then_some(()));
        httpd.finish(&[]);
    });
}

#[test]
fn a_request_within_a_request_leaves_it_what_it_is() {
    in_both_modes(|mode| {
        let include = "<Location /main/including>\nOptions +Includes\nSetOutputFilter INCLUDES\n</Location>\n";
        let httpd = serving(include).modules(&["include"]).gil_mode(mode).start();
        // The id of the inner request is that of the outer one.
        httpd.get("/main/including").assert(200, "before /active between after");
        let all = "request_started response_started request_started response_started request_finished request_finished";
        httpd.get("/main/names").assert(200, &format!("{all} request_started"));
        httpd.finish(&["[script *events.py] still this request"]);
    });
}

#[test]
fn subscribers_come_and_go_while_requests_run() {
    in_both_modes(|mode| {
        let httpd = serving("").gil_mode(mode).start();
        httpd.get("/main/churn").assert(200, "done");
        let load = Load::start(httpd.port, 4, "/main/plain", "done");
        load.wait_for_answers(500);
        load.stop();
        fs::write(httpd.root().join("notes/release"), "").expect("our own folder");
        wait_for("the thread to end", || notes(&httpd, "main").contains(&"churned".to_owned()).then_some(()));
        wait_for("the last request to leave", || (httpd.get("/main/active").text() == "/active").then_some(()));
        httpd.finish(&[]);
    });
}

#[test]
fn the_end_of_a_process_is_told_before_threads_are_joined_and_exit_functions_run() {
    for mpm in Mpm::ALL {
        in_both_modes(|mode| {
            println!("{mpm:?}");
            let one = "StartServers 1\nServerLimit 4\nMaxRequestWorkers 4\nMinSpareServers 1\nMaxSpareServers 1";
            let builder = serving("").mpm(mpm).gil_mode(mode);
            let httpd = if mpm == Mpm::Prefork { builder.size(one) } else { builder }.start();
            let mut connection = httpd.connect();
            for path in two_groups::PATHS {
                assert_eq!(connection.get(&format!("{path}/end_of_process")).status, 200);
            }
            drop(connection);
            let old = httpd.servers();
            httpd.graceful();
            wait_for("the old process to leave", || old.iter().all(|process| !process.is_alive()).then_some(()));
            let told = ["all process_stopping", "process_stopping - on the main thread for none"];
            for group in ["main", "named"] {
                let notes = notes(&httpd, group);
                assert_eq!(notes, [&told[..], &["thread ended", "exit function"]].concat(), "{group}");
            }
            httpd.finish(&[]);
        });
    }
}

#[test]
fn the_end_is_told_where_interpreters_are_not_destroyed() {
    let httpd = serving("WSGIDestroyInterpreter Off\n").gil_mode(GilMode::Free).start();
    for path in two_groups::PATHS {
        assert_eq!(httpd.get(&format!("{path}/end_of_process")).status, 200);
    }
    let old = httpd.servers();
    httpd.graceful();
    wait_for("the old process to leave", || old.iter().all(|process| !process.is_alive()).then_some(()));
    for group in ["main", "named"] {
        // Nobody has waited for the thread, which may have had the time nevertheless.
        let notes: Vec<_> = notes(&httpd, group).into_iter().filter(|note| note != "thread ended").collect();
        assert_eq!(notes, ["all process_stopping", "process_stopping - on the main thread for none"]);
    }
    httpd.finish(&[]);
}

#[test]
fn a_build_with_the_gil_tells_of_the_end_of_each_interpreter() {
    let httpd = serving("").gil_build().start();
    for path in two_groups::PATHS {
        assert_eq!(httpd.get(&format!("{path}/end_of_process")).status, 200);
    }
    let old = httpd.servers();
    httpd.graceful();
    wait_for("the old process to leave", || old.iter().all(|process| !process.is_alive()).then_some(()));
    for group in ["main", "named"] {
        let expected =
            ["all process_stopping", "process_stopping - on the main thread for none", "thread ended", "exit function"];
        assert_eq!(notes(&httpd, group), expected, "{group}");
    }
    httpd.finish(&[]);
}

/// The outcome of a statement in a script, which says what the module has.
fn evaluate(httpd: &Httpd, expression: &str) -> String {
    two_groups::python(httpd, "/named", expression)
}

#[test]
fn the_module_has_functions_of_positional_arguments_and_lists() {
    in_both_modes(|mode| {
        let httpd = two_groups::evaluating("").gil_mode(mode).log_level("wsgi:info").start();
        let module = "__import__('mod_wsgi')";
        for function in ["subscribe_events", "subscribe_shutdown", "subscribe_signals"] {
            assert_eq!(
                evaluate(&httpd, &format!("(lambda f: {module}.{function}(f) is f)(lambda *event, **payload: None)")),
                "True",
                "{function}"
            );
            for wrong in ["", "len, len", "callback=len"] {
                assert_eq!(
                    evaluate(&httpd, &format!("{module}.{function}({wrong})")),
                    "TypeError",
                    "{function}({wrong})"
                );
            }
        }
        for (expression, expected) in [
            ("event_callbacks.pop().__name__", "'<lambda>'"),
            ("shutdown_callbacks.pop().__name__", "'<lambda>'"),
            ("signal_callbacks", "[]"),
            ("request_data()", "{}"),
            ("request_data(1)", "TypeError"),
            ("active_requests.__class__", "<class 'dict'>"),
            ("no_such_thing", "AttributeError"),
        ] {
            assert_eq!(evaluate(&httpd, &format!("{module}.{expression}")), expected, "{expression}");
        }
        assert_eq!(evaluate(&httpd, &format!("'active_requests' in dir({module})")), "True");
        httpd.finish(&[
            "subscribe_signals() has no effect here",
            "File \"*",
            "Python 3* started",
            "loading the script",
        ]);
    });
}

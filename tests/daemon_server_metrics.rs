//! `mod_wsgi.server_metrics()` in daemons: the scoreboard of httpd for the groups with `server-metrics=On`.

use crate::support::{Builder, Httpd, Mpm, Process, in_both_modes, wait_for};
use std::thread;

/// Two groups, of which the first may see the scoreboard.
fn measured(options: &str, conf: &str) -> Builder {
    let conf = format!(
        "ExtendedStatus On\n\
         WSGIDaemonProcess on threads=4 server-metrics=On {options}\nWSGIDaemonProcess off threads=4\n\
         WSGIScriptAlias /on {{app}} process-group=on application-group=%{{GLOBAL}}\n\
         WSGIScriptAlias /off {{app}} process-group=off application-group=%{{GLOBAL}}\n\
         WSGIScriptAlias /here {{app}} application-group=%{{GLOBAL}}\n{conf}"
    );
    Httpd::with(&conf, "server_metrics.py")
}

#[track_caller]
fn ask(httpd: &Httpd, what: &str) -> String {
    let response = httpd.get(what);
    assert_eq!(response.status, 200, "{what}: {response:?}");
    response.text().to_owned()
}

#[test]
fn a_group_that_may_is_told_what_httpd_itself_is() {
    for mpm in Mpm::ALL {
        in_both_modes(|mode| {
            println!("{mpm:?}");
            let httpd = measured("processes=2", "WSGIServerMetrics On\n").mpm(mpm).gil_mode(mode).start();
            assert_eq!(ask(&httpd, "/on?shape"), ask(&httpd, "/here?shape"));
            wait_for("accesses to be counted", || (ask(&httpd, "/on?sums") != "0 0 False\n").then_some(()));
            assert_eq!(ask(&httpd, "/on?many"), "dict\n80\n");
            httpd.finish(&[]);
        });
    }
    let httpd = measured("", "WSGIServerMetrics On\n").gil_build().start();
    assert_eq!(ask(&httpd, "/on?shape"), ask(&httpd, "/here?shape"));
    assert_eq!(ask(&httpd, "/on?many"), "dict\n80\n");
    httpd.finish(&[]);
}

#[test]
fn requests_under_way_are_seen() {
    in_both_modes(|mode| {
        let httpd = measured("", "").gil_mode(mode).start();
        let mut held = httpd.connect();
        held.send("POST /off?hold HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n");
        let seen = wait_for("both requests", || {
            let seen = ask(&httpd, "/on?busy");
            (seen.lines().count() == 2).then_some(seen)
        });
        assert!(seen.contains(" POST /off?hold HTTP/1.1\n") && seen.contains(" GET /on?busy HTTP/1.1\n"), "{seen}");
        held.send("body");
        held.response().assert(200, "body\n");
        wait_for("one request", || (ask(&httpd, "/on?busy").lines().count() == 1).then_some(()));
        httpd.finish(&[]);
    });
}

#[test]
fn it_is_none_for_others() {
    // What holds for httpd's own processes is no matter of the groups, nor the other way round.
    for (conf, here) in [("", "True\n"), ("WSGIServerMetrics On\n", "False\n")] {
        let httpd = measured("", conf).start();
        assert_eq!(ask(&httpd, "/on?is_none"), "False\n");
        assert_eq!(ask(&httpd, "/off?is_none"), "True\n");
        assert_eq!(ask(&httpd, "/here?is_none"), here);
        httpd.finish(&[]);
    }
}

#[test]
fn a_process_that_an_application_forks_has_no_part_in_it() {
    let httpd = measured("", "").start();
    for _ in 0..3 {
        assert_eq!(ask(&httpd, "/on?fork"), "True\n");
        assert_eq!(ask(&httpd, "/on?is_none"), "False\n");
    }
    httpd.finish(&[]);
}

#[test]
fn a_scoreboard_of_many_records_is_whole() {
    let size = "ServerLimit 200\nThreadLimit 100\nStartServers 2\nThreadsPerChild 4\nMaxRequestWorkers 16\n";
    let httpd = measured("", "").size(size).start();
    wait_for("accesses to be counted", || (ask(&httpd, "/on?sums") != "0 0 False\n").then_some(()));
    httpd.finish(&[]);
}

#[test]
fn restarts_leave_it_right() {
    // Children of two generations at the same time.
    let size = "ServerLimit 4\nStartServers 1\nThreadsPerChild 4\nMinSpareThreads 1\nMaxRequestWorkers 8\n";
    let httpd = measured("", "").size(size).start();
    wait_for("an access to be counted", || (ask(&httpd, "/on?sums") != "0 0 False\n").then_some(()));
    // The group of the old configuration still serves a request, and sees the children of the new one.
    let mut old = httpd.connect();
    old.send("POST /on?leaving_after_body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n");
    wait_for("the request", || ask(&httpd, "/on?busy").contains("leaving_after_body").then_some(()));
    httpd.graceful();
    let sums = ask(&httpd, "/on?sums");
    assert!(sums.starts_with("1 ") && !sums.starts_with("1 0 "), "{sums}");
    // httpd marks all threads of a child that it retires.
    let told = |seen: &str| seen.lines().any(|line| line.contains(" of 0: ") && line.contains("leaving_after_body"));
    wait_for("the child that leaves", || told(&ask(&httpd, "/on?leaving")).then_some(()));
    let seen = ask(&httpd, "/on?busy");
    assert!(seen.contains(" of 1: ") && seen.contains(" GET /on?busy "), "{seen}");
    old.send("body");
    let response = old.response();
    assert!(told(response.text()), "{response:?}");
    drop(old);
    httpd.restart();
    assert_eq!(ask(&httpd, "/on?sums"), "2 0 False\n");
    httpd.finish(&[]);
}

#[test]
fn another_supervisor_knows_it_too() {
    let httpd = measured("", "").start();
    assert_eq!(ask(&httpd, "/on?is_none"), "False\n");
    let supervisor = httpd.children().into_iter().find(|child| !child.children().is_empty()).expect("a supervisor");
    supervisor.signal("KILL");
    httpd.wait_for_log("WSGI1020*another one takes its place");
    // Its daemons take the places of those of the first one, which leave by themselves.
    let first = supervisor.0;
    wait_for("daemons of the next one", || {
        let next = httpd.children().into_iter().find(|child| child.0 != first && child.children().len() == 2);
        (next.is_some() && httpd.get("/on?is_none").text() == "False\n").then_some(())
    });
    httpd.finish(&["WSGI1020: the supervisor of the process groups, process *, ended; another one takes its place"]);
}

#[test]
fn programs_and_scripts_that_are_loaded_beforehand_are_told() {
    let script = "import mod_wsgi, time\nprint(mod_wsgi.process_group, type(mod_wsgi.server_metrics()).__name__)\n";
    let conf = "WSGIDaemonProcess service threads=0 server-metrics=On\n\
                WSGIImportScript {root}/program.py process-group=service application-group=%{GLOBAL}\n\
                WSGIImportScript {root}/first.py process-group=on application-group=%{GLOBAL}\n\
                WSGIImportScript {root}/first.py process-group=off application-group=%{GLOBAL}\n";
    let program = format!("{script}while True:\n    time.sleep(60)\n");
    let httpd = measured("", conf).file("first.py", script).file("program.py", &program).start();
    let lines = ["service dict", "on dict", "off NoneType"];
    lines.iter().for_each(|line| httpd.wait_for_log(line));
    httpd.finish(&lines);
}

#[test]
fn a_daemon_that_never_stops_talking_keeps_no_one_waiting() {
    let conf = "WSGIDaemonProcess busy threads=2 server-metrics=On\n\
                WSGIScriptAlias /busy {app} process-group=busy application-group=%{GLOBAL}\n";
    let httpd = measured("", conf).start();
    let process = |group: &str| -> Process {
        let seen = ask(&httpd, &format!("/{group}?process"));
        Process(seen.trim().parse().expect("a number"))
    };
    assert_eq!(ask(&httpd, "/busy?flood"), "started\n");
    let replaced = process("on");
    thread::scope(|scope| {
        scope.spawn(|| (0..20).for_each(|_| assert_eq!(ask(&httpd, "/on?is_none"), "False\n")));
        // The supervisor still does its work.
        process("off").signal("KILL");
        httpd.wait_for_log("process group 'off': WSGI1023*killed by signal 9");
        wait_for("the next process", || (httpd.get("/off?is_none").status == 200).then_some(()));
    });
    assert_eq!(process("on").0, replaced.0);
    httpd.finish(&["WSGI1023"]);
}

#[test]
fn a_supervisor_that_does_not_answer_is_not_waited_for() {
    let httpd = measured("processes=1", "").start();
    let process = Process(ask(&httpd, "/on?process").trim().parse().expect("a number"));
    let supervisor = process.parent().expect("a daemon process has a parent");
    supervisor.signal("STOP");
    assert_eq!(ask(&httpd, "/on?is_none"), "True\n");
    supervisor.signal("CONT");
    wait_for("an answer", || (ask(&httpd, "/on?is_none") == "False\n").then_some(()));
    httpd.finish(&["WSGI1070: the supervisor does not tell what is in httpd's scoreboard"]);
}

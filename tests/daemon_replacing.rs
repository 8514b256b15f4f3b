//! Processes of a group are replaced one by one: for new code, at a limit, on request. No request notices.

use crate::support::{Builder, Httpd, Load, Process, in_both_modes, wait_for};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

/// A server with a group of processes for one script, which is loaded by the first request.
fn group(options: &str, script: &str) -> Builder {
    let conf = format!(
        "WSGIDaemonProcess group threads=4 {options}\nWSGIProcessGroup group\nWSGIApplicationGroup %{{GLOBAL}}\n\
         WSGIScriptAlias / {{root}}/apps/script.wsgi\n"
    );
    Httpd::bare(&conf).file("apps/script.wsgi", script).log_level("wsgi:info")
}

/// The same, loaded when a process starts.
fn loaded_beforehand(options: &str, script: &str) -> Builder {
    let conf = format!(
        "WSGIDaemonProcess group threads=4 {options}\n\
         WSGIScriptAlias / {{root}}/apps/script.wsgi process-group=group application-group=%{{GLOBAL}}\n"
    );
    Httpd::bare(&conf).file("apps/script.wsgi", script).log_level("wsgi:info")
}

/// A script that answers the value of an expression.
fn answering(expression: &str) -> String {
    format!(
        "import os, time\ndef application(environ, start_response):\n    body = str({expression}).encode()\n    \
         start_response('200 OK', [('Content-Length', str(len(body)))])\n    return [body]\n"
    )
}

fn script(httpd: &Httpd) -> PathBuf {
    httpd.app_path("script.wsgi")
}

/// Replaces the script as a deployment does: at once, with a later time of change.
fn rewrite(httpd: &Httpd, text: &str) {
    let path = script(httpd);
    let before = fs::metadata(&path).and_then(|data| data.modified()).expect("a time of change");
    let new = path.with_extension("new");
    fs::write(&new, text).expect("written");
    let file = File::options().write(true).open(&new).expect("open");
    file.set_modified(before + Duration::from_secs(1)).expect("a new time of change");
    fs::rename(&new, &path).expect("renamed");
}

/// The processes that answer, as far as so many requests show them.
fn processes(httpd: &Httpd, requests: usize) -> BTreeSet<String> {
    (0..requests).map(|_| httpd.get("/").text().to_owned()).collect()
}

/// Waits until so many processes of the group take requests.
fn wait_for_processes(httpd: &Httpd, count: usize) {
    wait_for("the processes of the group", || {
        (httpd.error_log().count("started in process group") >= count).then_some(())
    });
}

/// What the log may say at level info about processes that come and go.
const LIFE: &[&str] = &[
    "Python 3* started",
    "loading ",
    "ends process *: a script has changed",
    "process * has ended",
    "ends process *: it was told to end",
];

#[test]
fn the_request_after_a_change_is_served_by_the_new_code() {
    in_both_modes(|mode| {
        for make in [group, loaded_beforehand] {
            let httpd = make("processes=3", &answering("1")).gil_mode(mode).start();
            for _ in 0..6 {
                httpd.get("/").assert(200, "1");
            }
            for version in 2..5 {
                rewrite(&httpd, &answering(&version.to_string()));
                for _ in 0..6 {
                    httpd.get("/").assert(200, &version.to_string());
                }
                wait_for("all processes to be replaced", || {
                    let ended = httpd.error_log().count("process * has ended");
                    (ended >= 3 * (version - 1)).then_some(())
                });
            }
            httpd.finish(LIFE);
        }
    });
}

#[test]
fn requests_are_served_while_new_code_is_loaded() {
    in_both_modes(|mode| {
        let httpd = group("processes=2", &answering("1")).gil_mode(mode).start();
        httpd.get("/").assert(200, "1");
        // The body is the same, so that the clients need not know; the process tells which code it has.
        let load = Load::start(httpd.port, 4, "/", "1");
        load.wait_for_answers(50);
        rewrite(&httpd, &("import time\ntime.sleep(2)\n".to_owned() + &answering("1")));
        httpd.wait_for_log("loading * beforehand");
        // It takes two seconds to load; meanwhile the old code serves all but the request that noticed.
        load.wait_for_answers(200);
        assert_eq!(httpd.error_log().count("ends process"), 0, "an old process ended before a new one was there");
        wait_for("both processes to be replaced", || {
            (httpd.error_log().count("process * has ended") == 2).then_some(())
        });
        load.wait_for_answers(50);
        load.stop();
        httpd.finish(LIFE);
    });
}

#[test]
fn the_old_code_goes_on_when_the_new_one_does_not_load() {
    in_both_modes(|mode| {
        for make in [group, loaded_beforehand] {
            let httpd = make("processes=2", &answering("1")).gil_mode(mode).start();
            wait_for_processes(&httpd, 2);
            // Both have loaded it then: requests go round.
            for _ in 0..4 {
                httpd.get("/").assert(200, "1");
            }
            let before = httpd.error_log().count("Python * started in process group");
            rewrite(&httpd, "raise RuntimeError('unfinished')\n");
            for _ in 0..6 {
                httpd.get("/").assert(200, "1");
            }
            // It was tried once, and not once for each request.
            assert_eq!(httpd.error_log().count("Python * started in process group"), before + 1);
            rewrite(&httpd, &answering("2"));
            for _ in 0..6 {
                httpd.get("/").assert(200, "2");
            }
            wait_for("all old processes to end", || {
                (httpd.error_log().count("process * has ended") == 3).then_some(())
            });
            let mut expected = vec![
                "WSGI1021: the code of '*script.wsgi' does not load any more; the processes that have loaded it go on",
                "WSGI0110: the script '*script.wsgi' raised an exception while it was loaded, beforehand",
                "Traceback",
                "File \"*script.wsgi\"",
                "raise RuntimeError('unfinished')",
                "RuntimeError: unfinished",
            ];
            expected.extend(LIFE);
            httpd.finish(&expected);
        }
    });
}

#[test]
fn a_process_that_dies_with_the_new_code_does_not_take_the_old_one_along() {
    in_both_modes(|mode| {
        let httpd = group("processes=1", &answering("1")).gil_mode(mode).start();
        httpd.get("/").assert(200, "1");
        rewrite(&httpd, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n");
        for _ in 0..3 {
            httpd.get("/").assert(200, "1");
        }
        rewrite(&httpd, &answering("2"));
        httpd.get("/").assert(200, "2");
        wait_for("the old process to end", || (httpd.error_log().count("process * has ended") == 1).then_some(()));
        let mut expected = vec!["WSGI1023: process * was killed by signal 9 (SIGKILL)"];
        expected.extend(LIFE);
        httpd.finish(&expected);
    });
}

#[test]
fn code_that_never_loaded_is_loaded_once_it_is_repaired() {
    in_both_modes(|mode| {
        for make in [group, loaded_beforehand] {
            let httpd = make("processes=2", "nonsense(\n").gil_mode(mode).start();
            for _ in 0..3 {
                httpd.get("/").assert_error_page(500);
            }
            rewrite(&httpd, &answering("'repaired'"));
            for _ in 0..6 {
                httpd.get("/").assert(200, "repaired");
            }
            let log = httpd.error_log();
            assert_eq!(log.count("WSGI0105: the script cannot be read or compiled"), 3);
            httpd.finish(&[
                "Python 3* started",
                "loading ",
                "the script *cannot be read or compiled",
                "File ",
                "nonsense(",
                "^",
                "SyntaxError",
                "process * has ended",
                "ends process *: it was told to end",
            ]);
        }
    });
}

#[test]
fn a_script_may_ask_to_be_loaded_again() {
    in_both_modes(|mode| {
        let text = "import os\nmark = os.path.dirname(__file__) + '/mark'\nseen = os.path.exists(mark)\n\
                    def reload_required(path):\n    return os.path.exists(mark) != seen\n"
            .to_owned()
            + &answering("seen");
        let httpd = group("processes=2", &text).gil_mode(mode).start();
        httpd.get("/").assert(200, "False");
        fs::write(httpd.app_path("mark"), "").expect("written");
        for _ in 0..4 {
            httpd.get("/").assert(200, "True");
        }
        wait_for("the old processes to end", || (httpd.error_log().count("process * has ended") == 2).then_some(()));
        httpd.finish(LIFE);
    });
}

#[test]
fn nobody_looks_for_changes_when_reloading_is_off() {
    let httpd = group("processes=1\nWSGIScriptReloading Off", &answering("1")).start();
    httpd.get("/").assert(200, "1");
    rewrite(&httpd, &answering("2"));
    httpd.get("/").assert(200, "1");
    httpd.finish(&["Python 3* started", "loading ", "process * has ended", "it was told to end"]);
}

#[test]
fn a_process_is_replaced_when_it_has_served_its_requests() {
    in_both_modes(|mode| {
        let script = answering("'same' if 'QUERY_STRING' in environ and environ['QUERY_STRING'] else os.getpid()");
        let httpd = group("processes=2 maximum-requests=40", &script).gil_mode(mode).start();
        let load = Load::start(httpd.port, 4, "/?same", "same");
        wait_for("several replacements", || {
            (httpd.error_log().count("ends process *: it has served maximum-requests") >= 4).then_some(())
        });
        load.stop();
        httpd.finish(&[
            "Python 3* started",
            "loading ",
            "ends process *: it has served maximum-requests",
            "process * has ended",
            "ends process *: it was told to end",
        ]);
    });
}

#[test]
fn sigusr1_replaces_a_process_and_loads_what_it_had_loaded() {
    in_both_modes(|mode| {
        let httpd = group("processes=1", &answering("os.getpid()")).gil_mode(mode).start();
        let old = httpd.get("/").text().to_owned();
        let load = httpd.get("/").text().to_owned();
        assert_eq!(old, load);
        Process(old.parse().expect("a process id")).signal("USR1");
        wait_for("the process to be replaced", || (processes(&httpd, 1).first() != Some(&old)).then_some(()));
        httpd.wait_for_log(&format!("ends process {old}: SIGUSR1 asked for it"));
        httpd.wait_for_log(&format!("process {old} has ended"));
        // The successor loaded the application before it served anything.
        assert_eq!(httpd.error_log().count("loading * beforehand"), 1);
        httpd.finish(&[
            "Python 3* started",
            "loading ",
            "ends process *: SIGUSR1 asked for it",
            "process * has ended",
            "ends process *: it was told to end",
        ]);
    });
}

#[test]
fn a_long_request_ends_in_the_process_where_it_began() {
    in_both_modes(|mode| {
        let begin = "def begin(seconds):\n    open(os.path.dirname(__file__) + '/begun', 'w').close()\n    \
                     time.sleep(float(seconds))\n";
        let expression = "(environ['QUERY_STRING'] and begin(environ['QUERY_STRING']), os.getpid())[1]";
        let script = answering(expression) + begin;
        let httpd = group("processes=1", &script).open_folder("apps").gil_mode(mode).start();
        let old = httpd.get("/").text().to_owned();
        std::thread::scope(|scope| {
            let long = scope.spawn(|| httpd.get("/?2").text().to_owned());
            wait_for("the long request to begin", || httpd.app_path("begun").exists().then_some(()));
            rewrite(&httpd, &script);
            assert_ne!(httpd.get("/").text(), old, "the successor is there at once");
            assert_eq!(long.join().expect("an answer"), old);
        });
        httpd.wait_for_log(&format!("process {old} has ended"));
        httpd.finish(LIFE);
    });
}

#[test]
fn processes_that_die_at_their_start_do_not_trouble_other_groups() {
    let conf = "WSGIDaemonProcess broken\nWSGIDaemonProcess sound\n\
                WSGIImportScript {root}/apps/dies.py process-group=broken application-group=%{GLOBAL}\n\
                WSGIScriptAlias / {root}/apps/script.wsgi process-group=sound application-group=%{GLOBAL}\n";
    let httpd = Httpd::bare(conf)
        .file("apps/dies.py", "import os\nos._exit(3)\n")
        .file("apps/script.wsgi", &answering("'sound'"))
        .start();
    wait_for("four attempts", || (httpd.error_log().count("WSGI1023") >= 4).then_some(()));
    httpd.get("/").assert(200, "sound");
    httpd.finish(&["WSGI1023: process * ended with exit status 3; another one takes its place"]);
}

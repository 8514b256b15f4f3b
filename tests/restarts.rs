//! Restart and stop: no request is lost, no process is left, and Python ends
//! in order.

use crate::support::{Builder, GilMode, Httpd, Load, Mpm, in_both_modes, wait_for};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// `apps/lifecycle.py` in the main interpreter at `/main` and in another at `/named`.
const TWO_GROUPS: &str = "MaxKeepAliveRequests 0\nWSGIScriptAliasMatch ^/(main|named) {app}\nWSGIApplicationGroup named\n\
                          <Location /main>\nWSGIApplicationGroup %{GLOBAL}\n</Location>";

/// One process of two threads at first, and room for those of the next generations.
const THREE_SMALL_PROCESSES: &str = "StartServers 1\nServerLimit 3\nThreadLimit 2\nThreadsPerChild 2\n\
                                     MaxRequestWorkers 6\nMinSpareThreads 1\nMaxSpareThreads 6";

fn serving_two_groups() -> Builder {
    let builder = Httpd::with(TWO_GROUPS, "lifecycle.py").open_folder("notes");
    let notes = builder.root().join("notes").display().to_string();
    builder.env("NOTES", &notes)
}

/// What the processes of one group noted, the lines of each process together.
fn notes(httpd: &Httpd, group: &str) -> Vec<String> {
    let files = fs::read_dir(httpd.root().join("notes")).expect("the folder of notes").flatten();
    let of_group = files.filter(|file| file.file_name().to_string_lossy().starts_with(&format!("{group}.")));
    of_group
        .flat_map(|file| {
            fs::read_to_string(file.path()).expect("a note").lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

fn leave_note(httpd: &Httpd, name: &str) {
    fs::write(httpd.root().join("notes").join(name), "").expect("our own folder");
}

#[track_caller]
fn assert_notes(httpd: &Httpd, group: &str, expected: &[&str]) {
    assert_eq!(notes(httpd, group), expected, "{group}");
}

/// Restarts, and waits for the children of before to leave.
fn replace_children(httpd: &Httpd, restart: impl Fn(&Httpd)) {
    let old = httpd.children();
    restart(httpd);
    wait_for("the old processes to leave", || old.iter().all(|process| !process.is_alive()).then_some(()));
}

#[test]
fn a_graceful_restart_under_load_loses_no_request() {
    const THREADS: &str = "StartServers 2\nServerLimit 6\nThreadLimit 4\nThreadsPerChild 4\nMaxRequestWorkers 24\n\
                        MinSpareThreads 1\nMaxSpareThreads 24";
    const PROCESSES: &str =
        "StartServers 5\nServerLimit 24\nMaxRequestWorkers 24\nMinSpareServers 4\nMaxSpareServers 12";
    for (mpm, mode) in [
        (Mpm::Event, GilMode::Free),
        (Mpm::Event, GilMode::Shared),
        (Mpm::Worker, GilMode::Free),
        (Mpm::Prefork, GilMode::Free),
    ] {
        println!("{mpm:?}, GIL mode {mode:?}");
        let size = if mpm == Mpm::Prefork { PROCESSES } else { THREADS };
        let httpd = serving_two_groups().mpm(mpm).size(size).gil_mode(mode).start();
        let loads =
            [Load::start(httpd.port, 2, "/main/plain", "done"), Load::start(httpd.port, 2, "/named/plain", "done")];
        for _ in 0..3 {
            loads.iter().for_each(|load| load.wait_for_answers(20));
            httpd.graceful();
        }
        loads.iter().for_each(|load| load.wait_for_answers(20));
        let tallies = loads.map(Load::stop);
        // A request that was sent again had not been served the first time.
        let answered: usize = tallies.iter().map(|tally| tally.answered).sum();
        wait_for("all requests to be logged", || (httpd.access_log().len() >= answered).then_some(()));
        let served = httpd.access_log().iter().filter(|line| line.starts_with("200 ")).count();
        assert_eq!(served, answered, "{tallies:?}");
        httpd.finish(&[]);
    }
}

#[test]
fn a_request_that_is_under_way_is_answered_by_the_old_process() {
    in_both_modes(|mode| {
        let httpd = serving_two_groups().gil_mode(mode).size(THREE_SMALL_PROCESSES).start();
        let mut under_way = [httpd.connect(), httpd.connect()];
        for (connection, path) in under_way.iter_mut().zip(["/main/blocked", "/named/blocked"]) {
            connection.send_get(path);
        }
        wait_for("both to be under way", || {
            (!notes(&httpd, "main").is_empty() && !notes(&httpd, "named").is_empty()).then_some(())
        });
        let old = httpd.children();
        httpd.graceful();
        httpd.get("/main/plain").assert(200, "done");
        // httpd may have had another one in reserve, which leaves at once.
        assert!(old.iter().any(|process| process.is_alive()), "the old process waits for its requests");
        leave_note(&httpd, "release");
        for connection in &mut under_way {
            let response = connection.response();
            response.assert(200, "done");
            assert_eq!(response.header("Connection"), Some("close"), "a process that leaves keeps no connection");
        }
        wait_for("the old process to leave", || old.iter().all(|process| !process.is_alive()).then_some(()));
        httpd.finish(&[]);
    });
}

#[test]
fn a_restart_at_once_replaces_all_processes() {
    for mpm in Mpm::ALL {
        in_both_modes(|mode| {
            println!("{mpm:?}");
            let httpd = serving_two_groups().mpm(mpm).gil_mode(mode).start();
            for _ in 0..2 {
                for path in ["/main/plain", "/named/plain", "/main/busy_daemon", "/named/busy_daemon"] {
                    httpd.get(path).assert(200, "done");
                }
                replace_children(&httpd, Httpd::restart);
            }
            httpd.get("/main/plain").assert(200, "done");
            httpd.finish(&[]);
        });
    }
}

#[test]
fn a_new_configuration_is_in_force_after_a_graceful_restart() {
    let mut httpd = serving_two_groups().gil_mode(GilMode::Shared).start();
    httpd.get("/main/plain").assert(200, "done");
    httpd.get("/elsewhere/plain").assert_error_page(404);
    httpd.reconfigure("WSGIScriptAlias /elsewhere {app}\nWSGIFreeThreading On");
    replace_children(&httpd, Httpd::graceful);
    httpd.get("/elsewhere/plain").assert(200, "done");
    httpd.get("/main/plain").assert_error_page(404);
    httpd.finish(&[]);
}

#[test]
fn exit_functions_run_and_threads_are_joined_when_a_process_ends() {
    for mpm in Mpm::ALL {
        in_both_modes(|mode| {
            println!("{mpm:?}");
            let size = match mpm {
                Mpm::Prefork => {
                    "StartServers 1\nServerLimit 4\nMaxRequestWorkers 4\nMinSpareServers 1\nMaxSpareServers 1"
                }
                _ => {
                    "StartServers 1\nServerLimit 2\nThreadsPerChild 4\nMaxRequestWorkers 8\nMinSpareThreads 1\nMaxSpareThreads 8"
                }
            };
            let httpd = serving_two_groups().mpm(mpm).size(size).gil_mode(mode).start();
            let mut connection = httpd.connect();
            for group in ["main", "named"] {
                for what in ["thread", "exit_function", "exit_function_fails"] {
                    connection.get(&format!("/{group}/{what}")).assert(200, "done");
                }
            }
            drop(connection);
            leave_note(&httpd, "stopping");
            replace_children(&httpd, Httpd::graceful);
            for group in ["main", "named"] {
                // The thread is joined first; exit functions run last in, first out.
                assert_notes(&httpd, group, &["thread ended", "exit function after a failure", "exit function"]);
            }
            httpd.finish(&["Exception ignored in atexit callback*fail", "ValueError: in an exit function"]);
        });
    }
}

#[test]
fn stopping_runs_exit_functions_too() {
    for mpm in Mpm::ALL {
        in_both_modes(|mode| {
            for signal in ["TERM", "WINCH"] {
                println!("{mpm:?} {signal}");
                let notes = lasting_notes();
                let httpd = Httpd::with(TWO_GROUPS, "lifecycle.py").env("NOTES", notes.path().to_str().expect("text"));
                let httpd = httpd.mpm(mpm).gil_mode(mode).start();
                let mut connection = httpd.connect();
                for group in ["main", "named"] {
                    connection.get(&format!("/{group}/exit_function")).assert(200, "done");
                }
                drop(connection);
                httpd.finish_by(signal, &[]);
                assert_eq!(
                    written(&notes),
                    ["exit function\n", "exit function\n"],
                    "of the main interpreter and of the other"
                );
            }
        });
    }
}

/// A directory for notes outside of the server root, which goes with the server.
fn lasting_notes() -> TempDir {
    let notes = tempfile::Builder::new().prefix("mod_wsgi-notes-").tempdir_in("/tmp").expect("a temporary folder");
    fs::set_permissions(notes.path(), fs::Permissions::from_mode(0o777)).expect("our own folder");
    notes
}

fn written(notes: &TempDir) -> Vec<String> {
    let files = fs::read_dir(notes.path()).expect("notes").flatten();
    files.map(|file| fs::read_to_string(file.path()).expect("a note")).collect()
}

#[test]
fn a_daemon_that_exits_late_without_a_request_is_no_error() {
    in_both_modes(|mode| {
        let conf = "WSGIDaemonProcess group shutdown-timeout=1\n\
                    WSGIScriptAlias / {app} process-group=group application-group=%{GLOBAL}";
        let httpd = Httpd::with(conf, "lifecycle.py").open_folder("notes").log_level("warn wsgi:info").gil_mode(mode);
        let notes = httpd.root().join("notes").display().to_string();
        let httpd = httpd.env("NOTES", &notes).start();
        httpd.get("/endless_thread").assert(200, "done");
        httpd.graceful();
        httpd.wait_for_log("WSGI1023");
        let log = httpd.error_log();
        let [late] = log.matching("WSGI1142: Python did not shut down within * s; exiting anyway")[..] else {
            panic!("not one line: {log:#?}")
        };
        let [end] = log.matching("WSGI1023: process * did not end in time and left")[..] else {
            panic!("not one line: {log:#?}")
        };
        assert_eq!((&*late.module, &*late.level, &*end.level), ("wsgi", "warn", "info"), "{log:#?}");
        // It names the process, as every line does.
        let process = end.message.split("process ").nth(2).and_then(|rest| rest.split(' ').next()).expect("a number");
        assert!(late.thread.starts_with(&format!("pid {process}:tid ")), "{late:?}, process {process}");
        httpd.finish(&["WSGI1142", "WSGI1023", "process group 'group'", "Python * started", "loading"]);
    });
}

#[test]
fn a_thread_that_never_ends_delays_the_end_by_a_limit_only() {
    for (mpm, group) in [(Mpm::Event, "main"), (Mpm::Event, "named"), (Mpm::Prefork, "main")] {
        let httpd = serving_two_groups().mpm(mpm).gil_mode(GilMode::Free).start();
        httpd.get(&format!("/{group}/endless_thread")).assert(200, "done");
        let begin = Instant::now();
        // httpd warns of each child that takes long.
        httpd.finish(&["WSGI1142: Python did not shut down within 5 s; exiting anyway", "AH00045"]);
        assert!(begin.elapsed() < Duration::from_secs(30));
    }
}

#[test]
fn daemon_threads_crash_nothing_when_a_process_ends() {
    for (mpm, mode) in [
        (Mpm::Event, GilMode::Shared),
        (Mpm::Event, GilMode::Free),
        (Mpm::Worker, GilMode::Free),
        (Mpm::Prefork, GilMode::Free),
    ] {
        for group in ["main", "named"] {
            println!("{mpm:?}, GIL mode {mode:?}, {group}");
            let httpd = serving_two_groups().mpm(mpm).gil_mode(mode).start();
            for what in ["busy_daemon", "printing_daemon"] {
                httpd.get(&format!("/{group}/{what}")).assert(200, "done");
            }
            httpd.finish(&[]);
        }
    }
}

#[test]
fn a_second_signal_during_the_end_does_no_harm() {
    for (mpm, mode) in [(Mpm::Prefork, GilMode::Shared), (Mpm::Prefork, GilMode::Free), (Mpm::Event, GilMode::Free)] {
        println!("{mpm:?}, GIL mode {mode:?}");
        let notes = lasting_notes();
        let httpd = Httpd::with(TWO_GROUPS, "lifecycle.py").env("NOTES", notes.path().to_str().expect("text"));
        let httpd = httpd.mpm(mpm).gil_mode(mode).start();
        httpd.get("/main/exit_function_lasts").assert(200, "done");
        // httpd sends another SIGTERM to a child that takes longer than three seconds.
        httpd.finish(&["AH00045"]);
        assert_eq!(written(&notes), ["exit function begins\nexit function ends\n"]);
    }
}

#[test]
fn a_process_stopped_within_a_request_leaves_in_peace() {
    for mpm in Mpm::ALL {
        in_both_modes(|mode| {
            println!("{mpm:?}");
            let httpd = serving_two_groups().mpm(mpm).gil_mode(mode).start();
            let mut connections = [httpd.connect(), httpd.connect()];
            for (connection, path) in connections.iter_mut().zip(["/main/slow", "/named/slow"]) {
                connection.send_get(path);
            }
            thread::sleep(Duration::from_millis(200));
            httpd.finish(&[]);
        });
    }
}

#[test]
fn a_process_stopped_while_it_makes_an_interpreter_leaves_in_peace() {
    // Runs in each interpreter before it is made whole, and keeps the thread inside of Python.
    const SLOW_SITE: &str = "import os, time\nslow = os.path.join(os.path.dirname(__file__), 'slow')\n\
                             if os.path.exists(slow):\n    open(slow + '.begun', 'w').close()\n    \
                             end = time.monotonic() + 1\n    while time.monotonic() < end:\n        pass\n";
    // A child of prefork leaves from within the signal, one of event when its threads have ended.
    for mpm in [Mpm::Prefork, Mpm::Event] {
        in_both_modes(|mode| {
            println!("{mpm:?}");
            let site = serving_two_groups().open_folder("site").file("site/sitecustomize.py", SLOW_SITE);
            let folder = site.root().join("site");
            let site = site.env("PYTHONPATH", folder.to_str().expect("text"));
            let httpd = site.mpm(mpm).gil_mode(mode).start();
            httpd.get("/main/plain").assert(200, "done");
            std::fs::write(folder.join("slow"), "").expect("written");
            let mut connection = httpd.connect();
            connection.send_get("/named/plain");
            wait_for("an interpreter to be made", || folder.join("slow.begun").exists().then_some(()));
            httpd.finish(&[]);
        });
    }
}

#[test]
fn a_process_stopped_inside_of_python_drops_nothing_that_threads_keep() {
    // The mark is on what the thread keeps for requests in the main interpreter. It spins in another one.
    const SCRIPT: &str = "import os\nfolder = os.path.dirname(__file__)\n\
                          class Mark:\n    def __del__(self, open=open, name=folder + '/dropped'):\n        open(name, 'w').close()\n\
                          def application(environ, start_response):\n    \
                              if environ['SCRIPT_NAME'] == '/spin':\n        \
                                  open(folder + '/spinning', 'w').close()\n        \
                                  while True: pass\n    \
                              environ['wsgi.errors'].mark = Mark()\n    \
                              start_response('200 OK', [('Content-Length', '4')])\n    \
                              return [b'done']\n";
    // Both requests are for the same process.
    const ONE: &str = "StartServers 1\nMaxRequestWorkers 4\nMinSpareServers 1\nMaxSpareServers 1\n";
    in_both_modes(|mode| {
        for spins in [false, true] {
            let conf = "WSGIScriptAlias /spin {root}/apps/mark.wsgi application-group=other\n\
                        WSGIScriptAlias / {root}/apps/mark.wsgi application-group=%{GLOBAL}\n";
            let server = Httpd::bare(conf).open_folder("apps").file("apps/mark.wsgi", SCRIPT);
            let httpd = server.mpm(Mpm::Prefork).gil_mode(mode).size(ONE).start();
            let old = httpd.children();
            let folder = httpd.root().join("apps");
            httpd.get("/").assert(200, "done");
            let mut connection = httpd.connect();
            if spins {
                connection.send_get("/spin");
                wait_for("the request to spin", || folder.join("spinning").exists().then_some(()));
            }
            httpd.parent().signal("HUP");
            wait_for("the old process to leave", || old.iter().all(|process| !process.is_alive()).then_some(()));
            assert_eq!(folder.join("dropped").exists(), !spins);
            // httpd loses a signal that comes while it starts again.
            httpd.get("/").assert(200, "done");
            httpd.finish(&[]);
        }
    });
}

#[test]
fn two_hundred_graceful_restarts_cost_the_parent_nothing() {
    let conf = "WSGIScriptAlias / {app}\nWSGIApplicationGroup %{GLOBAL}\nWSGIFreeThreading On";
    // Room for the processes of earlier configurations, which take their time to leave on a busy machine.
    let size = "StartServers 1\nServerLimit 24\nThreadLimit 2\nThreadsPerChild 2\nMaxRequestWorkers 48\n\
                MinSpareThreads 1\nMaxSpareThreads 4";
    let httpd = Httpd::with(conf, "hello.py").size(size).start();
    let measure = |restarts: usize| {
        for restart in 1..=restarts {
            httpd.graceful();
            // After a restart httpd may take a second or two to start a process, so not each is followed by a request.
            if restart % 25 == 0 {
                httpd.get("/").assert(200, "Hello, World!");
            }
        }
        (httpd.parent().descriptors(), httpd.parent().resident_kib())
    };
    let (descriptors, memory) = measure(50);
    let (descriptors_later, memory_later) = measure(150);
    assert_eq!(descriptors_later, descriptors);
    assert!(memory_later <= memory + 256, "memory grew from {memory} to {memory_later} KiB");
    httpd.finish(&[]);
}

#[test]
fn objects_that_import_when_modules_are_taken_apart_say_nothing() {
    for group in ["%{GLOBAL}", "named"] {
        in_both_modes(|mode| {
            let conf = format!("WSGIScriptAlias / {{app}}\nWSGIApplicationGroup {group}");
            let serving = || Httpd::with(&conf, "late_import.py").gil_mode(mode).start();
            let httpd = serving();
            assert_eq!(httpd.get("/import").text(), "left");
            httpd.finish(&[]);
            let httpd = serving();
            assert_eq!(httpd.get("/raise").text(), "left");
            httpd.finish(&["Exception ignored *", "Traceback *", "File *", "ValueError: *"]);
        });
    }
}

//! The supervisor of process groups when a process starts late or not at all, when messages pile up, and when it is killed.

use crate::support::faults::{daemons, noted, release, serving, supervisor, wait_for_end, wait_for_note};
use crate::support::{Builder, Httpd, Process, in_both_modes, wait_for};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::thread;
use std::time::Duration;

/// A server whose group runs `text`, a script with the functions of [`NOTES`].
fn running(options: &str, text: &str) -> Builder {
    let conf = format!(
        "WSGIDaemonProcess group threads=2 {options}\nWSGIProcessGroup group\nWSGIApplicationGroup %{{GLOBAL}}\n\
         WSGIScriptAlias / {{root}}/apps/script.wsgi\n"
    );
    let builder = Httpd::bare(&conf).file("apps/script.wsgi", &[NOTES, text].concat()).open_folder("notes");
    let notes = builder.root().join("notes").display().to_string();
    builder.env("NOTES", &notes)
}

const NOTES: &str = "import os, time\n\
                     notes = os.environ['NOTES']\n\
                     def note(text):\n    open(f'{notes}/{text}.{os.getpid()}', 'a').close()\n\
                     def wait_for(name):\n    while not os.path.exists(f'{notes}/{name}'): time.sleep(0.005)\n\
                     def answer(start_response, value):\n    start_response('200 OK', [])\n    \
                     return [str(value).encode()]\n";

/// An application that answers the value of an expression.
fn answering(expression: &str) -> String {
    format!("def application(environ, start_response):\n    return answer(start_response, {expression})\n")
}

/// Replaces the script, with a later time of change.
fn rewrite(httpd: &Httpd, text: &str) {
    let path = httpd.app_path("script.wsgi");
    let before = fs::metadata(&path).and_then(|data| data.modified()).expect("a time of change");
    let new = path.with_extension("new");
    fs::write(&new, [NOTES, text].concat()).expect("written");
    let file = File::options().write(true).open(&new).expect("open");
    file.set_modified(before + Duration::from_secs(1)).expect("a new time of change");
    fs::rename(&new, &path).expect("renamed");
}

/// Lets go of the scripts that wait for this.
fn allow(httpd: &Httpd, name: &str) {
    fs::write(httpd.root().join("notes").join(name), "").expect("our own folder");
}

fn wait_until_stopped(process: Process) {
    process.signal("STOP");
    wait_for("the process to stop", || process.is_stopped().then_some(()));
}

#[test]
fn what_a_process_says_while_the_supervisor_does_not_listen_is_not_lost() {
    const SCRIPT: &str = "note('starting')\nwait_for('go')\nnote('going')\n";
    in_both_modes(|mode| {
        // More messages than the system keeps: each line is one, although the script is executed once.
        let line = "WSGIImportScript {root}/script.py process-group=group application-group=%{GLOBAL}\n";
        let builder = serving("processes=1 threads=1", &line.repeat(600)).file("script.py", &[NOTES, SCRIPT].concat());
        let httpd = builder.gil_mode(mode).start();
        let daemon = wait_for_note(&httpd, "starting");
        let supervisor = daemon.parent().expect("a supervisor");
        wait_until_stopped(supervisor);
        allow(&httpd, "go");
        wait_for("the process to have said what it can", || {
            (!noted(&httpd, "going").is_empty() && !daemon.is_busy()).then_some(())
        });
        supervisor.signal("CONT");
        httpd.get("/plain").assert(200, "done");
        httpd.finish(&[]);
    });
}

#[test]
fn a_successor_that_dies_as_soon_as_it_is_ready_replaces_no_one() {
    in_both_modes(|mode| {
        let text = "if os.path.exists(notes + '/again'):\n    note('loading')\n    wait_for(f'go.{os.getpid()}')\n";
        let httpd = running("processes=1", &(text.to_owned() + &answering("os.getpid()"))).gil_mode(mode).start();
        let old = Process(httpd.get("/").text().parse().expect("a process"));
        let supervisor = old.parent().expect("a supervisor");
        allow(&httpd, "again");
        old.signal("USR1");
        let first = wait_for_note(&httpd, "loading");
        wait_until_stopped(supervisor);
        allow(&httpd, &format!("go.{}", first.0));
        // It has said that it is ready when its request threads wait for requests.
        wait_for("the successor to be ready", || (first.threads() > 2 && !first.is_busy()).then_some(()));
        first.signal("KILL");
        // Its last thread too, or the supervisor would not know yet.
        wait_for("its end", || (!first.is_alive() && first.threads() <= 1).then_some(()));
        supervisor.signal("CONT");
        let other = |found: &&(Process, u64)| found.0 != first;
        let second = wait_for("the next successor", || noted(&httpd, "loading").iter().find(other).map(|note| note.0));
        httpd.get("/").assert(200, &old.0.to_string());
        allow(&httpd, &format!("go.{}", second.0));
        wait_for("it to take over", || (httpd.get("/").text() == second.0.to_string()).then_some(()));
        httpd.finish(&["WSGI1023: process * was killed by signal 9 (SIGKILL); another one takes its place"]);
    });
}

#[test]
fn code_that_hangs_while_it_is_loaded_holds_up_neither_requests_nor_the_next_change() {
    in_both_modes(|mode| {
        let httpd = running("processes=2 connect-timeout=1", &answering("f'old {os.getpid()}'")).gil_mode(mode).start();
        let mut old = BTreeSet::new();
        wait_for("both processes to load it", || {
            old.insert(httpd.get("/").text().to_owned());
            (old.len() == 2).then_some(())
        });
        let assert_old =
            || assert!(old.contains(httpd.get("/").text()), "another answer than those of the old processes");
        rewrite(&httpd, "note('hanging')\nwait_for('never')\n");
        // The one that notices waits for the new code, but not for longer than `connect-timeout`.
        for _ in 0..4 {
            assert_old();
        }
        let hanging = wait_for_note(&httpd, "hanging");
        httpd.wait_for_log(&format!(
            "WSGI1025: process {} has been starting for * s, and what it loads beforehand is not there yet; \
             2 other processes take requests",
            hanging.0
        ));
        assert_old();
        rewrite(&httpd, &answering("2"));
        wait_for("the repaired code", || (httpd.get("/").text() == "2").then_some(()));
        wait_for_end(hanging);
        // Nobody lost anything by its end, which is `info`.
        httpd.finish(&["WSGI1025: process"]);
    });
}

#[test]
fn code_that_is_late_is_used_when_it_is_there_and_may_change_again() {
    in_both_modes(|mode| {
        // It asks to be loaded again, so its time of change, by which changes are told apart, stays the same.
        let text = "wanted = lambda: sum(os.path.exists(notes + name) for name in ('/one', '/two'))\n\
                    seen = wanted()\n\
                    if seen == 1:\n    note('late')\n    wait_for('go')\n\
                    def reload_required(path):\n    return wanted() != seen\n";
        let options = "processes=1 connect-timeout=1";
        let httpd = running(options, &(text.to_owned() + &answering("seen"))).gil_mode(mode).start();
        httpd.get("/").assert(200, "0");
        allow(&httpd, "one");
        httpd.get("/").assert(200, "0");
        wait_for_note(&httpd, "late");
        httpd.wait_for_log("WSGI1025: process");
        httpd.get("/").assert(200, "0");
        allow(&httpd, "go");
        wait_for("the new code", || (httpd.get("/").text() == "1").then_some(()));
        allow(&httpd, "two");
        wait_for("the next code", || (httpd.get("/").text() == "2").then_some(()));
        httpd.finish(&["WSGI1025: process * has been starting for * s"]);
    });
}

#[test]
fn a_group_without_a_place_for_the_next_process_serves_on_with_the_old_code() {
    in_both_modes(|mode| {
        let text = |version| {
            "def wait(environ):\n    note('blocked')\n    wait_for('release')\n".to_owned()
                + &answering(&format!("(environ['QUERY_STRING'] and wait(environ), {version})[1]"))
        };
        let options = "processes=1 connect-timeout=1 graceful-timeout=0";
        let httpd = running(options, &text(1)).gil_mode(mode).start();
        let mut long = Vec::new();
        // A group of one has three places; a process that has a request to finish keeps its own.
        let wait_for_version =
            |version: u32| wait_for("the code", || (httpd.get("/").text() == version.to_string()).then_some(()));
        for version in 1..=2 {
            wait_for_version(version);
            let mut connection = httpd.connect();
            connection.send_get("/?wait");
            long.push((connection, version));
            let count = long.len();
            wait_for("the request to begin", || (noted(&httpd, "blocked").len() == count).then_some(()));
            rewrite(&httpd, &text(version + 1));
        }
        wait_for_version(3);
        rewrite(&httpd, &text(4));
        httpd.get("/").assert(200, "3");
        httpd.wait_for_log("WSGI1026: the next process is started when one of those has ended");
        httpd.get("/").assert(200, "3");
        allow(&httpd, "release");
        for (mut connection, version) in long {
            connection.response().assert(200, &version.to_string());
        }
        wait_for_version(4);
        httpd.finish(&["WSGI1026"]);
    });
}

#[test]
fn requests_of_a_killed_supervisors_processes_end_however_long_they_take() {
    in_both_modes(|mode| {
        let httpd = serving("processes=1 threads=2 shutdown-timeout=3", "").gil_mode(mode).start();
        let mut long = httpd.connect();
        long.send_get("/blocked");
        let old = wait_for_note(&httpd, "blocked");
        supervisor(&httpd).signal("KILL");
        httpd.wait_for_log("WSGI1020: the supervisor of the process groups");
        wait_for("another process", || (daemons(&httpd, 1) != [old]).then_some(()));
        // Beyond what `shutdown-timeout` would give it.
        thread::sleep(Duration::from_millis(3500));
        assert!(old.is_alive());
        release(&httpd);
        long.response().assert(200, "done");
        wait_for_end(old);
        httpd
            .finish(&["WSGI1020: the supervisor of the process groups, process *, ended; another one takes its place"]);
    });
}

#[test]
fn a_process_without_a_supervisor_does_not_stay_for_clients_that_are_gone() {
    in_both_modes(|mode| {
        let httpd = serving("processes=1 threads=2 shutdown-timeout=1", "").gil_mode(mode).start();
        httpd.connect().send_get("/blocked");
        let old = wait_for_note(&httpd, "blocked");
        let supervisor = supervisor(&httpd);
        let children: Vec<_> = httpd.children().into_iter().filter(|child| *child != supervisor).collect();
        // The parent first, or it would see to the others.
        httpd.parent().signal("KILL");
        supervisor.signal("KILL");
        children.iter().for_each(|child| child.signal("KILL"));
        wait_for_end(old);
        // Its own lines would have been the supervisor's to write.
        httpd.finish_killed(&[]);
    });
}

#[test]
fn a_copy_that_an_application_makes_may_have_children() {
    in_both_modes(|mode| {
        let text = "import subprocess, warnings\nwarnings.simplefilter('ignore')\n\
                    def fork():\n    copy = os.fork()\n    if copy == 0:\n        \
                    subprocess.run(['true'])\n        time.sleep(0.05)\n        os._exit(7)\n    \
                    return os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])\n";
        let httpd = running("processes=1", &(text.to_owned() + &answering("fork()"))).gil_mode(mode).start();
        httpd.get("/").assert(200, "7");
        httpd.finish(&[]);
    });
}

//! Restarts and stops of httpd with process groups: no request is lost, and nothing is left behind.

use crate::support::faults::{
    answering, daemons, release, serving, supervisor, wait_for_end, wait_for_note, wait_for_notes,
};
use crate::support::{GilMode, Httpd, Load, Mpm, in_both_modes, wait_for};
use std::fs;
use std::time::Duration;

/// Processes of four threads each, with room for those of several generations.
const ROOM: &str = "StartServers 2\nServerLimit 64\nThreadLimit 4\nThreadsPerChild 4\nMaxRequestWorkers 256\n\
                    MinSpareThreads 1\nMaxSpareThreads 64";

/// The sockets of process groups that there are.
fn sockets(httpd: &Httpd) -> usize {
    let files = fs::read_dir(httpd.root().join("run")).expect("the runtime folder").flatten();
    files.filter(|file| file.file_name().to_string_lossy().ends_with(".sock")).count()
}

#[test]
fn a_graceful_restart_under_load_fails_no_request() {
    in_both_modes(|mode| {
        let httpd = serving("processes=2 threads=4", "").size(ROOM).gil_mode(mode).start();
        let mut long = httpd.connect();
        long.send_get("/blocked");
        let old = wait_for_note(&httpd, "blocked");
        let load = Load::start(httpd.port, 4, "/short", "done");
        for _ in 0..4 {
            load.wait_for_answers(20);
            httpd.graceful();
        }
        load.wait_for_answers(20);
        load.stop();
        let new = answering(&httpd);
        assert_ne!(new.parent(), old.parent(), "a generation has a supervisor of its own");
        assert!(old.is_alive(), "the old daemon has a request under way");
        release(&httpd);
        long.response().assert(200, "done");
        wait_for_end(old);
        httpd.finish(&[]);
    });
}

#[test]
fn new_code_runs_after_a_graceful_restart() {
    const SCRIPT: &str = "def application(environ, start_response):\n    \
                          start_response('200 OK', [('Content-Type', 'text/plain')])\n    return [b'ANSWER']\n";
    in_both_modes(|mode| {
        let conf = "WSGIDaemonProcess group processes=1 threads=2\nWSGIProcessGroup group\nWSGIScriptReloading Off\n\
                    WSGIScriptAlias / {root}/app.wsgi";
        let builder = Httpd::bare(conf).size(ROOM).file("app.wsgi", &SCRIPT.replace("ANSWER", "old"));
        let httpd = builder.gil_mode(mode).start();
        httpd.get("/").assert(200, "old");
        fs::write(httpd.root().join("app.wsgi"), SCRIPT.replace("ANSWER", "new")).expect("our own file");
        httpd.get("/").assert(200, "old");
        httpd.graceful();
        wait_for("the new code", || (httpd.get("/").text() == "new").then_some(()));
        httpd.finish(&[]);
    });
}

#[test]
fn graceful_timeout_bounds_how_long_the_old_processes_stay() {
    in_both_modes(|mode| {
        let options = "processes=1 threads=2 graceful-timeout=1 shutdown-timeout=1";
        let httpd = serving(options, "").size(ROOM).gil_mode(mode).start();
        let mut long = httpd.connect();
        long.send_get("/blocked");
        let old = wait_for_note(&httpd, "blocked");
        httpd.graceful();
        httpd.get("/plain").assert(200, "done");
        wait_for_end(old);
        long.response().assert_error_page(502);
        httpd.finish(&[
            "WSGI1035: process * has not ended within shutdown-timeout, and leaves",
            "process * leaves without an end of request",
            "WSGI1023: process * did not end in time",
            "WSGI0146",
        ]);
    });
}

#[test]
fn graceful_restarts_in_close_succession_fail_no_request() {
    in_both_modes(|mode| {
        let httpd = serving("processes=1 threads=4", "").size(ROOM).gil_mode(mode).start();
        let load = Load::start(httpd.port, 3, "/short", "done");
        load.wait_for_answers(5);
        for _ in 0..10 {
            httpd.parent().signal("USR1");
            std::thread::sleep(Duration::from_millis(300));
        }
        load.wait_for_answers(20);
        load.stop();
        daemons(&httpd, 1);
        httpd.finish(&[]);
    });
}

#[test]
fn two_hundred_graceful_restarts_leave_nothing_behind() {
    let httpd = serving("processes=1 threads=1 shutdown-timeout=60", "").size(ROOM).gil_mode(GilMode::Free).start();
    let measure = |restarts: usize| {
        for restart in 1..=restarts {
            httpd.graceful();
            // Restarts may be faster than processes start and end; not too many are to do so at once.
            wait_for("some processes to leave", || (httpd.processes().len() < 24).then_some(()));
            if restart % 20 == 0 {
                httpd.get("/plain").assert(200, "done");
            }
        }
        // Old generations leave once their last child has: what is left are the parent, a supervisor with its daemon,
        // and the children of httpd.
        wait_for("the old generations to leave", || {
            let (supervisor, all) = (supervisor(&httpd), httpd.processes());
            let strange = all.iter().filter(|process| {
                let parent = process.parent();
                **process != httpd.parent() && parent != Some(httpd.parent()) && parent != Some(supervisor)
            });
            let supervisors = httpd.children().iter().filter(|child| !child.children().is_empty()).count();
            (strange.count() == 0 && supervisors == 1).then_some(())
        });
        wait_for("their sockets to go", || (sockets(&httpd) == 1).then_some(()));
        (httpd.parent().descriptors(), httpd.parent().resident_kib())
    };
    let (descriptors, memory) = measure(50);
    let (descriptors_later, memory_later) = measure(150);
    assert_eq!(descriptors_later, descriptors);
    assert!(memory_later <= memory + 512, "memory grew from {memory} to {memory_later} KiB");
    httpd.finish(&[]);
}

#[test]
fn a_stop_or_restart_of_idle_groups_waits_for_no_limit() {
    for mpm in Mpm::ALL {
        println!("{mpm:?}");
        // Whoever waited for one of these limits would not be back before httpd's patience of this test ends.
        let options = "processes=2 threads=2 shutdown-timeout=60 graceful-timeout=60";
        let httpd = serving(options, "").mpm(mpm).gil_mode(GilMode::Free).start();
        let old = daemons(&httpd, 2);
        httpd.restart();
        assert!(old.iter().all(|process| !process.is_alive()), "httpd waits for its daemons");
        daemons(&httpd, 2);
        httpd.finish(&[]);
    }
}

#[test]
fn a_stop_with_a_stuck_group_is_bounded() {
    in_both_modes(|mode| {
        let options = "processes=1 threads=2 shutdown-timeout=1";
        let httpd = serving(options, "").gil_mode(mode).start();
        for number in 1..=2 {
            httpd.connect().send_get("/blocked");
            wait_for_notes(&httpd, "blocked", number);
        }
        // Within the harness's limit for a stop, or this fails: httpd gives its own children about ten seconds, and kills
        // them then; after that it is the daemons' turn.
        httpd.finish(&[
            "AH00045: child process * still did not exit, sending a SIGTERM",
            "AH00046: child process * still did not exit, sending a SIGKILL",
            "WSGI1035: process * has not ended within shutdown-timeout, and leaves",
            "process * leaves without an end of request",
            "WSGI1023: process * did not end in time",
        ]);
    });
}

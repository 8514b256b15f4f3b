//! Groups of services (`threads=0`): programs that httpd keeps running.

use crate::support::{Builder, Httpd, Process, in_both_modes, wait_for};
use std::fs;
use std::time::Instant;

/// What each program begins with: `say` appends a line to a file that the test reads.
const SAY: &str = "import atexit, os, signal, sys, threading, time\n\
                   folder = os.path.dirname(os.path.dirname(__file__)) + '/out/'\n\
                   def say(text):\n    with open(folder + 'said', 'a') as file:\n        file.write(f'{text}\\n')\n";

/// A program that goes on until it is told to end.
const FOREVER: &str = "atexit.register(say, 'atexit')\n\
                       try:\n    say(f'begin {os.getpid()}')\n    while True:\n        time.sleep(60)\n\
                       except SystemExit:\n    say('end')\n    raise\n";

/// A server whose group `service` runs these programs, in their order.
fn running(options: &str, programs: &[(&str, &str)]) -> Builder {
    let mut conf = format!("WSGIDaemonProcess service threads=0 {options}\n");
    for (number, (application_group, _)) in programs.iter().enumerate() {
        conf += &format!(
            "WSGIImportScript {{root}}/programs/{number}.py process-group=service application-group={application_group}\n"
        );
    }
    let server = Httpd::bare(&conf).open_folder("out");
    programs.iter().enumerate().fold(server, |server, (number, (_, text))| {
        server.file(&format!("programs/{number}.py"), &format!("{SAY}{text}"))
    })
}

fn said(httpd: &Httpd) -> Vec<String> {
    let text = fs::read_to_string(httpd.root().join("out/said")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The first line that begins so; waits until it is there.
#[track_caller]
fn line(httpd: &Httpd, start: &str) -> String {
    wait_for(&format!("a line {start:?}"), || said(httpd).into_iter().find(|line| line.starts_with(start)))
}

/// The process of the program [`FOREVER`].
fn process(httpd: &Httpd) -> Process {
    Process(line(httpd, "begin ").rsplit(' ').next().and_then(|id| id.parse().ok()).expect("a number"))
}

/// What was said until httpd had stopped.
fn said_at_the_end(httpd: Httpd, expected_log_lines: &[&str]) -> Vec<String> {
    let kept = httpd.root().join("out");
    let copy = tempfile::tempdir().expect("a folder");
    let file = copy.path().join("said");
    // The same file under another name: the server's directory goes with it.
    fs::hard_link(kept.join("said"), &file).expect("the same file system");
    httpd.finish(expected_log_lines);
    fs::read_to_string(file).expect("a file").lines().map(str::to_owned).collect()
}

#[test]
fn a_service_runs_on_the_main_thread_until_it_is_told_to_end() {
    const FACTS: &str = "import mod_wsgi\n\
                         say(threading.current_thread() is threading.main_thread())\n\
                         say((mod_wsgi.process_group, mod_wsgi.maximum_processes, mod_wsgi.threads_per_process))\n\
                         say(signal.getsignal(signal.SIGTERM).__name__)\n";
    let show = |server: Builder| {
        let httpd = server.start();
        process(&httpd);
        assert_eq!(said(&httpd)[..3], ["True", "('service', 1, 0)", "end"]);
        assert_eq!(said_at_the_end(httpd, &[])[4..], ["end", "atexit"]);
    };
    in_both_modes(|mode| {
        show(running("", &[("%{GLOBAL}", &format!("{FACTS}{FOREVER}"))]).gil_mode(mode));
    });
    show(running("", &[("%{GLOBAL}", &format!("{FACTS}{FOREVER}"))]).gil_build());
}

#[test]
fn a_service_that_has_ended_is_run_again_but_not_in_a_loop() {
    let httpd = running("", &[("%{GLOBAL}", "say('run')\n")]).log_level("warn").start();
    let began = Instant::now();
    wait_for("the third run", || (said(&httpd).len() >= 3).then_some(()));
    assert!(began.elapsed().as_secs_f32() > 1.0, "three runs after {:?}", began.elapsed());
    httpd.finish(&[]);
}

#[test]
fn a_service_that_raises_says_so_and_is_run_again() {
    let httpd = running("", &[("%{GLOBAL}", "say('run')\nraise OSError('no work')\n")]).start();
    wait_for("the second run", || (said(&httpd).len() >= 2).then_some(()));
    httpd.finish(&["WSGI0110: the script '*/programs/0.py' raised an exception", "Traceback*OSError: no work"]);
}

#[test]
fn sigterm_interrupts_programs_and_nothing_after_them() {
    const PROGRAM: &str = "def term():\n    say('term')\n    os.kill(os.getpid(), signal.SIGTERM)\n    sum(range(99))\n\
                           class Odd(Exception):\n    def __str__(self):\n        term()\n        return 'odd'\n\
                           atexit.register(term)\nraise Odd\n";
    let show = |server: Builder| {
        let httpd = server.start();
        // Once for the report of the exception, and once at the end of Python, in each run.
        wait_for("the second run", || (said(&httpd).len() >= 3).then_some(()));
        httpd.finish(&["WSGI0110: the script '*/programs/0.py' raised an exception", "Traceback*Odd: odd"]);
    };
    in_both_modes(|mode| show(running("", &[("%{GLOBAL}", PROGRAM)]).gil_mode(mode)));
    show(running("", &[("%{GLOBAL}", PROGRAM)]).gil_build());
}

#[test]
fn sigint_does_not_keep_threads_from_being_waited_for() {
    // It comes while an exception is reported.
    const PROGRAM: &str = "def tick():\n    while True:\n        say(f'tick {os.getpid()}')\n        time.sleep(0.2)\n\
                           threading.Thread(target=tick, daemon=False).start()\n\
                           class Odd(Exception):\n    def __str__(self):\n        os.kill(os.getpid(), signal.SIGINT)\n        return 'odd'\n\
                           raise Odd\n";
    let httpd = running("shutdown-timeout=1", &[("%{GLOBAL}", PROGRAM)]).start();
    let first = line(&httpd, "tick ");
    wait_for("the thread to go on", || (said(&httpd).iter().filter(|line| **line == first).count() > 15).then_some(()));
    // SIGTERM ends that wait, without a word.
    httpd.finish(&["WSGI0110: the script '*/programs/0.py' raised an exception", "Traceback*Odd: odd"]);
}

#[test]
fn system_exit_ends_a_service_without_a_word() {
    let httpd = running("", &[("%{GLOBAL}", "say('run')\nsys.exit(3)\n")]).start();
    wait_for("the second run", || (said(&httpd).len() >= 2).then_some(()));
    httpd.finish(&[]);
}

#[test]
fn programs_run_one_after_the_other_each_in_its_interpreter() {
    in_both_modes(|mode| {
        let name = "import mod_wsgi\nsay(mod_wsgi.application_group or 'main')\n";
        let last = format!("{name}{FOREVER}");
        let httpd = running("", &[("%{GLOBAL}", name), ("named", name), ("%{GLOBAL}", &last)]).gil_mode(mode).start();
        process(&httpd);
        assert_eq!(said(&httpd)[..3], ["main", "named", "main"]);
        httpd.finish(&[]);
    });
}

#[test]
fn threads_that_a_program_leaves_behind_are_waited_for() {
    let program = "def work():\n    time.sleep(0.3)\n    say('worked')\n\
                   threading.Thread(target=work, daemon=False).start()\nsay('returned')\n";
    let httpd = running("", &[("%{GLOBAL}", program)]).start();
    line(&httpd, "worked");
    httpd.finish(&[]);
}

#[test]
fn signals_without_a_handler_have_no_effect_and_others_have_theirs() {
    let handler =
        "def note(number, frame):\n    say(signal.Signals(number).name)\nsignal.signal(signal.SIGUSR2, note)\n";
    let httpd = running("", &[("%{GLOBAL}", &format!("{handler}{FOREVER}")), ("%{GLOBAL}", "say('next')\n")]).start();
    let service = process(&httpd);
    for signal in ["INT", "USR1", "HUP", "USR2"] {
        service.signal(signal);
    }
    line(&httpd, "SIGUSR2");
    assert!(service.is_alive());
    // After SIGINT no further program is begun.
    service.signal("TERM");
    wait_for("the end of the service", || (!service.is_alive()).then_some(()));
    let begun = |httpd: &Httpd| said(httpd).iter().filter(|line| line.starts_with("begin ")).count();
    wait_for("another service", || (begun(&httpd) == 2).then_some(()));
    assert!(!said(&httpd).contains(&"next".to_owned()), "{:?}", said(&httpd));
    httpd.finish(&[]);
}

#[test]
fn a_request_to_a_service_waits_in_vain() {
    let service = "WSGIDaemonProcess service threads=0 socket-timeout=1\n\
                   WSGIScriptAlias / {app} process-group=service application-group=%{RESOURCE}\n";
    let httpd = Httpd::with(service, "hello.py").start();
    assert_eq!(httpd.get("/").status, 504);
    httpd.finish(&["WSGI0145: no process of group 'service' took the request within 1s (socket-timeout"]);
}

/// Answers once a file is there.
const PATIENT: &str = "import os, time\n\
                       def application(environ, start_response):\n\
                       \x20   start_response('200 OK', [('Content-Type', 'text/plain')])\n\
                       \x20   yield b'begin'\n\
                       \x20   while not os.path.exists(os.path.dirname(__file__) + '/../out/go'):\n\
                       \x20       time.sleep(0.01)\n\
                       \x20   yield b'end'\n";

#[test]
fn at_a_graceful_restart_an_old_service_does_not_wait_for_old_requests() {
    let conf = "WSGIDaemonProcess service threads=0\n\
                WSGIImportScript {root}/programs/0.py process-group=service application-group=%{GLOBAL}\n\
                WSGIDaemonProcess group threads=2\nWSGIScriptAlias / {root}/programs/patient.py process-group=group\n";
    let server = Httpd::bare(conf).open_folder("out").file("programs/0.py", &format!("{SAY}{FOREVER}"));
    let httpd = server
        .file("programs/patient.py", PATIENT)
        .size("StartServers 1\nServerLimit 8\nThreadsPerChild 4\nMaxRequestWorkers 32\n")
        .start();
    let old = process(&httpd);
    let mut connection = httpd.connect();
    connection.send_get("/");
    assert_eq!(connection.head().status, 200);
    assert_eq!(connection.chunk().as_deref(), Some(&b"begin"[..]));
    httpd.graceful();
    wait_for("the end of the old service", || (!old.is_alive()).then_some(()));
    fs::write(httpd.root().join("out/go"), "").expect("a file");
    assert_eq!(connection.chunk().as_deref(), Some(&b"end"[..]));
    assert_eq!(connection.chunk(), None);
    let begun = || said(&httpd).iter().filter(|line| line.starts_with("begin ")).count();
    wait_for("the new service", || (begun() == 2).then_some(()));
    httpd.finish(&[]);
}

#[test]
fn a_service_may_subscribe_to_events_and_is_told_of_none() {
    const SUBSCRIBE: &str = "import mod_wsgi\n\
                             for subscribe in (mod_wsgi.subscribe_events, mod_wsgi.subscribe_shutdown, mod_wsgi.subscribe_signals):\n    \
                                 subscribe(lambda name, **payload: say(name))\n\
                             say(f'{len(mod_wsgi.signal_callbacks)} for signals')\n";
    in_both_modes(|mode| {
        let httpd = running("", &[("%{GLOBAL}", &format!("{SUBSCRIBE}{FOREVER}"))]).gil_mode(mode).start();
        let process = process(&httpd);
        process.signal("HUP");
        process.signal("USR2");
        process.signal("TERM");
        wait_for("the process to end", || (!process.is_alive()).then_some(()));
        assert_eq!(said(&httpd)[..4], ["1 for signals", &format!("begin {}", process.0), "end", "atexit"]);
        httpd.finish(&[]);
    });
}

#[test]
fn a_service_whose_threads_cannot_be_waited_for_says_so() {
    const PROGRAM: &str = "wait = threading._shutdown\n\
                           def broken():\n    threading._shutdown = wait\n    say('waited')\n    raise OSError('no wait')\n\
                           threading._shutdown = broken\n";
    let httpd = running("", &[("%{GLOBAL}", PROGRAM)]).start();
    wait_for("its end", || (!said(&httpd).is_empty()).then_some(()));
    httpd.wait_for_log("WSGI1043");
    httpd.finish(&["process group 'service': WSGI1043: a service cannot run: OSError: no wait"]);
}

//! Child processes that applications start: what they have of the server, and copies made by `os.fork()`.

use crate::support::{Builder, GilMode, Httpd, Mpm};

const SUB_INTERPRETER: &str = "WSGIScriptAlias /sub {app} application-group=sub\n";
const MAIN: &str = "WSGIScriptAlias / {app} application-group=%{GLOBAL}\n";
const DAEMONS: &str = "WSGIDaemonProcess group threads=4\nWSGIProcessGroup group\n";
/// One process of prefork, which has the interpreters that all requests need.
const ONE: &str = "StartServers 1\nServerLimit 1\nMaxRequestWorkers 1\nMinSpareServers 1\nMaxSpareServers 1";

/// Runs a test in each kind of process, with the GIL, without, and on a build that has it in any case.
fn everywhere(conf: &str, test: impl Fn(&Httpd), expected: &[&str]) {
    let builds: [fn(Builder) -> Builder; 3] =
        [|builder| builder.gil_mode(GilMode::Shared), |builder| builder.gil_mode(GilMode::Free), Builder::gil_build];
    for (name, mpm, daemons) in [
        ("event", Mpm::Event, ""),
        ("worker", Mpm::Worker, ""),
        ("prefork", Mpm::Prefork, ""),
        ("daemons", Mpm::Event, DAEMONS),
    ] {
        for (build, builds_as) in builds.iter().enumerate() {
            if mpm == Mpm::Worker && build > 0 {
                // As event.
                continue;
            }
            println!("{name}, build {build}");
            let builder = Httpd::with(&format!("{daemons}{conf}"), "children.py").mpm(mpm);
            let builder = if mpm == Mpm::Prefork { builder.size(ONE) } else { builder };
            let httpd = builds_as(builder).start();
            test(&httpd);
            httpd.finish(expected);
        }
    }
}

/// Signals that subprocess gives back to programs: SIGPIPE and SIGXFSZ.
const RESTORED: u64 = 1 << 12 | 1 << 24;

#[test]
fn a_program_neither_blocks_nor_ignores_signals_of_the_server() {
    let test = |httpd: &Httpd| {
        for group in ["", "/sub"] {
            for start in
                ["popen", "popen_by_spawn", "popen_in_a_session", "posix_spawn", "posix_spawnp", "system", "os_popen"]
            {
                let response = httpd.get(&format!("{group}/signals_of_{start}"));
                let text = response.text();
                let words: Vec<_> = text.split(' ').collect();
                let ["SigBlk:", blocked, "SigIgn:", ignored] = words[..] else { panic!("{group} {start}: {text}") };
                let ignored = u64::from_str_radix(ignored, 16).expect("a set of signals");
                assert_eq!((blocked, ignored & RESTORED), ("0000000000000000", 0), "{group} {start}: {text}");
            }
            httpd.get(&format!("{group}/terminate")).assert(200, "-15");
            httpd.get(&format!("{group}/status_of_system")).assert(200, "(3, 0, 9)");
        }
    };
    everywhere(&format!("{SUB_INTERPRETER}{MAIN}"), test, &[]);
}

#[test]
fn the_main_interpreter_may_fork_where_it_is_alone() {
    let test = |httpd: &Httpd| {
        for (path, answer) in [
            ("fork_and_leave", "7"),
            ("fork_and_exit", "3"),
            ("fork_and_raise", "255"),
            ("fork_and_return", "255"),
            ("fork_and_write", "before 255"),
            ("fork_and_yield", "before 255"),
            ("fork_and_run_threads", "1"),
            ("fork_and_terminate", "-15"),
            ("fork_and_end_a_thread", "0"),
            ("forkpty", "7"),
            ("processes?fork", "[0, 3, -15]"),
            ("pool?fork", "[1, 2, 3]"),
            ("executor?fork", "32"),
            ("preexec", "0"),
        ] {
            println!("{path}");
            httpd.get(&format!("/{path}")).assert(200, answer);
        }
        let signals = httpd.get("/signals_of_fork_and_exec");
        assert!(signals.text().starts_with("SigBlk: 0000000000000000 "), "{signals:?}");
        httpd.post("/fork_and_read", "abc").assert(200, "(5, b'abc')");
        // The copies have taken no part in what followed.
        let pid = httpd.get("/pid").text().to_owned();
        for _ in 0..5 {
            httpd.get("/pid").assert(200, &pid);
        }
    };
    everywhere(MAIN, test, &["WSGI1060", "WSGI0174", "KeyError: 'of the copy'", "OSError: ", "a word of the copy"]);
}

#[test]
fn several_interpreters_are_not_forked() {
    let test = |httpd: &Httpd| {
        for group in ["/sub", ""] {
            for path in ["fork_and_leave", "forkpty", "processes?fork", "pool?fork", "executor?fork"] {
                let response = httpd.get(&format!("{group}/{path}"));
                let text = response.text();
                let says = "RuntimeError: os.fork";
                assert!(text.starts_with(says) && text.contains("(WSGIApplicationGroup %{GLOBAL})"), "{path}: {text}");
            }
            let response = httpd.get(&format!("{group}/preexec"));
            assert!(response.text().starts_with("RuntimeError: preexec_fn "), "{response:?}");
        }
    };
    everywhere(&format!("{SUB_INTERPRETER}{MAIN}"), test, &[]);
}

#[test]
fn multiprocessing_starts_programs_from_any_interpreter() {
    let conf = format!("{SUB_INTERPRETER}{MAIN}");
    for (daemons, mode) in [("", GilMode::Shared), ("", GilMode::Free), (DAEMONS, GilMode::Free)] {
        let httpd = Httpd::with(&format!("{daemons}{conf}"), "children.py").gil_mode(mode).start();
        for group in ["/sub", ""] {
            httpd.get(&format!("{group}/processes?spawn")).assert(200, "[0, 3, -15]");
            httpd.get(&format!("{group}/processes?forkserver")).assert(200, "[0, 3, -15]");
            httpd.get(&format!("{group}/executor?forkserver")).assert(200, "32");
        }
        httpd.finish(&[]);
    }
}

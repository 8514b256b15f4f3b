//! `wsgictl` and the socket that it uses (`WSGIControlSocket`): each command under load, who may use it, and what becomes of
//! clients and sockets that are none.

use crate::support::faults::{daemons, release, serving, supervisor, wait_for_end, wait_for_notes};
use crate::support::{Httpd, Load, Process, in_both_modes, is_root, wait_for};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_wsgictl");
const PROBES: &str = "<Location /health>\nSetHandler wsgi-health\n</Location>\n";

/// What the command has printed, and its exit status.
struct Told {
    status: i32,
    text: String,
    error: String,
}

impl Told {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            status: output.status.code().expect("an exit status"),
            text: text(&output.stdout),
            error: text(&output.stderr),
        }
    }

    #[track_caller]
    fn done(self) -> String {
        assert_eq!((self.status, &*self.error), (0, ""), "{}", self.text);
        self.text
    }

    #[track_caller]
    fn fails(&self, status: i32, part: &str) {
        assert!(
            self.status == status && self.error.contains(part),
            "{} {:?}, expected {part}",
            self.status,
            self.error
        );
        assert!(self.error.starts_with("wsgictl: ") && self.error.ends_with('\n'), "{:?}", self.error);
    }
}

fn socket(httpd: &Httpd) -> PathBuf {
    httpd.root().join("run/wsgi.control")
}

fn control_at(socket: &PathBuf, words: &[&str]) -> Told {
    let output = Command::new(PROGRAM).arg("--socket").arg(socket).args(words).output().expect("wsgictl runs");
    Told::of(&output)
}

fn control(httpd: &Httpd, words: &[&str]) -> Told {
    control_at(&socket(httpd), words)
}

fn json(httpd: &Httpd, words: &[&str]) -> Value {
    serde_json::from_str(&control(httpd, words).done()).expect("JSON")
}

/// Waits until the socket is served.
#[track_caller]
fn wait_until_served(socket: &PathBuf) {
    wait_for("the control socket", || (control_at(socket, &["status", "--json"]).status == 0).then_some(()));
}

/// The processes of the only group that take requests.
fn ready(httpd: &Httpd) -> BTreeSet<u64> {
    let status = json(httpd, &["status", "--json"]);
    let processes = status["groups"][0]["processes"].as_array().expect("processes").iter();
    let ready = processes.filter(|process| process["state"] == "ready");
    ready.map(|process| process["pid"].as_u64().expect("a process")).collect()
}

fn running(httpd: &Httpd) -> Vec<Value> {
    json(httpd, &["requests", "--json"]).as_array().expect("requests").clone()
}

#[test]
fn the_command_needs_no_python() {
    let output = Command::new("ldd").arg(PROGRAM).output().expect("ldd runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("libc.so") && !text.contains("python"), "{text}");
}

#[test]
fn each_command_under_load_loses_no_request() {
    in_both_modes(|mode| {
        let httpd = serving("processes=2 threads=3", PROBES).gil_mode(mode).start();
        daemons(&httpd, 2);
        wait_for("both processes to be ready", || (ready(&httpd).len() == 2).then_some(()));
        let before = ready(&httpd);
        let load = Load::start(httpd.port, 3, "/short", "done");
        load.wait_for_answers(10);
        let told = control(&httpd, &["reload", "group"]).done();
        assert!(told.starts_with("replaced 2 processes"), "{told}");
        let after = ready(&httpd);
        assert!(after.len() == 2 && after.is_disjoint(&before), "{before:?} {after:?}");
        load.wait_for_answers(10);
        let shown = control(&httpd, &["status"]).done();
        for part in ["group", "2/2", "(embedded)", "Python 3."] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(!shown.contains('\u{1b}'), "{shown}");
        let stack = control(&httpd, &["stack", "group"]).done();
        assert!(stack.contains("application group %{GLOBAL}") && stack.contains("  thread "), "{stack}");
        let pid = after.first().expect("a process").to_string();
        let collected = control(&httpd, &["gc", &pid]).done();
        assert!(collected.contains(" objects in ") && collected.contains(" ms"), "{collected}");
        httpd.get("/health/ready").assert(200, "ok\n");
        control(&httpd, &["drain"]).done();
        httpd.get("/health/ready").assert(503, "draining\n");
        load.wait_for_answers(5);
        control(&httpd, &["undrain"]).done();
        httpd.get("/health/ready").assert(200, "ok\n");
        control(&httpd, &["drain", "--stop"]).fails(1, "WSGIDrainTime is not set");
        control(&httpd, &["profile", "group", "1"]).fails(1, "comes with Python 3.15");
        load.wait_for_answers(5);
        load.stop();
        httpd.finish(&["WSGI1150: wsgictl reload 'group' by user", "WSGI1150"]);
    });
}

#[test]
fn a_stack_shows_where_a_request_is_and_kill_ends_that_one_alone() {
    in_both_modes(|mode| {
        let conf = "WSGIScriptAlias /here {app} process-group=%{GLOBAL} application-group=%{GLOBAL}\n";
        let conf = format!(
            "WSGIDaemonProcess group threads=2\n{conf}WSGIScriptAlias / {{app}} process-group=group application-group=%{{GLOBAL}}\n"
        );
        let builder = Httpd::with(&conf, "faults.py").open_folder("notes");
        let notes = builder.root().join("notes").display().to_string();
        let httpd = builder.env("NOTES", &notes).gil_mode(mode).start();
        let mut held = [httpd.connect(), httpd.connect(), httpd.connect(), httpd.connect()];
        held[0].send_get("/blocked?1");
        held[1].send_get("/blocked?2");
        wait_for_notes(&httpd, "blocked", 2);
        held[2].send_get("/blocked?3");
        held[3].send_get("/here/blocked");
        wait_for_notes(&httpd, "blocked", 3);
        let is_at_work = |request: &&Value| request["phase"] == "application" && request["pid"].is_u64();
        let all = wait_for("three requests to be at work, and one to wait", || {
            let all = running(&httpd);
            let waits = all.iter().any(|request| request["phase"] == "queue");
            (waits && all.iter().filter(is_at_work).count() == 3).then_some(all)
        });
        let id = |request: &Value| request["id"].as_str().expect("an id").to_owned();
        let of_phase = |phase: &str| all.iter().find(|request| request["phase"] == phase).expect("a request");
        let embedded = all.iter().find(|request| request["group"] == "").expect("a request");
        let daemon = all.iter().find(|request| request["group"] == "group" && request["phase"] == "application");
        let daemon = daemon.expect("a request");

        let stack = control(&httpd, &["stack", &daemon["pid"].to_string()]).done();
        let known = stack.contains(&id(daemon)) && stack.contains("in wait") && stack.contains("in blocked");
        assert!(known, "{stack}");
        control(&httpd, &["kill", &id(of_phase("queue"))]).fails(1, "waits in the queue");
        control(&httpd, &["kill", &id(embedded)]).fails(1, "only requests in daemon processes can be ended");
        control(&httpd, &["kill", "no-such-id"]).fails(1, "no request 'no-such-id' runs");
        control(&httpd, &["stack", &embedded["pid"].to_string()]).fails(1, "is one of httpd's own");

        let told = control(&httpd, &["kill", &id(daemon)]).done();
        assert!(told.starts_with(&format!("RequestTimeout is raised in request {}", id(daemon))), "{told}");
        // The one that waited has its thread now.
        wait_for_notes(&httpd, "blocked", 4);
        // httpd may not have heard of its end yet.
        control(&httpd, &["kill", &id(daemon)]).fails(1, "request");
        release(&httpd);
        let statuses = held.iter_mut().map(|connection| connection.response().status).collect::<Vec<_>>();
        assert_eq!(statuses.iter().filter(|status| **status == 504).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 3, "{statuses:?}");
        httpd.finish(&[
            "WSGI1150: wsgictl kill",
            "process group 'group': WSGI1153: RequestTimeout is raised in request * of '*faults.py', which has run for * s",
            "WSGI1031",
        ]);
    });
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let httpd = serving("processes=1", "WSGIDaemonProcess other threads=0\n").start();
    daemons(&httpd, 1);
    control(&httpd, &["reload", "none"]).fails(1, "there is no process group 'none'; there are: group, other");
    control(&httpd, &["stack", "none"]).fails(1, "there is no process group 'none'");
    control(&httpd, &["stack", "1"]).fails(1, "process 1 is in no process group of this httpd");
    control(&httpd, &["undo"]).fails(2, "'undo' is no command");
    control(&httpd, &[]).fails(2, "a command is missing");
    control_at(&httpd.root().join("run/none"), &["status"]).fails(2, "there is no such socket");
    let help = Command::new(PROGRAM).arg("--help").output().expect("wsgictl runs");
    assert!(String::from_utf8_lossy(&help.stdout).contains("reload GROUP"));
    httpd.finish(&[]);
}

#[test]
fn code_that_does_not_load_any_more_is_told_to_who_reloads() {
    let httpd = serving("processes=1", "").start();
    let before = ready_when_loaded(&httpd);
    let script = httpd.app_path("faults.py");
    let text = fs::read_to_string(&script).expect("the script");
    // With the time of change that it had: nobody else is to notice.
    let modified = fs::metadata(&script).and_then(|data| data.modified()).expect("a time");
    let rewrite = |text: &str| {
        fs::write(&script, text).expect("our own file");
        fs::File::options()
            .write(true)
            .open(&script)
            .and_then(|file| file.set_modified(modified))
            .expect("our own file");
    };
    rewrite("raise ValueError('not today')\n");
    control(&httpd, &["reload", "group"]).fails(1, "does not load any more; the processes that have loaded it go on");
    assert_eq!(ready(&httpd), before);
    httpd.get("/plain").assert(200, "done");
    rewrite(&text);
    control(&httpd, &["reload", "group"]).done();
    assert!(ready(&httpd).is_disjoint(&before));
    httpd.get("/plain").assert(200, "done");
    httpd.finish(&["WSGI1150", "WSGI0110", "Traceback", "WSGI1021"]);
}

/// The processes that take requests, once the application has been loaded.
fn ready_when_loaded(httpd: &Httpd) -> BTreeSet<u64> {
    wait_for("the application to be loaded", || {
        let status = json(httpd, &["status", "--json"]);
        let process = &status["groups"][0]["processes"][0];
        (process["applications_loaded"] == 1 && process["state"] == "ready").then_some(())
    });
    ready(httpd)
}

/// Asks for the status as another user, who belongs to that group.
fn as_nobody(httpd: &Httpd, socket: &PathBuf, group: &str) -> Told {
    // Where anyone can run it.
    let program = httpd.root().join("wsgictl");
    fs::copy(PROGRAM, &program).expect("a copy");
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "nobody", "--regid", group, "--clear-groups"]).arg(&program);
    Told::of(&command.arg("--socket").arg(socket).arg("status").output().expect("setpriv runs"))
}

#[test]
fn other_users_are_refused_unless_the_rights_let_them_in() {
    if !is_root() {
        return;
    }
    let conf = "WSGIControlSocket run/other.sock mode=0660 group=daemon\n";
    let httpd = serving("processes=1", "").start();
    daemons(&httpd, 1);
    wait_until_served(&socket(&httpd));
    let path = socket(&httpd);
    assert_eq!(fs::metadata(&path).expect("the socket").mode() & 0o777, 0o600);
    as_nobody(&httpd, &path, "nogroup").fails(2, "permission denied; run it as root");
    // Someone has opened it by hand: who connects is still asked who it is.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("our own socket");
    as_nobody(&httpd, &path, "nogroup").fails(1, "may not use this socket");
    httpd.wait_for_log("WSGI1152: user * (process *) may not use the control socket, and was refused");
    httpd.finish(&["WSGI1152"]);

    let httpd = serving("processes=1", conf).start();
    daemons(&httpd, 1);
    let path = httpd.root().join("run/other.sock");
    wait_until_served(&path);
    as_nobody(&httpd, &path, "nogroup").fails(2, "permission denied");
    as_nobody(&httpd, &path, "daemon").done();
    httpd.finish(&[]);
}

fn connected(httpd: &Httpd) -> UnixStream {
    UnixStream::connect(socket(httpd)).expect("connected")
}

fn line_of(stream: &UnixStream) -> String {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("a line");
    line
}

#[test]
fn clients_that_stall_or_send_rubbish_keep_nobody_waiting() {
    let httpd = serving("processes=2 threads=3", "").start();
    daemons(&httpd, 2);
    wait_until_served(&socket(&httpd));
    let load = Load::start(httpd.port, 2, "/short", "done");
    for rubbish in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], b"{}\n", b"[[[[\n", b"{\"verb\":\"reload\"}\n", b"\xff\xfe\n", b"\n"]
    {
        let mut stream = connected(&httpd);
        stream.write_all(rubbish).expect("written");
        let answer = line_of(&stream);
        assert!(answer.starts_with("{\"error\":\"the request is not understood: "), "{rubbish:?}: {answer}");
    }
    // More than fits into the line, and than is read at once.
    let mut flood = connected(&httpd);
    let _ = flood.write_all(&vec![b'x'; 1 << 20]);
    assert!(line_of(&flood).contains("too long"));
    // As many as may be there, and one more: it is told so, and the others lose nothing.
    let mut stalled: Vec<_> = (0..32).map(|_| connected(&httpd)).collect();
    stalled[0].write_all(b"{\"verb\":").expect("written");
    wait_for("the server to be full", || {
        let told = control(&httpd, &["status"]);
        (told.status == 1 && told.error.contains("too many others are connected")).then_some(())
    });
    load.wait_for_answers(10);
    stalled[0].write_all(b"\"status\"}\n").expect("written");
    assert!(line_of(&stalled[0]).starts_with("{\"status\":{"));
    drop(stalled);
    wait_until_served(&socket(&httpd));
    // Who asks for something that takes time, and goes away.
    let mut impatient = connected(&httpd);
    impatient.write_all(b"{\"verb\":\"stack\",\"target\":\"group\"}\n{\"verb\":\"status\"}\n").expect("written");
    drop(impatient);
    control(&httpd, &["reload", "group"]).done();
    load.stop();
    httpd.finish(&["WSGI1150: wsgictl reload"]);
}

#[test]
fn a_process_that_is_stopped_answers_for_itself_alone() {
    let httpd = serving("processes=2 threads=1", "").start();
    let processes = daemons(&httpd, 2);
    wait_for("both processes to be ready", || (ready(&httpd).len() == 2).then_some(()));
    processes[0].signal("STOP");
    wait_for("the process to stop", || processes[0].is_stopped().then_some(()));
    let mut asking = connected(&httpd);
    asking.write_all(b"{\"verb\":\"stack\",\"target\":\"group\"}\n").expect("written");
    // Meanwhile others are answered, after that has been heard.
    control(&httpd, &["gc", &processes[1].0.to_string()]).done();
    processes[0].signal("KILL");
    wait_for_end(processes[0]);
    let answer: Value = serde_json::from_str(&line_of(&asking)).expect("JSON");
    let of = |process: Process| {
        let all = answer["processes"].as_array().expect("processes").iter();
        all.clone().find(|one| one["pid"] == process.0).expect("an answer for each process")
    };
    assert!(of(processes[0])["error"].is_string(), "{answer}");
    assert!(of(processes[1])["text"].as_str().is_some_and(|text| text.contains("  thread ")), "{answer}");
    httpd.finish(&["WSGI1150: wsgictl gc", "WSGI1023"]);
}

#[test]
fn the_socket_is_served_again_after_a_kill_and_after_restarts() {
    let mut httpd = serving("processes=1", "").start();
    daemons(&httpd, 1);
    wait_until_served(&socket(&httpd));
    let first = supervisor(&httpd);
    first.signal("KILL");
    wait_for_end(first);
    httpd.wait_for_log("WSGI1020");
    wait_until_served(&socket(&httpd));
    control(&httpd, &["reload", "group"]).done();
    let inode = fs::metadata(socket(&httpd)).expect("the socket").ino();
    httpd.graceful();
    wait_for("the next supervisor's socket", || {
        (fs::metadata(socket(&httpd)).is_ok_and(|data| data.ino() != inode)).then_some(())
    });
    wait_until_served(&socket(&httpd));
    httpd.restart();
    wait_until_served(&socket(&httpd));
    // Another place, and none at all.
    let other = httpd.root().join("run/other");
    let conf = |line: &str| {
        format!(
            "WSGIDaemonProcess group processes=1\n\
             WSGIScriptAlias / {{app}} process-group=group application-group=%{{GLOBAL}}\n{line}\n"
        )
    };
    httpd.reconfigure(&conf("WSGIControlSocket run/other"));
    httpd.graceful();
    wait_until_served(&other);
    control(&httpd, &["status"]).fails(2, "there is no such socket");
    httpd.reconfigure(&conf("WSGIControlSocket Off"));
    httpd.graceful();
    wait_for("the socket to go", || (!other.exists()).then_some(()));
    httpd.get("/plain").assert(200, "done");
    let run = httpd.root().join("run");
    assert!(!fs::read_dir(&run).expect("a directory").flatten().any(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.contains("control") || name.contains("other")
    }));
    httpd.finish(&["WSGI1020", "WSGI1150"]);
}

#[test]
fn a_socket_that_is_left_over_is_replaced_and_what_is_somebody_elses_is_not() {
    // Left over from a server that has died.
    let builder = serving("processes=1", "");
    let run = builder.root().join("run");
    fs::create_dir_all(&run).expect("a directory");
    drop(UnixListener::bind(run.join("wsgi.control")).expect("a socket"));
    let httpd = builder.start();
    daemons(&httpd, 1);
    wait_until_served(&socket(&httpd));
    httpd.finish(&[]);

    // A file where the default would be, which nobody has asked for.
    let builder = serving("processes=1", "").file("run/wsgi.control", "mine").log_level("info");
    let httpd = builder.start();
    daemons(&httpd, 1);
    httpd.wait_for_log(
        "WSGI1151: there is no control socket '*/run/wsgi.control', and wsgictl does not reach this httpd: *",
    );
    assert_eq!(fs::read_to_string(socket(&httpd)).expect("the file"), "mine");
    control(&httpd, &["status"]).fails(2, "no server listens there");
    // It says a lot at this level.
    httpd.finish(&["WSGI1151", ""]);

    // Another server that is alive.
    let builder = serving("processes=1", "WSGIControlSocket run/shared\n");
    let run = builder.root().join("run");
    fs::create_dir_all(&run).expect("a directory");
    let other = UnixListener::bind(run.join("shared")).expect("a socket");
    let httpd = builder.start();
    daemons(&httpd, 1);
    httpd.wait_for_log("WSGI1151: * of another server listens there");
    httpd.get("/plain").assert(200, "done");
    drop(other);
    httpd.finish(&["WSGI1151"]);
}

#[test]
fn a_wrong_value_is_told_by_name_value_and_what_was_expected() {
    for (line, words) in [
        ("WSGIControlSocket", &["WSGIControlSocket", "expected"][..]),
        ("WSGIControlSocket run/c mode=0999", &["'mode=0999'", "octal"]),
        ("WSGIControlSocket run/c mode=77777", &["'mode=77777'", "octal"]),
        ("WSGIControlSocket run/c owner=no-such-user", &["owner='no-such-user'", "expected a user"]),
        ("WSGIControlSocket run/c group=no-such-group", &["group='no-such-group'", "expected a group"]),
        ("WSGIControlSocket run/c rights=all", &["'rights=all'", "expected off, or a path"]),
        ("WSGIControlSocket run/c 0600", &["'0600'", "expected off, or a path"]),
        ("WSGIControlSocket off mode=0600", &["'mode=0600'", "expected off"]),
        ("WSGIControlSocket none/c", &["none/c", "expected a path in a directory that exists"]),
        ("WSGIControlSocket httpd.conf", &["httpd.conf", "is not a socket"]),
        ("WSGIControlSocket run", &["/run'", "is not a socket"]),
        (&format!("WSGIControlSocket run/{}", "x".repeat(120)), &["too long", "92 bytes"]),
        ("<VirtualHost *:1>\nWSGIControlSocket run/c\n</VirtualHost>", &["WSGIControlSocket"]),
    ] {
        println!("{line:.100}");
        let test = Httpd::bare(line).config_test();
        test.assert_fails_with(&["WSGIControlSocket"]);
        test.assert_fails_with(words);
    }
    Httpd::bare("WSGIControlSocket run/c mode=0660 owner=root group=root\nWSGIControlSocket OFF")
        .config_test()
        .assert_ok();
}

#[test]
fn without_a_group_there_is_a_socket_if_it_is_asked_for() {
    let httpd = Httpd::with("WSGIScriptAlias / {app}\n", "faults.py").start();
    httpd.get("/plain").assert(200, "done");
    assert!(!socket(&httpd).exists());
    httpd.finish(&[]);
    let httpd = Httpd::with("WSGIScriptAlias / {app}\nWSGIControlSocket run/wsgi.control\n", "faults.py").start();
    wait_until_served(&socket(&httpd));
    httpd.get("/plain").assert(200, "done");
    // httpd has sent the response before it counts the request.
    wait_for("the request to be counted", || {
        let status = json(&httpd, &["status", "--json"]);
        (status["embedded"]["counts"]["requests_total"].as_u64() >= Some(1)).then_some(())
    });
    control(&httpd, &["reload", "x"]).fails(1, "there are: none");
    httpd.graceful();
    wait_until_served(&socket(&httpd));
    httpd.finish(&[]);
}

#[test]
fn a_drain_that_ends_in_a_stop_is_not_taken_back() {
    let httpd = serving("processes=1", &format!("WSGIDrainTime 3600\n{PROBES}")).start();
    daemons(&httpd, 1);
    wait_until_served(&socket(&httpd));
    control(&httpd, &["drain", "--stop"]).done();
    httpd.get("/health/ready").assert(503, "draining\n");
    control(&httpd, &["undrain"]).fails(1, "cannot be taken back");
    httpd.get("/plain").assert(200, "done");
    httpd.get("/health/ready").assert(503, "draining\n");
    httpd.finish_by("WINCH", &["WSGI1150"]);
}

#[test]
fn a_level_of_the_log_counts_in_all_processes_until_it_is_taken_back() {
    const SCRIPT: &str = "import logging\nlogging.getLogger().setLevel(logging.DEBUG)\n\
                          def application(environ, start_response):\n    logging.info('said %s', environ['QUERY_STRING'])\n    \
                          start_response('200 OK', [])\n    return [b'done']\n";
    let alias = |path: &str, group: &str| {
        format!("WSGIScriptAlias {path} {{root}}/said.py process-group={group} application-group=%{{GLOBAL}}\n")
    };
    let conf = format!(
        "WSGIDaemonProcess group processes=1\nWSGILogHandler On\n{}{}",
        alias("/here", "%{GLOBAL}"),
        alias("/there", "group")
    );
    let httpd = Httpd::bare(&conf).file("said.py", SCRIPT).start();
    let say = |what: &str| {
        for place in ["here", "there"] {
            httpd.get(&format!("/{place}?{what}-{place}")).assert(200, "done");
        }
    };
    say("before");
    wait_until_served(&socket(&httpd));
    control(&httpd, &["loglevel", "loud"]).fails(1, "'loud' is no level; expected one of default, crit, error");
    control(&httpd, &["loglevel", "info"]).done();
    say("now");
    httpd.wait_for_log("said now-here");
    httpd.wait_for_log("said now-there");
    // A process that starts later is told as well; it logs its end, without a request.
    control(&httpd, &["reload", "group"]).done();
    httpd.wait_for_log("process group 'group' ends process *: wsgictl reload asked for it");
    say("later");
    httpd.wait_for_log("said later-there");
    control(&httpd, &["loglevel", "default"]).done();
    say("after");
    httpd.wait_for_access("after-there");
    let log = httpd.error_log();
    assert_eq!((log.count("said before"), log.count("said after")), (0, 0));
    // It says a lot meanwhile.
    httpd.finish(&["WSGI1150: wsgictl loglevel 'info'", "WSGI1150: wsgictl loglevel 'default'", ""]);
}

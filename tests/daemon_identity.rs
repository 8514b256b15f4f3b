//! Who the processes of a group are: user and groups, directories, limits, environment, and what they do not have of httpd
//! and of each other.

use crate::support::two_groups::python;
use crate::support::{Builder, GilMode, Httpd, Process, httpd_program, in_both_modes, is_root, variable};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A server with process groups of these names and options, each with `evaluate.py` at its name.
fn groups(groups: &[(&str, &str)]) -> Builder {
    let line = |(name, options): &(&str, &str)| {
        format!(
            "WSGIDaemonProcess {name} threads=2 {options}\n\
             WSGIScriptAlias /{name} {{app}} process-group={name} application-group=%{{GLOBAL}}\n"
        )
    };
    Httpd::with(&groups.iter().map(line).collect::<String>(), "evaluate.py")
}

/// The process of a group.
fn process_of(httpd: &Httpd, group: &str) -> Process {
    Process(python(httpd, &format!("/{group}"), "__import__('os').getpid()").parse().expect("a number"))
}

#[track_caller]
fn assert_in(httpd: &Httpd, group: &str, expression: &str, expected: &str) {
    assert_eq!(python(httpd, &format!("/{group}"), expression), expected, "{group}: {expression}");
}

/// What needs root is not shown without.
macro_rules! needs_root {
    () => {
        if !is_root() {
            println!("not shown: the tests run without root");
            return;
        }
    };
}

const WHO: &str = "(lambda os, pwd, grp: (' '.join({pwd.getpwuid(id).pw_name for id in os.getresuid()}), \
                   ' '.join({grp.getgrgid(id).gr_name for id in os.getresgid()}), \
                   ' '.join(sorted(grp.getgrgid(id).gr_name for id in os.getgroups()))))\
                   (*map(__import__, ['os', 'pwd', 'grp']))";

#[test]
fn processes_run_as_user_and_groups_say() {
    needs_root!();
    let httpd = groups(&[
        ("none", ""),
        ("user", "user=daemon"),
        ("both", "user=daemon group=daemon"),
        ("number", "user=#1 group=#4242"),
        ("listed", "group=daemon supplementary-groups=mail,bin"),
        ("alone", "user=daemon supplementary-groups=daemon"),
    ])
    .start();
    assert_in(&httpd, "none", WHO, "('www-data', 'www-data', 'www-data')");
    assert_in(&httpd, "user", WHO, "('daemon', 'www-data', 'www-data')");
    assert_in(&httpd, "both", WHO, "('daemon', 'daemon', 'daemon')");
    assert_in(&httpd, "number", "__import__('os').getresgid()", "(4242, 4242, 4242)");
    assert_in(&httpd, "listed", WHO, "('www-data', 'daemon', 'bin daemon mail')");
    assert_in(&httpd, "alone", WHO, "('daemon', 'www-data', 'daemon www-data')");
    // None of them can become root again.
    for group in ["none", "both"] {
        assert_in(&httpd, group, "attempt(__import__('os').setuid, 0)", "'PermissionError'");
    }
    httpd.finish(&[]);
}

#[test]
fn a_group_that_no_process_can_be_in_stops_the_start() {
    needs_root!();
    // What httpd has where no Group is given. It comes after the line of the harness.
    let conf = "WSGIDaemonProcess even group=daemon\nWSGIDaemonProcess odd\nGroup #-1\n";
    let server = Httpd::bare(conf);
    let output = server.run(&["-DFOREGROUND"]);
    let log = fs::read_to_string(server.root().join("error.log")).unwrap_or_default();
    let expected = "WSGIDaemonProcess: processes of 'odd' have no group to run as; expected group=, or Group of httpd";
    assert!(!output.ok && log.contains(expected), "{}{log}", output.output);
}

const FOLDERS: &str = "(__import__('os').getcwd(), __import__('sys').path[0] == __import__('os').getcwd())";

#[test]
fn processes_work_in_their_home() {
    needs_root!();
    let server = groups(&[
        ("kept", ""),
        ("given", "home={root}/htdocs"),
        ("users", "user=daemon"),
        ("nobody", "user=nobody home=/tmp"),
    ]);
    let htdocs = server.root().join("htdocs");
    let httpd = server.env("USER", "root").env("LOGNAME", "root").start();
    let started_in = std::env::current_dir().expect("a folder");
    assert_in(&httpd, "kept", "__import__('os').getcwd()", &format!("'{}'", started_in.display()));
    assert_in(&httpd, "given", FOLDERS, &format!("('{}', True)", htdocs.display()));
    assert_in(&httpd, "users", "__import__('os').getcwd() == __import__('pwd').getpwnam('daemon').pw_dir", "True");
    assert_in(&httpd, "nobody", FOLDERS, "('/tmp', True)");
    let names = "[__import__('os').environ.get(name) for name in ['USER', 'LOGNAME', 'USERNAME']]";
    assert_in(&httpd, "users", names, "['daemon', 'daemon', None]");
    assert_in(&httpd, "nobody", names, "['nobody', 'nobody', None]");
    let home = "__import__('os').environ['HOME'] == __import__('pwd').getpwuid(__import__('os').getuid()).pw_dir";
    for group in ["kept", "given", "users", "nobody"] {
        assert_in(&httpd, group, home, "True");
    }
    httpd.finish(&[]);
}

#[test]
fn a_home_that_cannot_be_entered_stops_the_process_and_is_named() {
    needs_root!();
    let conf = "WSGIDaemonProcess given threads=1 home=/no/such/folder socket-timeout=1\n\
                WSGIDaemonProcess users threads=1 user=nobody socket-timeout=1\n\
                WSGIScriptAlias /given {app} process-group=given\nWSGIScriptAlias /users {app} process-group=users\n";
    let httpd = Httpd::with(conf, "hello.py").start();
    httpd.wait_for_log("WSGI0009: home=/no/such/folder");
    httpd.wait_for_log("WSGI0010: '/nonexistent', the home directory of the user 'nobody'");
    for path in ["/given", "/users"] {
        assert_eq!(httpd.get(path).status, 504, "{path}");
    }
    httpd.finish(&[
        "WSGI0036: a process of group 'given' does not start: WSGI0009:",
        "WSGI0036: a process of group 'users' does not start: WSGI0010:",
        "WSGI1023: process * ended with exit status 255; another one takes its place",
        "WSGI0145: no process of group 'given' took the request within 1s",
        "WSGI0145: no process of group 'users' took the request within 1s",
    ]);
}

#[test]
fn umask_language_and_locale_are_those_of_the_line() {
    let locale = "(lambda os, locale: (os.environ.get('LANG'), os.environ.get('LC_ALL'), \
                  locale.setlocale(locale.LC_MONETARY)))(__import__('os'), __import__('locale'))";
    let httpd =
        groups(&[("none", ""), ("all", "umask=0027 lang=C locale=C.UTF-8"), ("unknown", "locale=xx_YY.UTF-8")]).start();
    assert_in(&httpd, "all", "oct(__import__('os').umask(0))", "'0o27'");
    assert_in(&httpd, "none", locale, "('C.UTF-8', None, 'C')");
    assert_in(&httpd, "all", locale, "('C', 'C.UTF-8', 'C.UTF-8')");
    assert_in(&httpd, "unknown", locale, "('C.UTF-8', 'xx_YY.UTF-8', 'C')");
    httpd.finish(&["process group 'unknown': WSGI0079: locale=xx_YY.UTF-8: the locale cannot be set"]);
}

#[test]
fn a_process_shows_its_display_name() {
    let httpd =
        groups(&[("first", "display-name=%{GROUP}"), ("second", "display-name=shop-%{GROUP}"), ("third", "")]).start();
    let shown = |group| {
        let line = fs::read(format!("/proc/{}/cmdline", process_of(&httpd, group).0)).expect("a process");
        String::from_utf8_lossy(&line).trim_end_matches('\0').replace('\0', " ")
    };
    assert_eq!(shown("first"), "(wsgi:first)");
    assert_eq!(shown("second"), "shop-%{GROUP}");
    assert!(shown("third").starts_with(&format!("{} ", httpd_program())), "{}", shown("third"));
    httpd.finish(&[]);
}

#[test]
fn python_is_the_groups_own() {
    let venv = variable("MOD_WSGI_VENV");
    let server = groups(&[
        ("none", ""),
        ("venv", &format!("python-home={venv}")),
        ("path", "python-path={root}/one:{root}/two python-eggs={root}/eggs home={root}/htdocs"),
    ]);
    let root = server.root().display().to_string();
    let httpd = server.file("one/named.py", "name = 1").file("two/named.py", "name = 2").start();
    let real = fs::canonicalize(&venv).expect("a folder");
    let prefix = "__import__('os').path.realpath(__import__('sys').prefix)";
    assert_in(&httpd, "venv", prefix, &format!("'{}'", real.display()));
    assert_in(&httpd, "none", "__import__('sys').prefix == __import__('sys').base_prefix", "True");
    assert_in(&httpd, "path", "__import__('sys').path[:3]", &format!("['{root}/htdocs', '{root}/one', '{root}/two']"));
    assert_in(&httpd, "path", "__import__('os').environ['PYTHON_EGG_CACHE']", &format!("'{root}/eggs'"));
    assert_in(&httpd, "none", "__import__('os').environ.get('PYTHON_EGG_CACHE')", "None");
    httpd.finish(&[]);
}

#[test]
fn a_switch_interval_that_a_script_keeps_from_being_set_is_told() {
    let broken = "import sys\ndef broken(interval): raise OSError('not now')\nsys.setswitchinterval = broken\n";
    let line = "WSGIDaemonProcess group switch-interval=0.25\n\
                WSGIImportScript {root}/apps/broken.py process-group=group application-group=%{GLOBAL}\n\
                WSGIScriptAlias / {app} process-group=group application-group=%{GLOBAL}\n";
    let httpd = Httpd::with(line, "evaluate.py").file("apps/broken.py", broken).gil_mode(GilMode::Shared).start();
    assert_eq!(python(&httpd, "/", "6 * 7"), "42");
    httpd.finish(&["WSGI1042: switch-interval= cannot be set: OSError: not now"]);
}

#[test]
fn the_switch_interval_of_a_group_outranks_that_of_the_server() {
    let line = "WSGIDaemonProcess group threads=2 switch-interval=0.25\n\
                WSGIScriptAliasMatch ^/(main|named) {app} process-group=group\nWSGIApplicationGroup named\n\
                WSGISwitchInterval 0.5\n<Location /main>\nWSGIApplicationGroup %{GLOBAL}\n</Location>\n\
                <Location /own>\nWSGIProcessGroup %{GLOBAL}\n</Location>\nWSGIScriptAlias /own {app}\n";
    in_both_modes(|mode| {
        let httpd = Httpd::with(line, "evaluate.py").gil_mode(mode).start();
        let interval = "__import__('sys').getswitchinterval()";
        // 5 ms is what Python itself has.
        let (of_group, of_server) = if mode == GilMode::Shared { ("0.25", "0.5") } else { ("0.005", "0.005") };
        for path in ["/main", "/named", "/main"] {
            assert_eq!(python(&httpd, path, interval), of_group, "{path}");
        }
        assert_eq!(python(&httpd, "/own", interval), of_server);
        let ignored = ["WSGI0204: switch-interval=0.25 is ignored", "WSGI0205: WSGISwitchInterval is ignored"];
        httpd.finish(if mode == GilMode::Shared { &[] } else { &ignored });
    });
    let httpd = Httpd::with(line, "evaluate.py").gil_build().start();
    for path in ["/main", "/named", "/main"] {
        assert_eq!(python(&httpd, path, "__import__('sys').getswitchinterval()"), "0.25", "{path}");
    }
    httpd.finish(&[]);
}

const STACK: &str = "(lambda c: (lambda attributes, size: (c.CDLL(None).pthread_getattr_np(\
                     c.c_ulong(__import__('threading').get_ident()), attributes), \
                     c.CDLL(None).pthread_attr_getstacksize(attributes, c.byref(size)), size.value)[2])\
                     (c.create_string_buffer(64), c.c_size_t()))(__import__('ctypes'))";

#[test]
fn limits_priority_and_stack_are_those_of_the_line() {
    let httpd = groups(&[
        ("none", ""),
        (
            "all",
            "stack-size=1310720 cpu-priority=7 memory-limit=3000000000 virtual-memory-limit=9000000000 \
             cpu-time-limit=300 shutdown-timeout=3",
        ),
    ])
    .start();
    let limits = "[__import__('resource').getrlimit(getattr(__import__('resource'), 'RLIMIT_' + name)) \
                  for name in ['DATA', 'AS', 'CPU']]";
    assert_in(&httpd, "none", limits, "[(-1, -1), (-1, -1), (-1, -1)]");
    assert_in(&httpd, "all", limits, "[(3000000000, 3000000000), (9000000000, 9000000000), (300, 304)]");
    assert_in(&httpd, "all", "__import__('os').getpriority(__import__('os').PRIO_PROCESS, 0)", "7");
    assert_in(&httpd, "all", STACK, "1310720");
    httpd.finish(&[]);
}

/// What the descriptors of a process are, as the kernel names them.
fn descriptors(process: Process) -> BTreeSet<String> {
    let folder = fs::read_dir(format!("/proc/{}/fd", process.0)).expect("a process of ours");
    folder.flatten().filter_map(|entry| Some(fs::read_link(entry.path()).ok()?.display().to_string())).collect()
}

/// The shared memory of a process, by the numbers that tell one from another.
fn shared_memory(process: Process) -> BTreeSet<String> {
    let is_shared = |line: &&String| line.split(' ').nth(1) == Some("rw-s");
    process
        .mappings()
        .iter()
        .filter(is_shared)
        .filter_map(|line| line.split_whitespace().nth(4).map(str::to_owned))
        .collect()
}

#[test]
fn a_process_has_nothing_of_httpd_and_of_other_groups() {
    let httpd = groups(&[("first", "processes=2"), ("second", "server-metrics=On")]).start();
    let (first, second) = (process_of(&httpd, "first"), process_of(&httpd, "second"));
    let parent = httpd.parent();
    let child = httpd.children().into_iter().find(|child| child.children().is_empty()).expect("a child of httpd");

    // Standard input; descriptors of the kernel's own kind have no name.
    let is_common = |name: &String| name.ends_with("/dev/null") || name.starts_with("anon_inode:");
    for (one, other) in [(first, second), (first, parent), (first, child), (second, child)] {
        let shared: Vec<_> = descriptors(one).intersection(&descriptors(other)).cloned().collect();
        let strange: Vec<_> = shared.iter().filter(|name| !is_common(name)).collect();
        assert!(strange.is_empty(), "{one:?} shares with {other:?}: {strange:?}");
    }
    // The log neither: it is written by the supervisor.
    let log = descriptors(parent).into_iter().find(|name| name.ends_with("/error.log")).expect("httpd has its log");
    assert!(!descriptors(first).contains(&log) && !descriptors(second).contains(&log), "{:?}", descriptors(first));

    // Children of httpd have its scoreboard and the memory of both groups, a daemon that of its own. The scoreboard it has
    // not, be it told what is in there or not.
    assert_shares_with_httpd_only(&httpd);
    httpd.restart();
    assert_shares_with_httpd_only(&httpd);
    httpd.graceful();
    assert_shares_with_httpd_only(&httpd);
    httpd.finish(&[]);
}

#[track_caller]
fn assert_shares_with_httpd_only(httpd: &Httpd) {
    let daemons = [process_of(httpd, "first"), process_of(httpd, "second")];
    let [ours, theirs] = daemons.map(shared_memory);
    let child = httpd.children().into_iter().find(|child| child.children().is_empty()).expect("a child of httpd");
    let all = shared_memory(child);
    assert!(ours.is_disjoint(&theirs) && !ours.is_empty() && !theirs.is_empty(), "{ours:?} {theirs:?}");
    assert!(all.is_superset(&ours) && all.is_superset(&theirs), "{all:?} {ours:?} {theirs:?}");
    assert!(all.len() > ours.len() + theirs.len(), "{all:?} {ours:?} {theirs:?}");
}

#[test]
fn the_processes_of_a_group_cannot_reach_another_group() {
    needs_root!();
    let httpd =
        groups(&[("first", "user=daemon group=daemon home=/"), ("second", "user=nobody group=nogroup home=/")]).start();
    let (first, second) = (process_of(&httpd, "first"), process_of(&httpd, "second"));
    let sockets = fs::read_dir(httpd.root().join("run")).expect("the runtime folder").flatten();
    let sockets: Vec<_> = sockets.filter(|entry| entry.file_name().to_string_lossy().ends_with(".sock")).collect();
    assert_eq!(sockets.len(), 2, "{sockets:?}");
    for socket in sockets {
        let metadata = socket.metadata().expect("a socket");
        assert_eq!(metadata.mode() & 0o7777, 0o700);
        let connect = format!("attempt(__import__('socket').socket(1).connect, '{}')", socket.path().display());
        for group in ["first", "second"] {
            assert_in(&httpd, group, &connect, "'PermissionError'");
        }
    }
    let kill = format!("attempt(__import__('os').kill, {}, 9)", second.0);
    assert_in(&httpd, "first", &kill, "'PermissionError'");
    let look = format!("attempt(__import__('os').listdir, '/proc/{}/fd')", first.0);
    assert_in(&httpd, "second", &look, "'PermissionError'");
    httpd.finish(&[]);
}

#[test]
fn who_may_connect_needs_more_than_that_to_be_served() {
    needs_root!();
    // The first group runs as httpd's own children do, whose the sockets are.
    let httpd = groups(&[("first", ""), ("second", "user=daemon")]).start();
    process_of(&httpd, "second");
    let sockets = fs::read_dir(httpd.root().join("run")).expect("the runtime folder").flatten();
    let name = sockets.map(|entry| entry.path().display().to_string()).find(|name| name.ends_with(".2.1.sock"));
    // A request with nothing in it but zeroes: eight bytes of kind and length, then the payload.
    let forged = format!(
        "(lambda it: (it.connect('{}'), it.send(bytes([1, 0, 0, 0, 32, 0, 0, 0]) + bytes(32)), it.recv(1))[2])\
         (__import__('socket').socket(1))",
        name.expect("the socket of the second group")
    );
    let answer = python(&httpd, "/first", &forged);
    assert!(answer == "b''" || answer == "ConnectionResetError", "{answer}");
    assert_in(&httpd, "second", "1", "1");
    httpd.finish(&["WSGI0034: process group 'second': a request that did not come from httpd was refused"]);
}

#[test]
fn socket_user_may_connect_and_no_one_else() {
    needs_root!();
    let httpd = groups(&[("first", "socket-user=daemon"), ("second", "")]).start();
    // httpd's own children are someone else.
    let response = httpd.request("GET", "/first").header("X-Python", "1").send();
    assert_eq!(response.status, 503);
    assert_in(&httpd, "second", "1", "1");
    httpd.finish(&["WSGI0117: a process of group 'first' cannot be reached: Permission denied"]);
}

/// Whether a process may leave a core dump, which the owner of its files in `/proc` tells.
fn may_dump(process: Process, user: u32) -> bool {
    fs::metadata(format!("/proc/{}/environ", process.0)).expect("a process of ours").uid() == user
}

#[test]
fn core_dumps_are_left_only_where_httpd_has_a_folder_for_them() {
    needs_root!();
    for (directive, dumps) in [("", false), ("CoreDumpDirectory {root}/htdocs\n", true)] {
        let conf = format!(
            "{directive}WSGIDaemonProcess first threads=1 user=daemon home=/\n\
             WSGIScriptAlias /first {{app}} process-group=first application-group=%{{GLOBAL}}\n"
        );
        let httpd = Httpd::with(&conf, "evaluate.py").start();
        let user = python(&httpd, "/first", "__import__('os').getuid()").parse().expect("a number");
        assert_eq!(may_dump(process_of(&httpd, "first"), user), dumps, "{directive}");
        httpd.finish(&[]);
    }
}

#[test]
fn without_root_there_is_no_choice_of_users() {
    needs_root!();
    let httpd = groups(&[("first", "user=daemon group=daemon supplementary-groups=mail socket-user=daemon")])
        .started_by("nobody")
        .start();
    assert_in(
        &httpd,
        "first",
        "__import__('os').getresuid() == (__import__('pwd').getpwnam('nobody').pw_uid,) * 3",
        "True",
    );
    assert_in(&httpd, "first", "__import__('grp').getgrgid(__import__('os').getgid()).gr_name", "'nogroup'");
    httpd.finish(&["WSGI0010: '/nonexistent', the home directory of the user 'nobody', cannot be entered"]);
    groups(&[("first", "chroot=/srv")]).started_by("nobody").config_test().assert_fails_with(&[
        "WSGIDaemonProcess: chroot: '/srv'",
        "root",
        "expected",
    ]);
}

/// A directory with what Python needs to start in it, at the path that it has outside.
fn lay_out_jail(jail: &Path) {
    let python = variable("MOD_WSGI_PYTHON");
    let installation = Path::new(&python).parent().and_then(Path::parent).expect("the root of an installation");
    let to = jail.join(installation.strip_prefix("/").expect("a path from the root"));
    fs::create_dir_all(to.join("bin")).expect("a folder");
    fs::create_dir_all(to.join("lib")).expect("a folder");
    let copy = "cp \"$0\" \"$1/bin\" && cd \"$2/lib\" && tar -c --exclude=test --exclude=__pycache__ --exclude=site-packages \
                --exclude='config-*' python3.*/ | tar -x -C \"$1/lib\"";
    let status = std::process::Command::new("sh").args(["-c", copy, &python]).args([&to, installation]).status();
    assert!(status.expect("sh runs").success(), "the jail cannot be filled");
}

#[test]
fn a_jailed_process_sees_files_by_their_names_inside() {
    needs_root!();
    let conf = "WSGIDaemonProcess first threads=1 user=daemon group=daemon home=/ chroot={root}/jail display-name=%{GROUP} \
                umask=027\n\
                DocumentRoot {root}/jail/www\nWSGIImportScript {root}/jail/www/early.py process-group=first application-group=other\n\
                WSGIScriptAlias /first {root}/jail/www/evaluate.py process-group=first application-group=%{GLOBAL}\n\
                WSGIScriptAlias /outside {app} process-group=first application-group=%{RESOURCE}\n";
    let server =
        Httpd::with(conf, "evaluate.py").folder("tests/apps", "jail/www").file("jail/www/early.py", "early = 1\n");
    lay_out_jail(&server.root().join("jail"));
    let httpd = server.log_level("warn wsgi:info").start();
    assert_in(&httpd, "first", "environ['SCRIPT_FILENAME']", "'/www/evaluate.py'");
    assert_in(&httpd, "first", "environ['DOCUMENT_ROOT']", "'/www'");
    assert_in(&httpd, "first", "(__import__('os').getcwd(), 'www' in __import__('os').listdir('/'))", "('/', True)");
    assert_in(&httpd, "first", "__import__('os').path.exists('/proc')", "False");
    assert_in(&httpd, "first", WHO, "KeyError");
    assert_in(&httpd, "first", "(__import__('os').getuid(), __import__('os').getgid())", "(1, 1)");
    assert_eq!(httpd.get("/outside").status, 502);
    httpd.finish(&[
        "WSGI0081: '*/apps/evaluate.py' is outside of '*/jail', the root of the process group",
        "Python 3.* started",
        "loading '/www/early.py' in interpreter 'other' beforehand",
        "loading '/www/evaluate.py' in the main interpreter beforehand",
        "process group 'first'",
    ]);
}

/// Gives a file below the server root to a user and group, with these rights.
fn give(path: &Path, owner: &str, mode: &str) {
    for arguments in [["chown", owner], ["chmod", mode]] {
        let status = std::process::Command::new(arguments[0]).arg(arguments[1]).arg(path).status().expect("coreutils");
        assert!(status.success(), "{arguments:?} {}", path.display());
    }
}

#[test]
fn a_script_must_belong_to_whom_the_group_expects() {
    needs_root!();
    let conf = "WSGIDaemonProcess user threads=1 script-user=daemon\nWSGIDaemonProcess group threads=1 script-group=daemon\n\
                WSGIScriptAlias /user {app} process-group=user\nWSGIScriptAlias /group {app} process-group=group\n";
    let httpd = Httpd::with(conf, "hello.py").start();
    let (script, folder) = (httpd.app_path("hello.py"), httpd.root().join("apps"));
    let (right, wrong, nameless) = ("daemon:daemon", "nobody:nogroup", "4242:4242");
    for (owner, mode, folder_owner, folder_mode, by_user, by_group) in [
        (right, "644", right, "755", 200, 200),
        (wrong, "644", right, "755", 403, 403),
        (nameless, "644", right, "755", 403, 403),
        (right, "664", right, "755", 403, 200),
        (right, "646", right, "755", 403, 403),
        (right, "644", wrong, "755", 403, 403),
        (right, "644", nameless, "755", 403, 403),
        (right, "644", right, "775", 403, 200),
        (right, "644", right, "757", 403, 403),
        (right, "644", right, "755", 200, 200),
    ] {
        give(&script, owner, mode);
        give(&folder, folder_owner, folder_mode);
        let seen = (httpd.get("/user").status, httpd.get("/group").status);
        assert_eq!(seen, (by_user, by_group), "{owner} {mode} {folder_owner} {folder_mode}");
    }
    httpd.finish(&[
        "WSGI0164: the script belongs to the user 'nobody'; expected 'daemon' (script-user=)",
        "WSGI0155: the script belongs to the group 'nogroup'; expected 'daemon' (script-group=)",
        "WSGI0163: the script belongs to the user with the id 4242",
        "WSGI0154: the script belongs to the group with the id 4242",
        "WSGI0166: the script may be written to by its group",
        "WSGI0168: the script may be written to by everyone",
        "WSGI0157: the script may be written to by everyone",
        "WSGI0171: the directory of the script belongs to the user 'nobody'",
        "WSGI0160: the directory of the script belongs to the group 'nogroup'",
        "WSGI0170: the directory of the script belongs to the user with the id 4242",
        "WSGI0159: the directory of the script belongs to the group with the id 4242",
        "WSGI0173: the directory of the script may be written to by its group",
        "WSGI0172: the directory of the script may be written to by everyone",
        "WSGI0161: the directory of the script may be written to by everyone",
    ]);
}

//! Which process serves a request: how a group is chosen, who may use it, what it tells the application, and where its
//! lines in the log go.

use crate::support::two_groups::python;
use crate::support::{ErrorLog, Httpd, Response, in_both_modes};
use std::fs;

const GROUP: &str = "environ['mod_wsgi.process_group'], mod_wsgi.process_group";

/// The process group that serves a path, as environ and module name it.
#[track_caller]
fn group_of(httpd: &Httpd, path: &str) -> String {
    let both = python(httpd, path, &format!("[{GROUP}]"));
    let (in_environ, in_module) = both.trim_matches(['[', ']']).split_once(", ").expect("two names");
    assert_eq!(in_environ, in_module, "{path}");
    in_environ.trim_matches('\'').to_owned()
}

/// The answer of a server of that name to `evaluate.py`.
#[track_caller]
fn ask(httpd: &Httpd, host: &str, expression: &str) -> Response {
    let mut connection = httpd.connect();
    connection.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\nX-Python: {expression}\r\n\r\n"));
    connection.response()
}

#[test]
fn the_group_of_an_alias_outranks_the_directive() {
    let httpd = Httpd::with(
        "WSGIDaemonProcess first threads=1\nWSGIDaemonProcess second threads=1\nWSGIProcessGroup first\n\
         WSGIScriptAlias /alias {app} process-group=second\n\
         WSGIScriptAlias /embedded {app} process-group=%{GLOBAL}\n\
         WSGIScriptAlias /section {app}\n<Location /section>\nWSGIProcessGroup second\n</Location>\n\
         WSGIScriptAlias / {app}\n",
        "evaluate.py",
    )
    .start();
    for (path, group) in [("/", "first"), ("/alias", "second"), ("/embedded", ""), ("/section", "second")] {
        assert_eq!(group_of(&httpd, path), group, "{path}");
    }
    httpd.finish(&[]);
}

#[test]
fn a_variable_may_name_the_group() {
    let httpd = Httpd::with(
        "WSGIDaemonProcess first threads=1\nWSGIDaemonProcess second threads=1\n\
         SetEnvIf Request_URI ^/first CHOSEN=first\nSetEnvIf Request_URI ^/second CHOSEN=second\n\
         SetEnvIf Request_URI ^/here CHOSEN=%{GLOBAL}\n<Location /empty>\nSetEnv CHOSEN \"\"\n</Location>\n\
         SetEnvIf Request_URI ^/chain CHOSEN=%{ENV:OTHER}\nSetEnvIf Request_URI ^/unknown CHOSEN=third\n\
         WSGIProcessGroup %{ENV:CHOSEN}\nWSGIApplicationGroup %{GLOBAL}\nWSGIScriptAlias / {app}\n",
        "evaluate.py",
    )
    .modules(&["setenvif", "env"])
    .start();
    for (path, group) in [("/first", "first"), ("/second", "second"), ("/here", ""), ("/empty", "")] {
        assert_eq!(group_of(&httpd, path), group, "{path}");
    }
    for path in ["/none", "/chain", "/unknown"] {
        assert_eq!(httpd.get(path).status, 500, "{path}");
    }
    httpd.finish(&[
        "WSGI0151: process group '%{ENV:CHOSEN}' is not defined",
        "WSGI0151: process group '%{ENV:OTHER}' is not defined",
        "WSGI0151: process group 'third' is not defined",
    ]);
}

#[test]
fn restrict_process_lists_the_groups_that_may_serve() {
    let httpd = Httpd::with(
        "WSGIDaemonProcess First threads=1\nWSGIDaemonProcess second threads=1\nWSGIApplicationGroup %{GLOBAL}\n\
         WSGIRestrictProcess first\n\
         WSGIScriptAlias /first {app} process-group=First\nWSGIScriptAlias /second {app} process-group=second\n\
         WSGIScriptAlias /here {app} process-group=%{GLOBAL}\n\
         WSGIScriptAlias /open {app} process-group=%{GLOBAL}\n\
         <Location /open>\nWSGIRestrictProcess %{GLOBAL} second\n</Location>\n\
         WSGIScriptAlias /nothing {app} process-group=second\n<Location /nothing>\nWSGIRestrictProcess\n</Location>\n",
        "evaluate.py",
    )
    .start();
    assert_eq!(group_of(&httpd, "/first"), "First");
    assert_eq!(group_of(&httpd, "/open"), "");
    for path in ["/second", "/here", "/nothing"] {
        assert_eq!(httpd.get(path).status, 500, "{path}");
    }
    httpd.finish(&[
        "WSGI0149: process group 'second' may not be used here: WSGIRestrictProcess",
        "WSGI0149: httpd's own processes may not be used here: WSGIRestrictProcess",
    ]);
}

/// Virtual hosts: name, other names, and what stands in them.
fn hosts(hosts: &[(&str, &str, &str)]) -> String {
    let host = |(name, aliases, lines): &(&str, &str, &str)| {
        format!(
            "<VirtualHost *:{{port}}>\nServerName {name}\nServerAlias {aliases}\n{lines}\nWSGIScriptAlias / {{app}}\n</VirtualHost>\n"
        )
    };
    format!("WSGIApplicationGroup %{{GLOBAL}}\n{}", hosts.iter().map(host).collect::<String>())
}

#[test]
fn a_group_is_for_its_own_virtual_host_and_its_namesakes() {
    let conf = hosts(&[
        ("a.example", "a.alias", "WSGIDaemonProcess of-a threads=1\nWSGIProcessGroup of-a"),
        ("a.example", "a.second", "WSGIProcessGroup of-a"),
        ("b.example", "b.alias", "WSGIProcessGroup of-a"),
        ("c.example", "c.alias", "WSGIProcessGroup of-main"),
        ("A.EXAMPLE.", "d.alias", "WSGIProcessGroup of-a"),
    ]);
    let httpd = Httpd::with(&format!("WSGIDaemonProcess of-main threads=1\n{conf}"), "evaluate.py").start();
    for (host, group) in [
        ("a.example", "of-a"),
        ("a.alias", "of-a"),
        ("a.second", "of-a"),
        ("c.example", "of-main"),
        ("c.alias", "of-main"),
    ] {
        let answer = ask(&httpd, host, "mod_wsgi.process_group");
        answer.assert(200, &format!("'{group}'"));
    }
    for host in ["b.example", "d.alias"] {
        assert_eq!(ask(&httpd, host, "1").status, 500, "{host}");
    }
    httpd.finish(&["WSGI0152: process group 'of-a' belongs to another virtual host"]);
}

/// The messages in a log file of the server, without those of httpd itself.
fn messages(httpd: &Httpd, file: &str) -> Vec<String> {
    let text = fs::read_to_string(httpd.root().join(file)).unwrap_or_default();
    let entries = ErrorLog::parse(&text).entries.into_iter();
    entries.filter(|entry| entry.module != "mpm_event" && entry.module != "core").map(|entry| entry.message).collect()
}

#[test]
fn lines_about_a_request_go_to_the_log_of_its_virtual_host() {
    const SAY: &str = "(print('from %s' % environ['HTTP_HOST'], file=environ['wsgi.errors']), \
                       __import__('os').write(2, b'raw from %s\\n' % environ['HTTP_HOST'].encode()))[1]";
    let early = "import sys\nprint('loading', file=sys.stderr)\n";
    let conf = hosts(&[
        (
            "a.example",
            "a.alias",
            "ErrorLog {root}/a.log\nWSGIDaemonProcess of-a threads=1\nWSGIProcessGroup of-a\n\
             WSGIImportScript {root}/early.py process-group=of-a application-group=%{GLOBAL}",
        ),
        ("a.example", "a.second", "ErrorLog {root}/second.log\nWSGIProcessGroup of-a"),
        ("c.example", "c.alias", "ErrorLog {root}/c.log\nWSGIProcessGroup of-main"),
    ]);
    let httpd = Httpd::with(&format!("WSGIDaemonProcess of-main threads=1\n{conf}"), "evaluate.py")
        .file("early.py", early)
        .start();
    for host in ["a.example", "a.second", "c.example"] {
        assert_eq!(ask(&httpd, host, SAY).status, 200);
    }
    let of_script = |host: &str| format!("[script {}] from {host}", httpd.app_path("evaluate.py").display());
    // What concerns the process, or comes from below Python, is the business of the server that declares the group. It is
    // written by another process than the rest, so the order is open.
    let mut of_a = messages(&httpd, "a.log");
    of_a.sort();
    let early = httpd.root().join("early.py").display().to_string();
    let loading = format!("[script {early}] [process-group=of-a application-group=%{{GLOBAL}}] loading");
    assert_eq!(of_a, [&of_script("a.example"), &loading, "raw from a.example", "raw from a.second"]);
    assert_eq!(messages(&httpd, "second.log"), [of_script("a.second")]);
    assert_eq!(messages(&httpd, "c.log"), [of_script("c.example")]);
    httpd.finish(&["raw from c.example"]);
}

#[test]
fn a_daemon_has_no_descriptor_of_a_log() {
    let conf = hosts(&[
        ("a.example", "a.alias", "ErrorLog {root}/a.log\nWSGIDaemonProcess of-a threads=1\nWSGIProcessGroup of-a"),
        ("b.example", "b.alias", "ErrorLog {root}/b.log\nWSGIDaemonProcess of-b threads=1\nWSGIProcessGroup of-b"),
    ]);
    let httpd = Httpd::with(&conf, "evaluate.py").start();
    let logs = "sorted({name for name in (attempt(__import__('os').readlink, '/proc/self/fd/' + number) \
                for number in __import__('os').listdir('/proc/self/fd')) if name.endswith('.log')})";
    // The supervisor writes what they say, into the log of their group.
    for host in ["a.example", "b.example"] {
        ask(&httpd, host, logs).assert(200, "[]");
    }
    httpd.finish(&[]);
}

#[test]
fn groups_of_one_server_may_differ_in_their_gil() {
    let httpd = Httpd::with(
        "WSGIDaemonProcess free threads=2\nWSGIDaemonProcess shared threads=2\n\
         <WSGIInterpreterOptions process-group=free>\nWSGIFreeThreading On\n</WSGIInterpreterOptions>\n\
         WSGIApplicationGroup %{GLOBAL}\n\
         WSGIScriptAlias /free {app} process-group=free\nWSGIScriptAlias /shared {app} process-group=shared\n\
         WSGIScriptAlias /here {app}\n",
        "evaluate.py",
    )
    .start();
    for (path, enabled) in [("/free", "False"), ("/shared", "True"), ("/here", "True")] {
        assert_eq!(python(&httpd, path, "__import__('sys')._is_gil_enabled()"), enabled, "{path}");
    }
    httpd.finish(&[]);
}

#[test]
fn with_restrict_embedded_only_daemons_have_python() {
    let httpd = Httpd::with(
        "WSGIRestrictEmbedded On\nWSGIDaemonProcess group threads=1\nWSGIScriptAlias /group {app} process-group=group\n\
         WSGIScriptAlias /here {app}\n",
        "evaluate.py",
    )
    .log_level("warn wsgi:info")
    .start();
    assert_eq!(group_of(&httpd, "/group"), "group");
    assert_eq!(httpd.get("/here").status, 500);
    let log = httpd.error_log();
    assert_eq!((log.count("Python 3.*started in process group 'group'"), log.count("started, GIL")), (1, 0));
    httpd.finish(&[
        "WSGIRestrictEmbedded On: Python is not started in this process",
        "WSGI0143: WSGIRestrictEmbedded is on, and no process group is chosen",
        "Python 3.*started in process group 'group'",
        "loading the script in interpreter",
        "process group 'group'",
    ]);
}

#[test]
fn scripts_are_loaded_in_each_process_before_it_takes_requests() {
    in_both_modes(|mode| {
        let early = "import os, sys, time\ntime.sleep(0.2)\nsys.loaded_early = os.getpid()\n";
        let httpd = Httpd::with(
            "WSGIDaemonProcess group threads=2 processes=2\n\
             WSGIImportScript {root}/early.py process-group=group application-group=%{GLOBAL}\n\
             WSGIScriptAlias / {app} process-group=group application-group=%{GLOBAL}\nWSGIScriptAlias /here {app}\n",
            "evaluate.py",
        )
        .file("early.py", early)
        .gil_mode(mode)
        .start();
        for _ in 0..4 {
            assert_eq!(httpd.python("__import__('sys').loaded_early == __import__('os').getpid()"), "True");
        }
        httpd.finish(&[]);
    });
}

#[test]
fn a_script_that_fails_beforehand_does_not_keep_a_process_from_serving() {
    let httpd = Httpd::with(
        "WSGIDaemonProcess group threads=1\n\
         WSGIImportScript {root}/early.py process-group=group application-group=%{GLOBAL}\n\
         WSGIScriptAlias / {app} process-group=group application-group=%{GLOBAL}\n",
        "hello.py",
    )
    .file("early.py", "raise LookupError('early')\n")
    .start();
    httpd.get("/").assert(200, "Hello, World!");
    httpd.finish(&[
        "WSGI0110: the script '*/early.py' raised an exception*, in process group 'group'",
        "Traceback*LookupError: early",
    ]);
}

#[test]
fn the_environ_tells_how_many_processes_and_threads_may_run() {
    let flags = "[environ['wsgi.' + flag] for flag in ['multiprocess', 'multithread', 'run_once']] + \
                 [mod_wsgi.maximum_processes, mod_wsgi.threads_per_process]";
    let rows = [
        ("plain", "", "[False, True, False, 1, 15]"),
        ("one", "processes=1 threads=1", "[True, False, False, 1, 1]"),
        ("two", "processes=2 threads=3", "[True, True, False, 2, 3]"),
        ("once", "threads=1 maximum-requests=1", "[False, False, True, 1, 1]"),
    ];
    let group = |(name, options, _): &(&str, &str, &str)| {
        format!("WSGIDaemonProcess {name} {options}\nWSGIScriptAlias /{name} {{app}} process-group={name}\n")
    };
    let httpd = Httpd::with(&rows.iter().map(group).collect::<String>(), "evaluate.py").start();
    for (name, _, expected) in rows {
        assert_eq!(python(&httpd, &format!("/{name}"), flags), expected, "{name}");
    }
    httpd.finish(&[]);
}

#[test]
fn the_socket_prefix_is_a_path_or_relative_to_the_server_root() {
    for prefix in ["{root}/sockets/s", "sockets/s"] {
        let conf = format!(
            "WSGISocketPrefix {prefix}\nWSGIDaemonProcess group threads=1\nWSGIScriptAlias / {{app}} process-group=group\n"
        );
        let server = Httpd::with(&conf, "hello.py").open_folder("sockets");
        let httpd = server.start();
        httpd.get("/").assert(200, "Hello, World!");
        let parent = httpd.parent().0;
        let sockets = fs::read_dir(httpd.root().join("sockets")).expect("a folder").flatten();
        let names: Vec<_> = sockets.map(|socket| socket.file_name().to_string_lossy().into_owned()).collect();
        assert_eq!(names, [format!("s.{parent}.0.1.1.sock")], "{prefix}");
        httpd.finish(&[]);
    }
}

#[test]
fn a_socket_prefix_that_cannot_be_used_stops_the_start_and_is_named() {
    let long = "x".repeat(120);
    for (prefix, words) in [
        (
            "missing/folder/s",
            ["WSGISocketPrefix", "there is no directory", "expected a prefix in a directory that exists"],
        ),
        (&*long, ["WSGISocketPrefix", "is longer than the 107 bytes", ""]),
    ] {
        let conf = format!("WSGISocketPrefix {prefix}\nWSGIDaemonProcess group threads=1\n");
        let server = Httpd::bare(&conf);
        // In the second way httpd leaves its terminal, and whoever starts it learns no more from there on.
        for start in [&["-DFOREGROUND"][..], &["-k", "start"]] {
            let output = server.run(start);
            let log = fs::read_to_string(server.root().join("error.log")).unwrap_or_default();
            assert!(!output.ok, "httpd started with {prefix}");
            for word in words {
                assert!(log.contains(word) || output.output.contains(word), "{word}: {}{log}", output.output);
            }
        }
    }
}

//! `WSGIDaemonProcess` as configuration: what it accepts, what it refuses and how it says
//! so, and which process groups other directives may name. Values that need no httpd to
//! be judged are in src/config/process_group.

use crate::support::{Httpd, is_root, variable};
use std::collections::BTreeMap;
use std::fs;

const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/apache-conf/mod_wsgi.conf");

/// Shows that the line behind `WSGIDaemonProcess` is refused with these words.
#[track_caller]
fn assert_refused(arguments: &str, words: &[&str]) {
    println!("{arguments}");
    let words = [&["AH00526: Syntax error on line", "WSGIDaemonProcess: ", "expected"], words].concat();
    Httpd::bare(&format!("WSGIDaemonProcess {arguments}")).config_test().assert_fails_with(&words);
}

/// A configuration of several lines, one virtual host for each name.
fn hosts(lines: &[(&str, &str)]) -> String {
    let host = |(name, line): &(&str, &str)| match *name {
        "" => format!("{line}\n"),
        name => format!("<VirtualHost *:80>\nServerName {name}\n{line}\n</VirtualHost>\n"),
    };
    lines.iter().map(host).collect()
}

#[test]
fn a_line_may_be_a_name_alone_or_have_every_option() {
    let python = variable("MOD_WSGI_PYTHON");
    let home = python.rsplit_once("/bin/").expect("a python in bin").0;
    let every = format!(
        "processes=2 threads=5 user=daemon group=daemon supplementary-groups=daemon,#7 umask=0027 home=/srv \
         lang=en_GB.UTF-8 locale=C.UTF-8 display-name=%{{GROUP}} python-home={home} python-path=/srv/lib:/srv/other \
         python-eggs=/var/cache/eggs switch-interval=0.002 stack-size=1048576 maximum-requests=1000 startup-timeout=10 \
         shutdown-timeout=5 deadlock-timeout=60 inactivity-timeout=600 request-timeout=60 interrupt-timeout=5 \
         graceful-timeout=15 eviction-timeout=30 restart-interval=3600 connect-timeout=15 socket-timeout=60 \
         queue-timeout=45 listen-backlog=200 socket-user=daemon send-buffer-size=65536 receive-buffer-size=65536 \
         header-buffer-size=16384 response-buffer-size=65536 response-socket-timeout=30 response-flush-delay=0 \
         script-user=daemon cpu-time-limit=300 cpu-priority=5 memory-limit=1000000000 virtual-memory-limit=0 \
         server-metrics=on"
    );
    for arguments in ["demo", "%{HOST}", "\"two words\" threads=1 threads=2", &format!("demo {every}")] {
        println!("{arguments}");
        Httpd::bare(&format!("WSGIDaemonProcess {arguments}")).config_test().assert_ok();
    }
    let jail = Httpd::bare("WSGIDaemonProcess demo chroot=/srv/jail").config_test();
    if is_root() { jail.assert_ok() } else { jail.assert_fails_with(&["chroot: '/srv/jail'", "root", "expected"]) }
}

#[test]
fn a_line_without_a_name_says_what_it_takes() {
    assert_refused("", &["the name of a process group"]);
    assert_refused("\"\" threads=1", &["the name of a process group"]);
}

#[test]
fn each_kind_of_error_names_option_value_and_what_was_expected() {
    for (option, expected) in [
        ("threads=abc", "expected a whole number from 0 to 65533"),
        ("threads=2x", "expected a whole number from 0 to 65533"),
        ("threads=1.5", "expected a whole number from 0 to 65533"),
        ("processes=0", "expected a whole number from 1 to"),
        ("request-timeout=-1", "expected a whole number of seconds from 0"),
        ("response-flush-delay=", "expected a whole number of milliseconds from 0"),
        ("memory-limit=1G", "expected a whole number of bytes from 0"),
        ("send-buffer-size=511", "expected a whole number of bytes from 512 to 2147483647, or 0"),
        ("switch-interval=0", "expected a positive number of seconds"),
        ("umask=9", "expected an octal number"),
        ("home=srv", "expected a path that begins with a slash"),
        ("user=no-such-user", "expected a user"),
        ("user=#4294967294", "expected a user"),
        ("user=root", "expected another user"),
        ("group=no-such-group", "expected a group"),
        ("group=root", "expected another group"),
        ("script-user=no-such-user", "expected a user"),
        ("script-group=#4294967294", "expected a group that has a name"),
        ("supplementary-groups=no-such-group", "expected a group"),
        ("server-metrics=yes", "expected On or Off"),
        ("python-home=/no/such/folder", "expected the root of a Python"),
    ] {
        let (name, value) = option.split_once('=').expect("an option");
        assert_refused(&format!("demo {option}"), &[&format!("{name}: '{value}'"), expected]);
    }
}

#[test]
fn a_word_that_is_no_option_is_named_with_those_there_are() {
    for word in ["lonely", "thread=2", "Threads=2", "maximum-processes=2"] {
        assert_refused(&format!("demo {word}"), &[&format!("'{word}' is not an option"), "processes=", "threads="]);
    }
}

#[test]
fn options_that_exclude_each_other_are_named() {
    assert_refused("demo script-user=daemon script-group=daemon", &["script-user=", "script-group="]);
}

#[test]
fn a_name_is_taken_once_in_the_whole_server() {
    const GROUP: &str = "WSGIDaemonProcess demo";
    for twice in [
        [("", GROUP), ("", GROUP)],
        [("", GROUP), ("a.example", GROUP)],
        [("a.example", GROUP), ("", GROUP)],
        [("a.example", GROUP), ("b.example", GROUP)],
    ] {
        println!("{twice:?}");
        let test = Httpd::bare(&hosts(&twice)).config_test();
        test.assert_fails_with(&["AH00526", "WSGIDaemonProcess: 'demo'", "already", "expected"]);
    }
    let others =
        hosts(&[("", GROUP), ("a.example", "WSGIDaemonProcess Demo"), ("b.example", "WSGIDaemonProcess demo2")]);
    Httpd::bare(&others).config_test().assert_ok();
}

#[test]
fn a_process_group_stands_in_servers_and_virtual_hosts_only() {
    for section in ["Directory {root}", "Location /x", "Files x"] {
        let name = section.split(' ').next().unwrap_or(section);
        let test = Httpd::bare(&format!("<{section}>\nWSGIDaemonProcess demo\n</{name}>")).config_test();
        test.assert_fails_with(&["WSGIDaemonProcess", "not allowed"]);
    }
}

/// Lines that load a script beforehand in the group `demo`: all follow the same rules.
const LOADING: [&str; 3] = [
    "WSGIImportScript /a.py process-group=demo application-group=x",
    "WSGIScriptAlias /a /a.py process-group=demo application-group=x",
    "WSGIScriptAliasMatch ^/a /a.py process-group=demo application-group=%{GLOBAL}",
];

#[test]
fn a_script_is_loaded_in_a_group_that_is_declared_before_and_visible() {
    const GROUP: &str = "WSGIDaemonProcess demo";
    for line in LOADING {
        for visible in [
            vec![("", GROUP), ("", line)],
            vec![("", GROUP), ("a.example", line)],
            vec![("a.example", GROUP), ("a.example", line)],
        ] {
            println!("{visible:?}");
            Httpd::bare(&hosts(&visible)).config_test().assert_ok();
        }
        let both = format!("{GROUP}\n{line}");
        Httpd::bare(&hosts(&[("a.example", &both)])).config_test().assert_ok();
    }
}

#[test]
fn a_script_is_not_loaded_in_a_group_that_is_declared_later_or_elsewhere() {
    const GROUP: &str = "WSGIDaemonProcess demo";
    for line in LOADING {
        let directive = line.split(' ').next().expect("a directive");
        for (reason, lines) in [
            ("is not defined", vec![("", line), ("", GROUP)]),
            ("is not defined", vec![("a.example", line), ("a.example", GROUP)]),
            ("belongs to another virtual host", vec![("a.example", GROUP), ("b.example", line)]),
            ("belongs to another virtual host", vec![("a.example", GROUP), ("A.example", line)]),
            ("belongs to another virtual host", vec![("a.example", GROUP), ("", line)]),
        ] {
            println!("{lines:?}");
            let test = Httpd::bare(&hosts(&lines)).config_test();
            test.assert_fails_with(&["AH00526", directive, "process-group=demo", reason, "expected"]);
        }
        // As long as the virtual host has no name it is no namesake.
        let early = format!("<VirtualHost *:80>\n{line}\nServerName a.example\n</VirtualHost>\n");
        let conf = hosts(&[("a.example", GROUP)]) + &early;
        let test = Httpd::bare(&conf).config_test();
        test.assert_fails_with(&[directive, "process-group=demo", "belongs to another virtual host", "ServerName"]);
    }
}

#[test]
fn an_alias_that_is_not_loaded_beforehand_may_name_any_group() {
    let conf = "WSGIScriptAlias /a /a.py process-group=later\nWSGIProcessGroup missing\nWSGIDaemonProcess later\n";
    Httpd::bare(conf).config_test().assert_ok();
}

/// The options that there are, as the module itself lists them.
fn options() -> Vec<String> {
    let test = Httpd::bare("WSGIDaemonProcess demo no-option").config_test();
    let list = test.output.split("expected one of ").nth(1).and_then(|list| list.lines().next()).expect("a list");
    list.split(", ").map(|option| option.trim().trim_end_matches('=').to_owned()).collect()
}

/// The options that the reference describes, with the defaults it gives.
fn described() -> BTreeMap<String, String> {
    let text = fs::read_to_string(REFERENCE).expect("the reference of directives");
    let words = text.lines().filter_map(|line| line.strip_prefix("#     ")?.split(' ').next()?.split_once('='));
    words.map(|(name, default)| (name.to_owned(), default.to_owned())).collect()
}

#[test]
fn the_reference_describes_each_option() {
    // An option was added or renamed, and apache-conf/mod_wsgi.conf was forgotten.
    let mut options = options();
    options.sort();
    assert_eq!(described().into_keys().collect::<Vec<_>>(), options);
}

#[test]
fn the_defaults_of_the_reference_are_values_that_their_options_take() {
    let defaults = described().into_iter().filter(|(_, default)| !default.is_empty());
    let line = defaults.map(|(name, default)| format!(" {name}={default}")).collect::<String>();
    Httpd::bare(&format!("WSGIDaemonProcess demo {line}")).config_test().assert_ok();
}

#[test]
fn a_restart_reads_the_same_groups_anew() {
    let conf = hosts(&[
        ("", "WSGIDaemonProcess demo"),
        ("a.example", "WSGIDaemonProcess other"),
        ("a.example", "WSGIImportScript {apps}/hello.py process-group=other application-group=x"),
    ]);
    let httpd = Httpd::with(&(conf + "WSGIScriptAlias / {app}"), "hello.py");
    // Old processes have their places in the scoreboard still.
    let httpd = httpd.size("StartServers 1\nServerLimit 8\nThreadsPerChild 4\nMaxRequestWorkers 32").start();
    httpd.graceful();
    httpd.restart();
    assert_eq!(httpd.get("/").status, 200);
    httpd.finish(&[]);
}

//! The files that an operator takes over, and Python homes of the wrong kind.
//! What each directive accepts is in settings.rs, what they are in reference.rs.

use crate::support::{Builder, Httpd, Mpm, is_root, variable, wait_for};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

const LOAD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/apache-conf/mod_wsgi.load");
const APACHE_CONF: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/apache-conf");

#[test]
fn the_load_file_loads_the_module_under_its_name() {
    let text = fs::read_to_string(LOAD).expect("the load file");
    let active: Vec<_> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let [line] = active[..] else { panic!("one line, not {active:?}") };
    let file = line.strip_prefix("LoadModule wsgi_module ").unwrap_or_else(|| panic!("another line: {line}"));
    assert!(file.ends_with("/mod_wsgi.so"), "{line}");
    // The harness has loaded it before; httpd tells only if the names agree.
    let again = line.replace(file, &variable("MOD_WSGI_MODULE"));
    let test = Httpd::bare(&again).config_test();
    test.assert_ok();
    assert!(test.output.contains("AH01574: module wsgi_module is already loaded, skipping"), "{}", test.output);
}

#[test]
fn httpd_accepts_every_file_of_apache_conf() {
    let mut seen = 0;
    for file in fs::read_dir(APACHE_CONF).expect("apache-conf").flatten() {
        let name = file.file_name().into_string().expect("text");
        println!("{name}");
        let text = fs::read_to_string(file.path()).expect("text");
        let text = text.replace("/usr/lib/apache2/modules/mod_wsgi.so", &variable("MOD_WSGI_MODULE"));
        let builder = Httpd::bare("Include {root}/taken-over.conf").file("taken-over.conf", &text);
        let mpm = Mpm::ALL.into_iter().find(|mpm| name == format!("mpm-{}.conf", mpm.name()));
        let test = if let Some(mpm) = mpm { builder.mpm(mpm).size("") } else { builder }.config_test();
        test.assert_ok();
        // httpd has nothing to correct (AH00513 and the like) and nothing to add. That the module is there before
        // is the harness's doing.
        let remarks: Vec<_> =
            test.output.lines().filter(|line| *line != "Syntax OK" && !line.contains("AH01574")).collect();
        assert!(remarks.is_empty(), "{name}: {remarks:?}");
        seen += 1;
    }
    assert!(seen >= 5, "the load file, the reference, and one file for each of the three MPMs");
}

/// A server that includes the ready configuration of an MPM as it stands.
fn ready(mpm: Mpm) -> Builder {
    let conf = format!("Define EXAMPLE_FOLDER {{root}}/example\nInclude {{root}}/apache-conf/mpm-{}.conf", mpm.name());
    let app = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/apps/evaluate.py"));
    let app = app.expect("an application");
    Httpd::bare(&conf).mpm(mpm).size("").folder("apache-conf", "apache-conf").file("example/app.wsgi", &app)
}

#[test]
fn a_ready_configuration_loads_what_is_not_loaded_yet() {
    let load = fs::read_to_string(LOAD).expect("the load file");
    let load = load.lines().find(|line| line.starts_with("LoadModule")).expect("the line that loads");
    for mpm in Mpm::ALL {
        // The harness has loaded both before, so httpd passes these lines over.
        let name = mpm.name();
        let text = fs::read_to_string(format!("{APACHE_CONF}/mpm-{name}.conf")).expect("a ready configuration");
        let own = format!("LoadModule mpm_{name}_module /usr/lib/apache2/modules/mod_mpm_{name}.so");
        for (module, line) in [("wsgi", load), (&format!("mpm_{name}"), &own)] {
            let section = format!("<IfModule !{module}_module>\n  {line}\n</IfModule>\n");
            assert!(text.contains(&section), "mpm-{name}.conf lacks\n{section}");
        }
    }
}

#[test]
fn the_ready_configuration_of_each_mpm_serves() {
    for (mpm, processes, gil_and_threads) in [
        (Mpm::Event, 2, "(False, True, True)"),
        (Mpm::Worker, 2, "(False, True, True)"),
        (Mpm::Prefork, 8, "(True, False, True)"),
    ] {
        println!("{mpm:?}");
        let httpd = ready(mpm).log_level("warn wsgi:info").start();
        wait_for("the processes to be there", || (httpd.children().len() == processes).then_some(()));
        // Each has loaded the application, and no request has asked for it yet.
        wait_for("the scripts to be loaded", || {
            (httpd.error_log().count("loading*/example/app.wsgi") == processes).then_some(())
        });
        let facts = "(__import__('sys')._is_gil_enabled(), environ['wsgi.multithread'], environ['wsgi.multiprocess'])";
        assert_eq!(httpd.python(facts), gil_and_threads, "{mpm:?}");
        assert_eq!(httpd.python("environ['mod_wsgi.application_group']"), "''");
        httpd.finish(&["loading", "Python"]);
    }
}

#[test]
fn the_configuration_of_each_example_is_accepted() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut seen = 0;
    for example in fs::read_dir(examples).expect("examples").flatten() {
        let name = example.file_name().into_string().expect("text");
        println!("{name}");
        let venv = variable("MOD_WSGI_VENV");
        let conf = format!(
            "Define EXAMPLE_FOLDER {{root}}/{name}\nDefine EXAMPLE_VENV {venv}\nInclude {{root}}/{name}/httpd.conf"
        );
        let modules = ["auth_basic", "authn_core", "authz_host", "authz_user"];
        Httpd::bare(&conf).modules(&modules).folder(&format!("examples/{name}"), &name).config_test().assert_ok();
        seen += 1;
    }
    assert!(seen >= 4, "hello, cpu, flask and django at least");
}

#[test]
fn a_virtual_environment_of_another_python_stops_the_start() {
    let test = Httpd::bare("WSGIPythonHome {root}/venv");
    let venv = test.root().join("venv");
    let made = Command::new(variable("MOD_WSGI_GIL_PYTHON")).args(["-m", "venv", "--without-pip"]).arg(&venv).output();
    let made = made.expect("Python runs");
    assert!(made.status.success(), "{made:?}");
    let venv = venv.display().to_string();
    test.config_test().assert_fails_with(&["WSGIPythonHome", &venv, "expected"]);
}

#[test]
fn a_home_that_is_another_python_or_no_folder_stops_the_start() {
    for home in ["/usr/bin/env", "/usr", "/proc", "relative/path"] {
        let test = Httpd::bare(&format!("WSGIPythonHome {home}")).config_test();
        test.assert_fails_with(&["AH00526", "WSGIPythonHome", home, "expected"]);
    }
}

/// The name of the embedded Python's library, as in `lib/python3.13t`.
fn standard_library() -> String {
    let code = "import sysconfig; print(sysconfig.get_path('stdlib').rsplit('/')[-1])";
    let output = Command::new(variable("MOD_WSGI_PYTHON")).args(["-c", code]).output().expect("Python runs");
    String::from_utf8(output.stdout).expect("a name").trim().to_owned()
}

/// A directory below the root of a server, with these rights.
fn directory(server: &Builder, path: &str, mode: u32) -> String {
    let path = server.root().join(path);
    fs::create_dir_all(&path).expect("a directory of our own");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a directory of our own");
    path.display().to_string()
}

/// A virtual environment in that directory, made from a Python whose programs are in another one.
fn environment(server: &Builder, path: &str, programs: &str) -> String {
    let venv = directory(server, path, 0o755);
    let library = standard_library();
    directory(server, &format!("{path}/lib/{library}"), 0o755);
    let version = library.trim_start_matches("python").trim_end_matches('t');
    fs::write(format!("{venv}/pyvenv.cfg"), format!("home = {programs}\nversion = {version}.1\n")).expect("a file");
    venv
}

#[test]
fn a_home_that_the_user_of_python_may_not_enter_stops_the_start() {
    if !is_root() {
        println!("not shown: the tests run without root");
        return;
    }
    let refused = |conf: &str, mode: u32, words: &[&str]| {
        let server = Httpd::bare(conf);
        let private = directory(&server, "private", mode);
        let python = directory(&server, "private/python", 0o755);
        directory(&server, &format!("private/python/lib/{}", standard_library()), 0o755);
        fs::write(format!("{python}/lib/{}/os.py", standard_library()), "").expect("a file");
        environment(&server, "private/venv", "/usr/bin");
        environment(&server, "venv", &format!("{python}/bin"));
        std::os::unix::fs::symlink(format!("{private}/venv"), server.root().join("link")).expect("a link");
        std::os::unix::fs::chown(&private, None, Some(1)).expect("we are root");
        let test = server.config_test();
        println!("{conf} {mode:o}: {}", test.output);
        match words {
            [] => test.assert_ok(),
            words => test.assert_fails_with(&[&[&*format!("directory '{private}'")], words].concat()),
        }
    };
    let of_children: &[&str] = &["WSGI1140", "httpd's child processes", "user 'www-data'", "(WSGIPythonHome)"];
    // The environment itself, the Python that it was made from, an installation, a way by a link.
    for home in ["private/venv", "venv", "private/python", "link"] {
        let conf = format!("WSGIPythonHome {{root}}/{home}");
        refused(&conf, 0o700, of_children);
        refused(&conf, 0o711, &[]);
        // Its group is daemon.
        refused(&conf, 0o710, of_children);
        // Nobody else runs Python.
        refused(&format!("{conf}\nWSGIRestrictEmbedded On"), 0o700, &[]);
    }
    let group = "WSGIRestrictEmbedded On\nWSGIDaemonProcess example python-home={root}/venv";
    let of_group: &[&str] = &["WSGI1140", "process group 'example'", "user 'bin'", "(python-home=)"];
    refused(&format!("{group} user=bin"), 0o700, of_group);
    refused(&format!("{group} user=bin"), 0o710, of_group);
    for who in ["user=bin group=daemon", "user=bin supplementary-groups=daemon", "user=daemon"] {
        refused(&format!("{group} {who}"), 0o700, &["WSGI1140", "process group 'example'"]);
        let in_group = !who.starts_with("user=daemon");
        refused(&format!("{group} {who}"), 0o710, if in_group { &[] } else { &["WSGI1140"] });
    }
    refused(
        "WSGIRestrictEmbedded On\nWSGIPythonHome {root}/venv\nWSGIDaemonProcess example user=bin",
        0o700,
        &["process group 'example'", "(WSGIPythonHome)"],
    );
    // A directory that Python has to list.
    let server = Httpd::bare("WSGIPythonHome {root}/venv");
    environment(&server, "venv", "/usr/bin");
    directory(&server, &format!("venv/lib/{}", standard_library()), 0o711);
    server.config_test().assert_fails_with(&["WSGI1140", "may not read the directory", &standard_library()]);
}

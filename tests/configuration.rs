//! The files that an operator takes over, and Python homes of the wrong kind.
//! What each directive accepts is in settings.rs, what they are in reference.rs.

#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use support::{Httpd, variable};

const LOAD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/apache-conf/mod_wsgi.load");

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
        Httpd::bare(&conf).folder(&format!("examples/{name}"), &name).config_test().assert_ok();
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

//! The reference in apache-conf/ and the README tell the truth: httpd accepts
//! each line of the one, and both name exactly the directives there are.

#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use support::{Httpd, variable};

const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/apache-conf/mod_wsgi.conf");
const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

fn reference() -> String {
    fs::read_to_string(REFERENCE).expect("the reference of directives")
}

/// The directives that httpd knows of the module: `apache2 -L`.
fn registered() -> BTreeSet<String> {
    let list = Httpd::bare("").run(&["-L"]);
    list.assert_ok();
    let names = list.output.lines().filter_map(|line| line.strip_suffix(" (mod_wsgi.c)"));
    let names: BTreeSet<_> = names.filter_map(directive_in).collect();
    assert!(!names.is_empty(), "no directive of mod_wsgi.c in {}", list.output);
    names
}

/// The directive at the beginning of a text; a section counts without its brackets.
fn directive_in(text: &str) -> Option<String> {
    let text = text.strip_prefix('<').unwrap_or(text);
    let name = text.split(|end: char| !end.is_alphanumeric()).next()?;
    name.starts_with("WSGI").then(|| name.to_owned())
}

/// The directives at the beginning of lines, behind this.
fn directives_behind(beginning: &str) -> BTreeSet<String> {
    reference().lines().filter_map(|line| directive_in(line.strip_prefix(beginning)?)).collect()
}

#[test]
fn the_reference_describes_each_directive_with_an_example() {
    // A directive was added or renamed, and apache-conf/mod_wsgi.conf was forgotten.
    assert_eq!(directives_behind("# "), registered());
    assert_eq!(directives_behind("#"), registered());
}

#[test]
fn the_readme_lists_each_directive() {
    let readme = fs::read_to_string(README).expect("the README");
    let rows: BTreeSet<_> = readme.lines().filter_map(|line| directive_in(line.strip_prefix("| `")?)).collect();
    assert_eq!(rows, registered());
}

#[test]
fn every_directive_of_the_module_explains_itself() {
    let list = Httpd::bare("").run(&["-L"]);
    for name in registered() {
        let text = list.output.split(&format!("{name} (mod_wsgi.c)\n\t")).nth(1).unwrap_or_default();
        assert!(text.starts_with(|first: char| first.is_alphabetic()), "{name}: {text:.80}");
    }
}

/// An example stands right behind its `#`; inside of a section it is indented.
fn is_example(line: &str) -> bool {
    ["WSGI", "<WSGI", "</WSGI", "    WSGI", "<Directory", "</Directory"].iter().any(|start| line.starts_with(start))
}

#[test]
fn httpd_accepts_the_reference_as_it_stands_and_each_example() {
    Httpd::bare(&reference()).config_test().assert_ok();
    let python = variable("MOD_WSGI_PYTHON");
    let home = python.rsplit_once("/bin/").expect("a python in bin").0;
    let example = |line: &str| Some(line.strip_prefix('#')?).filter(|line| is_example(line)).map(str::to_owned);
    let active: Vec<_> = reference().lines().map(|line| example(line).unwrap_or_else(|| line.to_owned())).collect();
    let active = active.join("\n").replace("WSGIPythonHome /srv/example/venv", &format!("WSGIPythonHome {home}"));
    Httpd::bare(&active).config_test().assert_ok();
}

//! The reference in apache-conf/, the README and the comparison in docs/ tell the
//! truth: httpd accepts each line of the first, all name exactly the directives
//! there are, and the tests that back the comparison exist.

#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use support::{Httpd, variable};

const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/apache-conf/mod_wsgi.conf");
const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
const COMPARISON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/directives.md");

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

/// A row of docs/directives.md.
struct Compared {
    directive: String,
    /// Where it may stand.
    place: String,
    verdict: String,
    tests: String,
}

fn compared() -> Vec<Compared> {
    let text = fs::read_to_string(COMPARISON).expect("the comparison");
    let row = |line: &str| {
        let cells: Vec<_> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
        let directive = directive_in(cells[0].strip_prefix('`')?)?;
        // Other tables may begin with an example of a directive: it has arguments.
        cells[0].trim_matches(['`', '<', '>']).eq(&directive).then_some(())?;
        let [_, place, verdict, tests] = cells[..] else { panic!("not four columns: {line}") };
        Some(Compared { directive, place: place.into(), verdict: verdict.into(), tests: tests.into() })
    };
    text.lines().filter_map(row).collect()
}

#[test]
fn each_directive_is_compared_with_mod_wsgi_once() {
    let rows = compared();
    let names: BTreeSet<_> = rows.iter().map(|row| row.directive.clone()).collect();
    // A directive was added or renamed, and docs/directives.md was forgotten.
    assert_eq!(names, registered());
    assert_eq!(names.len(), rows.len(), "a directive has two rows");
    for Compared { directive, verdict, tests, .. } in rows {
        let known = ["same as mod_wsgi 6.1", "better: ", "differs because "];
        let known = known.iter().any(|beginning| verdict.starts_with(beginning));
        assert!(known, "{directive}: {verdict}");
        assert!(!named_tests(&tests).is_empty(), "{directive} is backed by no test: {tests}");
    }
}

#[test]
fn the_comparison_says_where_directives_may_stand() {
    let list = Httpd::bare("").run(&["-L"]);
    for Compared { directive, place, .. } in compared() {
        let text = list.output.split(&format!("{directive} (mod_wsgi.c)\n")).nth(1);
        let text = text.unwrap_or_else(|| panic!("{directive} is not in httpd -L"));
        let allowed = text.split("\tAllowed in ").nth(1).unwrap_or_default();
        let in_servers_only = allowed.starts_with("*.conf only outside");
        assert_eq!(
            ["main server", "server"].iter().any(|server| place.starts_with(server)),
            in_servers_only,
            "{directive}: {place}, but httpd says {allowed:.120}"
        );
        let in_htaccess = allowed.contains("and in .htaccess");
        assert_eq!(place.contains(".htaccess"), in_htaccess, "{directive}: {place}, but httpd says {allowed:.120}");
    }
}

/// The tests that a text names, `file::test`.
fn named_tests(text: &str) -> Vec<(&str, &str)> {
    text.split('`').skip(1).step_by(2).filter_map(|quoted| quoted.split_once(".rs::")).collect()
}

#[test]
fn the_tests_that_the_comparison_names_exist() {
    let text = fs::read_to_string(COMPARISON).expect("the comparison");
    let named = named_tests(&text);
    assert!(named.len() > registered().len(), "{named:?}");
    for (file, name) in named {
        let folder = if file.starts_with("src/") { "" } else { "tests/" };
        let path = format!("{}/{folder}{file}.rs", env!("CARGO_MANIFEST_DIR"));
        let code = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        // A function with arguments is a property test.
        let before = code.split_once(&format!("fn {name}(")).map(|(before, _)| before.trim_end());
        assert!(before.is_some_and(|before| before.ends_with("#[test]")), "{file}.rs has no test {name}");
    }
}

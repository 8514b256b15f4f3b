//! The reference in apache-conf/, the table and the comparison in docs/ tell the
//! truth: httpd accepts each line of the first, all name exactly the directives
//! there are, and the tests that back the comparison exist. The table of messages
//! in docs/ has each code that the module logs, in the words of the module.

use crate::support::{Httpd, variable};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/apache-conf/mod_wsgi.conf");
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
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
fn the_table_of_directives_lists_each() {
    let table = fs::read_to_string(TABLE).expect("the table of directives");
    let rows: BTreeSet<_> = table.lines().filter_map(|line| directive_in(line.strip_prefix("| `")?)).collect();
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

const PYTHON_API: &str = include_str!("../docs/python-api.md");

/// What a section of docs/python-api.md names with this prefix, without arguments.
fn named_in(section: &str, prefix: &str) -> BTreeSet<String> {
    let text = PYTHON_API.split(&format!("\n## {section}\n")).nth(1).expect("the section");
    let text = text.split("\n## ").next().unwrap_or_default();
    let first_cells = text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let quoted = first_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let names = quoted.filter_map(|name| name.strip_prefix(prefix)).filter_map(|name| name.split('(').next());
    names.map(str::to_owned).collect()
}

#[test]
fn the_page_of_the_python_api_names_what_the_modules_have() {
    let script = "import sys, apache, mod_wsgi\n\
                  def application(environ, start_response):\n    module = sys.modules[environ['PATH_INFO'][1:]]\n    \
                  start_response('200 OK', [])\n    \
                  return [' '.join(name for name in dir(module) if name[0] != '_').encode()]\n";
    let conf = "WSGIScriptAlias / {root}/names/names.py\n<Directory {root}/names>\nRequire all granted\n</Directory>";
    let httpd = Httpd::bare(conf).file("names/names.py", script).start();
    for module in ["mod_wsgi", "apache"] {
        let names = httpd.get(&format!("/{module}"));
        let names: BTreeSet<_> = names.text().split(' ').map(str::to_owned).collect();
        // A name was added, and docs/python-api.md was forgotten, or the other way round.
        assert_eq!(named_in(&format!("The module {module}"), &format!("{module}.")), names);
    }
    httpd.finish(&[]);
}

#[test]
fn the_page_of_the_python_api_names_the_keys_of_the_environ() {
    let source = text_below("src/wsgi", ".rs");
    let keys = |prefix: &str| -> BTreeSet<String> {
        let beginning = format!("c\"{prefix}");
        let all = source.split(&beginning).skip(1).filter_map(|rest| rest.split('"').next());
        // Names of classes begin with a capital.
        all.filter(|name| name.starts_with(char::is_lowercase)).map(str::to_owned).collect()
    };
    for prefix in ["mod_wsgi.", "apache."] {
        assert!(!keys(prefix).is_empty());
        assert_eq!(named_in("The environ", prefix), keys(prefix), "{prefix}");
    }
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

#[test]
fn no_file_of_tests_is_left_out() {
    let main = include_str!("main.rs");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for entry in fs::read_dir(folder).expect("the folder of these tests") {
        let name = entry.expect("an entry").file_name().into_string().expect("text");
        if let Some(module) = name.strip_suffix(".rs").filter(|name| !["main", "daemon_same_requests"].contains(name)) {
            assert!(main.contains(&format!("\nmod {module};\n")), "tests/main.rs does not run {name}");
        }
    }
}

/// Codes that stand at several places of the source: one condition, met or worded at each of them.
const MET_AT_SEVERAL_PLACES: [&str; 7] = [
    "WSGI0036", // a child of httpd that does not start Python; a daemon that fails before its threads start, and then
    "WSGI0087", // an interpreter, for a request and for scripts that are loaded beforehand
    "WSGI0112", // a subscriber that raises, during a request and for the process
    "WSGI0174", // an exception, of an application and of a script that decides
    "WSGI0175", // SystemExit, of the same
    "WSGI0177", // an answer that is not the name of a user
    "WSGI0190", // SystemExit of a subscriber
];

/// What stands in the files of that ending below a directory of the project. Unit tests quote messages, and are left out.
fn text_below(folder: &str, ending: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let texts = entries.map(|entry| {
        let path = entry.expect("an entry of the folder").path();
        let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).expect("a path below").to_str().expect("UTF-8");
        match () {
            () if path.is_dir() => text_below(name, ending),
            () if name.ends_with(ending) && !name.ends_with("/tests.rs") => {
                let text = fs::read_to_string(&path).expect("a text");
                text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned()
            }
            () => String::new(),
        }
    });
    texts.collect()
}

/// The codes in a text, as often as they stand there.
fn codes(text: &str) -> Vec<&str> {
    let is_code = |code: &&str| code[4..].bytes().all(|digit| digit.is_ascii_digit());
    text.match_indices("WSGI").filter_map(|(at, _)| text.get(at..at + 8)).filter(is_code).collect()
}

/// The lines of the log in docs/messages.md, by their codes. A row without a code goes on with the one above.
fn messages() -> BTreeMap<String, String> {
    let mut rows = BTreeMap::<String, String>::new();
    let mut last = String::new();
    for line in text_below("docs", "/messages.md").lines() {
        let Some(row) = line.strip_prefix("| ").and_then(|row| row.strip_suffix(" |")) else { continue };
        let cells: Vec<_> = row.split("| ").map(str::trim).collect();
        let &[code, level, words, ..] = &cells[..] else { panic!("not a row: {line}") };
        if code.is_empty() {
            rows.get_mut(&last).unwrap_or_else(|| panic!("no row above {line}")).push_str(words);
        } else if codes(code) == [code] {
            let known =
                ["crit", "crit, warn", "error", "error, info", "warn", "notice", "info", "as the traceback before it"];
            assert!(cells.len() == 6 && known.contains(&level), "{line}");
            assert!(rows.insert(code.to_owned(), words.to_owned()).is_none(), "{code} has two rows");
            code.clone_into(&mut last);
        }
    }
    rows
}

/// The quoted words of a line of the log, without what differs.
fn fixed_words(line: &str) -> Vec<String> {
    let line = line.replace("`` ", "\u{1}").replace(" ``", "\u{1}");
    let separator = if line.contains('\u{1}') { '\u{1}' } else { '`' };
    let quoted = line.split(separator).skip(1).step_by(2);
    quoted
        .flat_map(|text| text.split('<').map(|piece| piece.rsplit('>').next().unwrap_or(piece).trim().to_owned()))
        .collect()
}

#[test]
fn each_code_of_the_module_is_in_the_table_of_messages() {
    let source = text_below("src", ".rs");
    let in_source: BTreeSet<_> = codes(&source).into_iter().map(str::to_owned).collect();
    // A message was added or removed, and docs/messages.md was forgotten.
    assert_eq!(messages().into_keys().collect::<BTreeSet<_>>(), in_source);
}

#[test]
fn a_code_stands_for_one_condition() {
    let source = text_below("src", ".rs");
    let mut counts = BTreeMap::new();
    codes(&source).into_iter().for_each(|code| *counts.entry(code).or_insert(0) += 1);
    let several: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 1).map(|(code, _)| code).collect();
    // Another condition needs another code.
    assert_eq!(several, MET_AT_SEVERAL_PLACES);
}

#[test]
fn tests_and_documents_name_codes_that_there_are() {
    let in_source: BTreeSet<_> = messages().into_keys().collect();
    let texts = [("tests", ".rs"), ("docs", ".md"), ("examples", ".md"), ("apache-conf", ".conf")];
    let texts = texts.map(|(folder, ending)| text_below(folder, ending));
    let at_the_top = ["README.md", "CHANGELOG.md"].map(|name| {
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("a document of the project")
    });
    for text in texts.iter().chain(&at_the_top) {
        let strange: Vec<_> = codes(text).into_iter().filter(|code| !in_source.contains(*code)).collect();
        assert!(strange.is_empty(), "no message has {strange:?}");
    }
}

#[test]
fn the_table_of_messages_has_the_words_of_the_module() {
    let source: String = text_below("src", ".rs").split("\\\n").map(str::trim_start).collect();
    let source = source.replace("{{", "{").replace("}}", "}");
    let messages = messages();
    for (code, line) in &messages {
        for words in fixed_words(line) {
            assert!(source.contains(&words), "{code}: nothing in src/ says {words:?}");
        }
    }
    for literal in source.split("\"WSGI").skip(1).filter(|literal| literal.get(4..6) == Some(": ")) {
        let (code, text) = literal.split_at(4);
        let beginning = text[2..].split(['{', '"']).next().unwrap_or_default();
        let line = &messages[&format!("WSGI{code}")];
        assert!(line.contains(beginning.trim_end()), "WSGI{code}: {beginning:?} is not how {line:?} begins");
    }
}

/// Codes that no test meets, and why not.
const NOT_MET: [(&str, &str); 9] = [
    ("WSGI0124", "no way is known that leads there"),
    ("WSGI1022", "needs a machine that gives no further process, also not to the tests beside this one"),
    ("WSGI1027", "the same"),
    ("WSGI1040", "prctl(2) refuses this to nobody"),
    ("WSGI1041", "needs a kernel that does not let a process close what is its own"),
    ("WSGI1071", "needs a machine that gives no further thread"),
    ("WSGI1164", "the same"),
    ("WSGI0133", "the same"),
    ("WSGI1190", "needs a free-threaded Python 3.14 that is older than 3.14.7"),
];

/// The code of unit tests, which stands in files of its own or at the end of others.
fn unit_tests(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let texts = entries.map(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return unit_tests(&path);
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let is_of_tests = path.file_name().is_some_and(|name| name == "tests.rs");
        if is_of_tests { text } else { text.split_once("#[cfg(test)]\nmod tests").unwrap_or_default().1.to_owned() }
    });
    texts.collect()
}

#[test]
fn each_code_is_met_by_a_test() {
    let tests: String = text_below("tests", ".rs").replace(include_str!("reference.rs"), "");
    let units = unit_tests(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let met: BTreeSet<_> = codes(&tests).into_iter().chain(codes(&units)).collect();
    let excused: BTreeSet<_> = NOT_MET.iter().map(|(code, _)| *code).collect();
    let missing: Vec<_> = messages().into_keys().filter(|code| !met.contains(code.as_str())).collect();
    // A message was added without a test that meets it.
    let missing: Vec<_> = missing.iter().filter(|code| !excused.contains(code.as_str())).collect();
    assert!(missing.is_empty(), "no test names {missing:?}");
    let needless: Vec<_> = excused.iter().filter(|code| met.contains(**code)).collect();
    assert!(needless.is_empty(), "a test meets {needless:?}, which needs no excuse any more");
}

//! The documents of the project: what they name exists, and they use the words of docs/glossary.md.
//! What they say of directives and of messages is in reference.rs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The paths, from the root of the project, of the files below a directory of it, but for what is built.
fn files_below(directory: &str) -> Vec<String> {
    let entries = fs::read_dir(Path::new(ROOT).join(directory)).unwrap_or_else(|error| panic!("{directory}: {error}"));
    let paths = entries.map(|entry| {
        let path = entry.expect("an entry").path();
        let name = path.strip_prefix(ROOT).expect("a path below").to_str().expect("UTF-8").to_owned();
        if path.is_dir() { files_below(&name) } else { vec![name] }
    });
    paths.flatten().collect()
}

/// All documents: at the root and in `docs`.
fn documents() -> Vec<String> {
    let at_the_root = fs::read_dir(ROOT).expect("the root").map(|entry| entry.expect("an entry").file_name());
    let at_the_root = at_the_root.map(|name| name.into_string().expect("UTF-8"));
    let all: Vec<_> = at_the_root
        .chain(files_below("docs"))
        .filter(|name| Path::new(name).extension().is_some_and(|e| e == "md"))
        .collect();
    assert!(all.len() > 10, "{all:?}");
    all
}

/// Where the links of a document lead, with their fragments.
fn links(text: &str) -> Vec<&str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect()
}

/// The name of a heading in a link.
fn fragment_of(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|letter| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter.to_ascii_lowercase() }).collect()
}

#[test]
fn the_readme_is_short() {
    let lines = read("README.md").lines().count();
    assert!(lines <= 130, "README.md has {lines} lines; what is more than 130 belongs into docs/");
}

#[test]
fn each_link_leads_to_a_file_and_a_heading_that_are_there() {
    for document in documents() {
        let text = read(&document);
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
            let here = Path::new(&document).parent().expect("a directory");
            let target = if path.is_empty() { PathBuf::from(&document) } else { here.join(path) };
            assert!(Path::new(ROOT).join(&target).exists(), "{document} links to {link}, which is not there");
            if !fragment.is_empty() {
                let text = read(target.to_str().expect("UTF-8"));
                let mut headings =
                    text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#'));
                assert!(headings.any(|heading| fragment_of(heading) == fragment), "{document}: no heading {link}");
            }
        }
    }
}

/// The files that a document links to, by their paths in the project.
fn linked(document: &str) -> BTreeSet<String> {
    let text = read(document);
    let here = Path::new(document).parent().expect("a directory");
    let paths = links(&text).into_iter().filter_map(|link| link.split('#').next());
    let paths = paths.map(|path| path.strip_prefix("../").map_or_else(|| here.join(path), PathBuf::from));
    paths.map(|path| path.to_str().expect("UTF-8").to_owned()).collect()
}

#[test]
fn the_table_of_contents_and_the_readme_lead_to_each_document() {
    let (contents, readme) = (linked("docs/index.md"), linked("README.md"));
    assert!(readme.contains("docs/index.md"), "README.md does not lead to docs/index.md");
    for document in documents().iter().filter(|name| !["README.md", "docs/index.md"].contains(&name.as_str())) {
        assert!(contents.contains(document), "docs/index.md, the table of contents, does not lead to {document}");
        let is_in_docs = document.starts_with("docs/");
        assert!(is_in_docs || readme.contains(document), "README.md does not lead to {document}");
    }
}

/// The words between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split("```").step_by(2).flat_map(|prose| prose.split('`').skip(1).step_by(2))
}

#[test]
fn files_of_the_project_that_documents_name_are_there() {
    for document in documents() {
        for name in quoted(&read(&document)) {
            let is_path = ["src/", "tests/", "docs/", "setup/", "benches/", "examples/", "apache-conf/", ".ci/"]
                .iter()
                .any(|beginning| name.starts_with(beginning));
            let plain = name.chars().all(|letter| letter.is_ascii_alphanumeric() || "/._-".contains(letter));
            if is_path && plain && !name.contains("...") {
                let path = Path::new(ROOT).join(name);
                let module = Path::new(ROOT).join(format!("{name}.rs"));
                assert!(path.exists() || module.exists(), "{document} names {name}, which is not there");
            }
        }
    }
}

#[test]
fn targets_of_make_that_documents_name_are_there() {
    let makefile = read("Makefile");
    let targets: BTreeSet<_> =
        makefile.lines().filter_map(|line| line.split_once(": ")).map(|(name, _)| name).collect();
    let documents =
        ["README.md", "CONTRIBUTING.md", "docs/python.md", "docs/speed.md", "docs/start.md", "docs/examples.md"];
    for document in documents {
        let text = read(document);
        // In code, not in prose.
        let code = text.split("```").skip(1).step_by(2).chain(quoted(&text));
        for line in code.flat_map(str::lines) {
            let words: Vec<_> = line.split(' ').filter(|word| *word != "sudo" && *word != "-s").collect();
            if let ["make", target, ..] = words[..] {
                assert!(targets.contains(target), "{document}: make {target}");
            }
        }
    }
}

#[test]
fn each_directory_of_the_source_is_described() {
    let text = read("docs/architecture.md");
    for entry in fs::read_dir(Path::new(ROOT).join("src")).expect("the source").map(|entry| entry.expect("an entry")) {
        let name = entry.file_name().into_string().expect("UTF-8");
        if entry.path().is_dir() {
            assert!(
                text.contains(&format!("\n| `src/{name}` | ")),
                "docs/architecture.md does not say what src/{name} is"
            );
        }
    }
}

#[test]
fn the_picture_is_what_its_program_draws() {
    let drawn =
        Command::new("python3").arg(Path::new(ROOT).join("docs/architecture.py")).output().expect("Python runs");
    assert!(drawn.status.success(), "{drawn:?}");
    let drawn = String::from_utf8(drawn.stdout).expect("UTF-8");
    assert_eq!(read("docs/architecture.svg"), drawn, "run: python3 docs/architecture.py >docs/architecture.svg");
    assert!(drawn.contains("prefers-color-scheme: dark"), "the picture cannot be read in the dark");
}

#[test]
fn continuous_integration_runs_tests_and_lint() {
    let script = read(".ci/run");
    for target in ["make test", "make lint"] {
        assert!(script.lines().any(|line| line.starts_with(target)), ".ci/run does not run {target}");
    }
}

/// The words that docs/glossary.md keeps out.
fn kept_out() -> Vec<String> {
    let text = read("docs/glossary.md");
    let table = text.split("## Words that are kept out").nth(1).expect("the table");
    let words = table.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let words: Vec<_> = words.filter(|word| !["not", "---"].contains(word)).map(str::to_owned).collect();
    assert!(words.len() >= 5, "{words:?}");
    words
}

/// The words of `kept_out` in a text, in whatever form: "bury", "buries". Names in backticks and paths do not count.
fn found<'w>(text: &str, kept_out: &'w [String]) -> Vec<&'w str> {
    let text = text.to_lowercase();
    let is_in_name = |at: usize| text[..at].ends_with(['_', '/', '{']) || text[at..].starts_with("folder_");
    let has = |word: &&String| {
        // "bury" is in "buries" and not in "bursts".
        let (stem, endings) = word.strip_suffix('y').map_or((word.as_str(), &[""][..]), |stem| (stem, &["y", "i"]));
        let begins = |at: usize| !text[..at].ends_with(|before: char| before.is_alphabetic());
        let ends = |at: usize| endings.iter().any(|ending| text[at + stem.len()..].starts_with(ending));
        text.match_indices(stem).any(|(at, _)| begins(at) && ends(at) && !is_in_name(at))
    };
    kept_out.iter().filter(has).map(String::as_str).collect()
}

/// What stands between quotation marks in source code, without what is filled in.
fn literals(code: &str) -> impl Iterator<Item = &str> {
    // Comments may have apostrophes and single marks.
    let lines = code.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    lines.flat_map(|line| line.split('"').skip(1).step_by(2))
}

#[test]
fn documents_and_texts_of_the_module_use_the_words_of_the_glossary() {
    let kept_out = kept_out();
    let mut wrong = Vec::new();
    let besides = ["apache-conf", "benches", "examples", "setup"].map(files_below).concat();
    let pages = documents().into_iter().filter(|name| name != "docs/glossary.md").chain(besides);
    for document in pages {
        // What Python has compiled is no text.
        let Ok(text) = fs::read_to_string(Path::new(ROOT).join(&document)) else { continue };
        for (number, line) in text.lines().enumerate() {
            let prose: Vec<_> = line.split('`').step_by(2).collect();
            wrong.extend(
                found(&prose.join("`"), &kept_out).iter().map(|word| format!("{document}:{}: {word}", number + 1)),
            );
        }
    }
    let sources = files_below("src").into_iter().filter(|name| name.ends_with(".rs") && !name.ends_with("/tests.rs"));
    for source in sources {
        let code = read(&source);
        // Unit tests stand at the end.
        let code = code.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        for literal in literals(code).filter(|literal| literal.contains(' ')) {
            wrong.extend(found(literal, &kept_out).iter().map(|word| format!("{source}: {word} in {literal:?}")));
        }
    }
    assert!(wrong.is_empty(), "see docs/glossary.md for better words:\n{}", wrong.join("\n"));
}

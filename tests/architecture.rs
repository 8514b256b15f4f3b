//! Layers hold: the list in `src/lib.rs` is the order, and no file names anything above its own layer.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The layers, the highest first: the lines of the block `text` below "# Layers" in the crate's documentation, each with
/// the layer's path in front.
fn layers() -> Vec<String> {
    let text = fs::read_to_string(source("lib.rs")).expect("src/lib.rs");
    let block = text.split_once("# Layers").expect("a chapter on layers").1;
    let block = block.split("```").nth(1).expect("a block with the layers");
    let lines = block.lines().skip(1).filter_map(|line| line.strip_prefix("//! "));
    lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(path)
}

/// All Rust files below `directory`, as paths below `src`.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// The paths that a file names from the crate's root, such as `wsgi::gateway`, without those in comments. A group of
/// imports counts for what stands before its brace.
fn named(text: &str) -> BTreeSet<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    code.split("crate::")
        .skip(1)
        .map(|rest| {
            let end = rest.find(|letter: char| !(letter.is_alphanumeric() || "_:".contains(letter)));
            rest[..end.unwrap_or(rest.len())].trim_end_matches(':').to_owned()
        })
        .collect()
}

/// The place in the list of the layer that a path with slashes lies in: the longest entry that it begins with.
fn rank(layers: &[String], path: &str) -> Option<usize> {
    let inside = |layer: &str| path == layer || path.starts_with(&format!("{layer}/"));
    let found = layers.iter().enumerate().filter(|(_, layer)| inside(layer));
    found.max_by_key(|(_, layer)| layer.len()).map(|(number, _)| number)
}

#[test]
fn no_import_climbs() {
    let layers = layers();
    let mut climbing = Vec::new();
    for file in files(&source("")) {
        let path = file.strip_prefix(source("")).expect("below src").with_extension("");
        let path = path.to_str().expect("text").trim_end_matches("/mod").to_owned();
        let Some(own) = rank(&layers, &path) else { continue };
        for name in named(&fs::read_to_string(&file).expect("a file")) {
            let other = name.replace("::", "/");
            if rank(&layers, &other).is_some_and(|other| other < own) {
                climbing.push(format!("src/{path}.rs names crate::{name}"));
            }
        }
    }
    assert!(climbing.is_empty(), "these climb (src/lib.rs has the order of the layers):\n{}", climbing.join("\n"));
}

#[test]
fn each_directory_is_a_layer_of_the_list() {
    let layers = layers();
    assert!(layers.len() > 10, "{layers:?}");
    for layer in &layers {
        assert!(source(layer).is_dir(), "src/lib.rs lists {layer}, which is no directory");
    }
    for entry in fs::read_dir(source("")).expect("src") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        // Programs of their own, which name nothing of the library.
        let is_programs = name == "bin";
        assert!(
            !path.is_dir() || is_programs || layers.iter().any(|layer| layer == name),
            "src/lib.rs does not list {name}"
        );
    }
}

#[test]
fn programs_use_nothing_of_the_module() {
    // What wsgictl named of the library would bring libpython with it.
    for file in files(&source("bin")) {
        let text = fs::read_to_string(&file).expect("a file");
        assert!(!text.contains("mod_wsgi::") && !text.contains("pyo3"), "{} uses the library", file.display());
    }
}

#[test]
fn parts_of_a_file_are_its_own() {
    // A file `x.rs` with a directory `x` beside it has parts: nobody else names what lies inside of one.
    let all = files(&source(""));
    let mut entered = Vec::new();
    for file in all.iter().filter(|file| file.with_extension("").is_dir()) {
        let whole = file.strip_prefix(source("")).expect("below src").with_extension("");
        let whole = whole.to_str().expect("text").to_owned();
        let parts = files(&file.with_extension(""));
        let stems: Vec<_> = parts.iter().filter_map(|part| part.file_stem()?.to_str()).collect();
        for other in all.iter().filter(|other| *other != file && !other.starts_with(file.with_extension(""))) {
            for name in named(&fs::read_to_string(other).expect("a file")) {
                let name = name.replace("::", "/");
                let inside = name.strip_prefix(&format!("{whole}/")).and_then(|rest| rest.split('/').next());
                if inside.is_some_and(|inside| stems.contains(&inside)) {
                    entered.push(format!("{} names {name}", other.display()));
                }
            }
        }
    }
    assert!(entered.is_empty(), "these enter a file's parts from outside:\n{}", entered.join("\n"));
}

#[test]
fn each_safety_comment_cites_an_invariant() {
    let text = fs::read_to_string(source("SAFETY.md")).expect("src/SAFETY.md");
    let names: BTreeSet<_> = text.split("**").skip(1).step_by(2).map(|name| name.trim_end_matches('.')).collect();
    assert!(names.contains("POOL") && names.len() > 10, "{names:?}");
    let (mut wrong, mut cited) = (Vec::new(), BTreeSet::new());
    for file in files(&source("")) {
        let code = fs::read_to_string(&file).expect("a file");
        for comment in code.split("// SAFETY: ").skip(1) {
            let end =
                comment.find(|letter: char| !(letter.is_ascii_uppercase() || letter == '-')).unwrap_or(comment.len());
            match names.get(&comment[..end]) {
                Some(name) => drop(cited.insert(*name)),
                None => wrong.push(format!("{}: {}", file.display(), comment.lines().next().unwrap_or_default())),
            }
        }
    }
    assert!(wrong.is_empty(), "these cite no name of src/SAFETY.md:\n{}", wrong.join("\n"));
    assert!(cited.len() > 10, "the comments are not where they were: {cited:?}");
}

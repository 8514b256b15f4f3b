//! Lifetimes hold: each file of `tests/lifetimes` breaks the rule that it is named after, and does not compile.
//!
//! The types are private to the module, so the files are compiled together with those sources of `src/apache` that the rules
//! are about, by one run of rustc that stops before it makes any code.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// What stands before the rules: the sources that they are about, and the little that these need of others.
const ROOT: &str = r#"
#![allow(dead_code, unused_imports)]
mod ffi;
mod apache {
    pub(crate) mod boundary;
    pub(crate) mod pool;
    pub(crate) mod request;
    pub(crate) mod server;
    pub(crate) mod status;
    pub(crate) mod table;
    fn this_module() -> *const crate::ffi::module {
        core::ptr::null()
    }
    unsafe fn bytes<'a>(text: *const core::ffi::c_char) -> Option<&'a [u8]> {
        (!text.is_null()).then(|| unsafe { core::ffi::CStr::from_ptr(text) }.to_bytes())
    }
}
mod lifetimes {
    /// Text that may borrow from a configuration.
    pub(crate) enum Texts {}
    impl crate::apache::pool::OfConfiguration for Texts {
        type Of<'c> = &'c str;
    }
}
"#;

/// A rule: its file, and the error that says that the rule holds.
struct Rule {
    path: PathBuf,
    error: String,
}

fn rules() -> Vec<Rule> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lifetimes");
    let entries = fs::read_dir(directory).expect("tests/lifetimes");
    let rule = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a rule");
        let error =
            text.lines().next().and_then(|line| line.strip_prefix("// error: ")).expect("the error that is expected");
        Rule { error: error.to_owned(), path }
    };
    entries.map(|entry| rule(entry.expect("an entry").path())).collect()
}

/// The library that was built last for the dependency of that name.
fn library(directory: &Path, name: &str) -> PathBuf {
    let entries = fs::read_dir(directory).expect("the directory of this program").flatten();
    let named = entries.filter(|entry| {
        let file = entry.file_name().into_string().unwrap_or_default();
        file.starts_with(&format!("lib{name}-")) && file.ends_with(".rlib")
    });
    let built =
        |path: &PathBuf| fs::metadata(path).and_then(|found| found.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    named.map(|entry| entry.path()).max_by_key(built).expect("a library beside this program")
}

/// The errors of the compiler, each as `path: message`.
fn errors(rules: &[Rule]) -> Vec<String> {
    let mut root = ROOT.to_owned();
    for (number, rule) in rules.iter().enumerate() {
        writeln!(root, "#[path = {:?}]\nmod rule_{number};", rule.path).expect("text");
    }
    let directory = tempfile::tempdir().expect("a directory");
    for name in ["apache", "ffi"] {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(name);
        symlink(sources, directory.path().join(name)).expect("the sources beside the rules");
    }
    let file = directory.path().join("rules.rs");
    fs::write(&file, root).expect("the root of the rules");
    let program = std::env::current_exe().expect("this program");
    let built = program.parent().expect("its directory");
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .env("OUT_DIR", env!("OUT_DIR"))
        .args(["--edition=2024", "--crate-type=lib", "--emit=metadata", "--error-format=short", "--cap-lints=allow"])
        .args(
            ["parking_lot", "libc"]
                .into_iter()
                .flat_map(|name| ["--extern".to_owned(), format!("{name}={}", library(built, name).display())]),
        )
        .arg("-L")
        .arg(format!("dependency={}", built.display()))
        .arg("--out-dir")
        .arg(directory.path())
        .arg(&file)
        .output()
        .expect("rustc");
    let text = String::from_utf8_lossy(&output.stderr);
    let located = text.lines().filter(|line| line.contains(": error"));
    located
        .map(|line| {
            let path = line.split(':').next().unwrap_or_default();
            let message =
                line.split_once(": error").and_then(|(_, rest)| rest.split_once(": ")).map_or("", |(_, text)| text);
            format!("{path}: {message}")
        })
        .collect()
}

#[test]
fn what_would_outlive_its_owner_does_not_compile() {
    let rules = rules();
    assert!(rules.len() > 10, "the rules are not where they were");
    let mut errors = errors(&rules);
    for rule in &rules {
        let path = rule.path.display();
        let is_expected = |error: &String| error.starts_with(&format!("{path}: {}", rule.error));
        assert!(
            errors.iter().any(is_expected),
            "{path} compiles, or fails for another reason; all errors:\n{errors:#?}"
        );
        errors.retain(|error| !error.starts_with(&format!("{path}: ")));
    }
    assert!(errors.is_empty(), "errors that no rule expects:\n{errors:#?}");
}

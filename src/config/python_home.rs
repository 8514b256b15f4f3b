//! `WSGIPythonHome` is checked when the configuration is read, so that a wrong
//! one stops start-up instead of answering 500 to every request.

use crate::unix::access::Directory;
use std::path::{Path, PathBuf};

/// `3.13`, of the Python that is embedded.
const VERSION: &str = env!("MOD_WSGI_PYTHON_VERSION");

/// `python3.13t`: how that Python calls the directory of its library, with a `t` if it is free-threaded.
const LIBRARY: &str = env!("MOD_WSGI_STANDARD_LIBRARY");

/// Whether Python can start from `home`: an installation (`prefix` or
/// `prefix:exec_prefix`) or a virtual environment of the version embedded.
///
/// # Errors
/// Names the directory and what was expected.
pub(crate) fn check(home: &str) -> Result<(), String> {
    let prefix = home.split(':').next().unwrap_or_default();
    let path = Path::new(prefix);
    if !path.is_dir() {
        return Err(format!(
            "'{home}' is not a directory; expected the root of a Python {VERSION} installation or virtual environment"
        ));
    }
    match std::fs::read_to_string(path.join("pyvenv.cfg")) {
        Ok(settings) => check_environment(home, path, &settings),
        Err(_) => check_installation(home, path),
    }
}

fn check_environment(home: &str, path: &Path, settings: &str) -> Result<(), String> {
    let version = settings
        .lines()
        .filter_map(|line| line.split_once('='))
        .find(|(key, _)| matches!(key.trim(), "version" | "version_info"))
        .map(|(_, version)| version.trim());
    if let Some(version) = version.filter(|version| !is_embedded(version)) {
        return Err(format!("'{home}' is a virtual environment of Python {version}; expected one of Python {VERSION}"));
    }
    // The same version with and without the GIL differ in their extension modules.
    if holds(path, "") {
        return Ok(());
    }
    Err(format!("'{home}' is a virtual environment of another build of Python {VERSION}; expected lib/{LIBRARY} in it"))
}

fn is_embedded(version: &str) -> bool {
    version.strip_prefix(VERSION).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn check_installation(home: &str, path: &Path) -> Result<(), String> {
    if holds(path, "os.py") {
        return Ok(());
    }
    Err(format!("'{home}' holds no Python {VERSION}; expected lib/{LIBRARY}/os.py or a pyvenv.cfg in it"))
}

/// Whether the directory of the library has that file, or is there at all.
fn holds(path: &Path, file: &str) -> bool {
    ["lib", "lib64"].iter().any(|lib| path.join(lib).join(LIBRARY).join(file).exists())
}

/// The directories that a process with this home reads when it starts Python, and those that lead to them: in the order in
/// which the process comes to them. `root` is that of the process (`chroot=`), and is not part of the paths.
pub(crate) fn directories(home: &str, root: &str) -> Vec<Directory> {
    let mut all = Vec::new();
    for prefix in home.split(':') {
        let prefix = std::path::absolute(prefix).unwrap_or_else(|_| prefix.into());
        let settings = std::fs::read_to_string(inside(root, &prefix.join("pyvenv.cfg"))).ok();
        if settings.is_some() {
            add(&mut all, &prefix, root, false);
        }
        // A virtual environment has its standard library from the installation that it was made with.
        let base = settings.as_deref().and_then(base);
        for place in [Some(prefix), base].into_iter().flatten() {
            let libraries = ["lib", "lib64"].map(|lib| place.join(lib).join(LIBRARY));
            libraries.iter().for_each(|library| add(&mut all, library, root, true));
        }
    }
    all
}

/// The installation that the module was built for, which is the home where none is given.
pub(crate) fn built_for() -> String {
    let program = Path::new(env!("MOD_WSGI_PYTHON_EXECUTABLE"));
    let prefix = program.ancestors().nth(2).unwrap_or(program);
    prefix.display().to_string()
}

/// The installation that a virtual environment was made with: `home` names the directory of its interpreter.
fn base(settings: &str) -> Option<PathBuf> {
    let mut pairs = settings.lines().filter_map(|line| line.split_once('='));
    let (_, programs) = pairs.find(|(key, _)| key.trim() == "home")?;
    Path::new(programs.trim()).parent().map(Path::to_owned)
}

fn inside(root: &str, path: &Path) -> PathBuf {
    if root.is_empty() { path.to_owned() } else { Path::new(root).join(path.strip_prefix("/").unwrap_or(path)) }
}

/// Adds a directory that exists, behind those that lead to it: by what symbolic links make of its name, and by its name.
fn add(all: &mut Vec<Directory>, path: &Path, root: &str, is_listed: bool) {
    let Ok(real) = inside(root, path).canonicalize() else { return };
    // What a link leads to is the directory to name. Links of another root lead elsewhere there.
    let names = if root.is_empty() { vec![&*real, path] } else { vec![path] };
    for name in names {
        let leading: Vec<_> = name.ancestors().skip(1).collect();
        let leading = leading.into_iter().rev().map(|path| Directory { path: path.into(), is_listed: false });
        for directory in leading.chain([Directory { path: name.into(), is_listed }]) {
            if !all.contains(&directory) {
                all.push(directory);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(name: &str) -> tempfile::TempDir {
        tempfile::Builder::new().prefix(name).tempdir().expect("a temporary directory")
    }

    fn check_path(path: &Path) -> Result<(), String> {
        check(path.to_str().expect("a UTF-8 path"))
    }

    #[test]
    fn a_directory_that_does_not_exist_is_refused() {
        let message = check("/no/such/folder").expect_err("no directory");
        assert!(message.contains("'/no/such/folder' is not a directory; expected"), "{message}");
    }

    #[test]
    fn a_directory_without_python_is_refused() {
        let directory = directory("empty");
        let message = check_path(directory.path()).expect_err("no Python");
        assert!(message.contains("holds no Python"), "{message}");
    }

    #[test]
    fn an_environment_of_another_version_is_refused() {
        let directory = directory("venv");
        std::fs::write(directory.path().join("pyvenv.cfg"), "home = /usr/bin\nversion = 3.1.4\n").expect("written");
        let message = check_path(directory.path()).expect_err("another version");
        assert!(message.contains("is a virtual environment of Python 3.1.4; expected one of"), "{message}");
    }

    #[test]
    fn an_environment_of_this_version_is_accepted() {
        let directory = directory("venv");
        let settings = format!("home = /usr/bin\nversion_info = {VERSION}.5.final.0\n");
        std::fs::write(directory.path().join("pyvenv.cfg"), settings).expect("written");
        std::fs::create_dir_all(directory.path().join("lib").join(LIBRARY)).expect("made");
        assert_eq!(check_path(directory.path()), Ok(()));
    }

    #[test]
    fn an_environment_of_another_build_of_this_version_is_refused() {
        let directory = directory("venv");
        let settings = format!("home = /usr/bin\nversion = {VERSION}.5\n");
        std::fs::write(directory.path().join("pyvenv.cfg"), settings).expect("written");
        std::fs::create_dir_all(directory.path().join("lib").join(format!("{LIBRARY}x"))).expect("made");
        let message = check_path(directory.path()).expect_err("another build");
        assert!(message.contains("another build") && message.contains("expected lib/"), "{message}");
    }
}

//! `WSGIPythonHome` is checked when the configuration is read, so that a wrong
//! one stops start-up instead of answering 500 to every request.

use std::path::Path;

/// `3.13`, of the Python that is embedded.
const VERSION: &str = env!("MOD_WSGI_PYTHON_VERSION");

/// Whether Python can start from `home`: an installation (`prefix` or
/// `prefix:exec_prefix`) or a virtual environment of the version embedded.
///
/// # Errors
/// Names the folder and what was expected.
pub(crate) fn check(home: &str) -> Result<(), String> {
    let prefix = home.split(':').next().unwrap_or_default();
    let path = Path::new(prefix);
    if !path.is_dir() {
        return Err(format!(
            "'{home}' is not a directory; expected the root of a Python {VERSION} installation or virtual environment"
        ));
    }
    match std::fs::read_to_string(path.join("pyvenv.cfg")) {
        Ok(settings) => check_environment(home, &settings),
        Err(_) => check_installation(home, path),
    }
}

fn check_environment(home: &str, settings: &str) -> Result<(), String> {
    let version = settings
        .lines()
        .filter_map(|line| line.split_once('='))
        .find(|(key, _)| matches!(key.trim(), "version" | "version_info"))
        .map(|(_, version)| version.trim());
    match version {
        Some(version) if !is_embedded(version) => {
            Err(format!("'{home}' is a virtual environment of Python {version}; expected one of Python {VERSION}"))
        }
        _ => Ok(()),
    }
}

fn is_embedded(version: &str) -> bool {
    version.strip_prefix(VERSION).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn check_installation(home: &str, path: &Path) -> Result<(), String> {
    let holds_library = ["lib", "lib64"]
        .iter()
        .flat_map(|lib| ["", "t"].map(|abi| path.join(format!("{lib}/python{VERSION}{abi}/os.py"))))
        .any(|module| module.is_file());
    if holds_library {
        return Ok(());
    }
    Err(format!("'{home}' holds no Python {VERSION}; expected lib/python{VERSION}/os.py or a pyvenv.cfg below it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> tempfile::TempDir {
        tempfile::Builder::new().prefix(name).tempdir().expect("a temporary folder")
    }

    fn check_path(path: &Path) -> Result<(), String> {
        check(path.to_str().expect("a UTF-8 path"))
    }

    #[test]
    fn a_folder_that_does_not_exist_is_refused() {
        let message = check("/no/such/folder").expect_err("no folder");
        assert!(message.contains("'/no/such/folder' is not a directory; expected"), "{message}");
    }

    #[test]
    fn a_folder_without_python_is_refused() {
        let folder = folder("empty");
        let message = check_path(folder.path()).expect_err("no Python");
        assert!(message.contains("holds no Python"), "{message}");
    }

    #[test]
    fn an_environment_of_another_version_is_refused() {
        let folder = folder("venv");
        std::fs::write(folder.path().join("pyvenv.cfg"), "home = /usr/bin\nversion = 3.1.4\n").expect("written");
        let message = check_path(folder.path()).expect_err("another version");
        assert!(message.contains("is a virtual environment of Python 3.1.4; expected one of"), "{message}");
    }

    #[test]
    fn an_environment_of_this_version_is_accepted() {
        let folder = folder("venv");
        let settings = format!("home = /usr/bin\nversion_info = {VERSION}.5.final.0\n");
        std::fs::write(folder.path().join("pyvenv.cfg"), settings).expect("written");
        assert_eq!(check_path(folder.path()), Ok(()));
    }
}

//! `WSGIControlSocket`: where `wsgictl` reaches this httpd, and who may use it.

use super::account;
use crate::apache::directive::Arguments;
use crate::apache::server;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// What the directive says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ControlSocket {
    Off,
    At(Place),
}

/// Where the socket is, and whose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// A path from the root.
    pub(crate) path: String,
    pub(crate) rights: Rights,
}

/// Who may connect, beside root and the user that httpd was started as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) mode: u32,
    /// The user that owns the socket; `None` leaves it to the one that httpd was started as.
    pub(crate) owner: Option<u32>,
    pub(crate) group: Option<u32>,
}

impl Default for Rights {
    fn default() -> Self {
        Self { mode: 0o600, owner: None, group: None }
    }
}

/// The most bytes that the path may have: a new socket is made beside it, with a longer name (unix(7)).
const PATH_AT_MOST: usize = 92;

const EXPECTED: &str = "expected off, or a path and mode=, owner=, group=";

impl ControlSocket {
    /// `path|off [mode=0600] [owner=user] [group=group]`
    ///
    /// # Errors
    /// Names the word and what was expected.
    pub(crate) fn parse(arguments: &Arguments<'_>) -> Result<Self, String> {
        let word = arguments.first();
        let options = arguments.words().get(1..).unwrap_or_default();
        if word.eq_ignore_ascii_case("off") {
            return match options.first() {
                Some(option) => Err(format!("'{option}' behind off is one word too many; {EXPECTED}")),
                None => Ok(Self::Off),
            };
        }
        let path = server::below_root(arguments.pool, word);
        let path = path.ok_or_else(|| format!("'{word}' is not a valid value; {EXPECTED}"))?;
        check_path(&path)?;
        Ok(Self::At(Place { path, rights: Rights::parse(options)? }))
    }
}

impl Rights {
    fn parse(options: &[&str]) -> Result<Self, String> {
        let mut rights = Self::default();
        for option in options {
            let (name, value) = option.split_once('=').ok_or_else(|| unknown(option))?;
            let in_option = |error: String| format!("{name}={error}");
            match name {
                "mode" => rights.mode = mode(value)?,
                "owner" => rights.owner = Some(account::uid(value).map_err(in_option)?),
                "group" => rights.group = Some(account::group(value).map_err(in_option)?.gid),
                _ => return Err(unknown(option)),
            }
        }
        Ok(rights)
    }
}

fn unknown(option: &str) -> String {
    format!("'{option}' is not known; {EXPECTED}")
}

/// Rights of a file, as `chmod` takes them as a number.
fn mode(word: &str) -> Result<u32, String> {
    let number = u32::from_str_radix(word, 8).ok().filter(|mode| *mode <= 0o777 && !word.starts_with('+'));
    number
        .ok_or_else(|| format!("'mode={word}' is not a valid value; expected rights as an octal number, such as 0600"))
}

/// Whether a socket can be made there, as far as that can be seen now.
///
/// # Errors
/// Names the path and what was expected.
pub(crate) fn check_path(path: &str) -> Result<(), String> {
    if path.len() > PATH_AT_MOST {
        return Err(format!("'{path}' is too long; expected at most {PATH_AT_MOST} bytes"));
    }
    if !Path::new(path).parent().is_some_and(Path::is_dir) || path.ends_with('/') {
        return Err(format!("there is no directory for '{path}'; expected a path in a directory that exists"));
    }
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            Err(format!("'{path}' is there and is not a socket; expected the path of a socket, which httpd makes"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(options: &[&str]) -> Result<Rights, String> {
        Rights::parse(options)
    }

    #[test]
    fn without_options_the_socket_is_for_its_owner_alone() {
        assert_eq!(rights(&[]), Ok(Rights { mode: 0o600, owner: None, group: None }));
        let all = rights(&["mode=660", "owner=root", "group=#0"]);
        assert_eq!(all, Ok(Rights { mode: 0o660, owner: Some(0), group: Some(0) }));
    }

    #[test]
    fn an_option_that_makes_no_sense_is_named() {
        for (word, part) in [
            ("mode=0800", "'mode=0800' is not a valid value; expected rights"),
            ("mode=+600", "'mode=+600'"),
            ("mode=01777", "'mode=01777'"),
            ("mode=", "'mode='"),
            ("owner=no-such-user", "owner='no-such-user' is not known to this system; expected a user"),
            ("group=", "group='' is not known to this system; expected a group"),
            ("0600", "'0600' is not known; expected off, or a path"),
            ("umask=1", "'umask=1' is not known"),
        ] {
            let message = rights(&[word]).expect_err(word);
            assert!(message.starts_with(part), "{word}: {message}");
        }
    }

    #[test]
    fn a_path_is_free_or_a_socket_in_a_directory() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name).display().to_string();
        assert_eq!(check_path(&path("new")), Ok(()));
        std::fs::write(path("file"), "").expect("a file");
        for (name, part) in [("file", "is not a socket"), ("none/new", "no directory"), ("new/", "no directory")] {
            let message = check_path(&path(name)).expect_err(name);
            assert!(message.contains(part) && message.contains(name), "{message}");
        }
        assert!(check_path(&path(&"x".repeat(90))).expect_err("long").contains("at most"));
    }
}

//! One question and its answer, over the control socket.

use core::time::Duration;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use serde_json::Value;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Why something is not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server says so.
    Refused(String),
    /// No server has been asked.
    Unreachable(String),
}

const NAME: &str = "wsgi.control";
/// Where httpd keeps what lives as long as it runs, here and there.
const DIRECTORIES: [&str; 4] = [env!("MOD_WSGI_RUNTIME_DIRECTORY"), "/run/apache2", "/run/httpd", "/run"];

/// The name under which an answer holds the user that the server runs as.
pub(crate) const SERVER_USER: &str = "server_user";

/// Sends the question to the server at `socket`, and returns what it answers within `patience`.
///
/// # Errors
/// See [`Failure`].
pub(crate) fn ask(socket: Option<&Path>, question: &Value, patience: Option<Duration>) -> Result<Value, Failure> {
    let path = socket.map_or_else(default_socket, |path| Ok(path.to_owned()))?;
    let stream = UnixStream::connect(&path).map_err(|error| unreachable_at(&path, &error))?;
    let lost = |error: std::io::Error| {
        let why = match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => "it does not answer".to_owned(),
            _ => error.to_string(),
        };
        Failure::Refused(format!("the server at {} has been asked, and {why}", path.display()))
    };
    stream.set_read_timeout(patience).map_err(lost)?;
    stream.set_write_timeout(patience).map_err(lost)?;
    // What refuses this user may have closed the connection already, and has said why.
    let sent = (&stream).write_all(format!("{question}\n").as_bytes());
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).map_err(lost)?;
    if line.is_empty() {
        sent.map_err(lost)?;
        return Err(Failure::Refused("the server has closed the connection without an answer".to_owned()));
    }
    let mut answer: Value = serde_json::from_str(&line)
        .map_err(|error| Failure::Refused(format!("the server's answer is not understood: {error}")))?;
    match answer["error"].as_str() {
        Some(why) => Err(Failure::Refused(why.to_owned())),
        None => {
            if let Some(fields) = answer.as_object_mut() {
                let user = getsockopt(&stream, PeerCredentials).map(|server| server.uid()).ok();
                fields.insert(SERVER_USER.to_owned(), user.into());
            }
            Ok(answer)
        }
    }
}

fn default_socket() -> Result<PathBuf, Failure> {
    if let Some(path) = std::env::var_os("WSGICTL_SOCKET").filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    let mut paths = DIRECTORIES.iter().map(|directory| Path::new(directory).join(NAME));
    paths.find(|path| std::fs::symlink_metadata(path).is_ok()).ok_or_else(|| {
        Failure::Unreachable(format!(
            "no control socket is found ({NAME} in {}); does httpd run, with a WSGIDaemonProcess? --socket names another place",
            DIRECTORIES.join(", ")
        ))
    })
}

fn unreachable_at(path: &Path, error: &std::io::Error) -> Failure {
    let path = path.display();
    Failure::Unreachable(match error.kind() {
        ErrorKind::PermissionDenied => {
            format!("{path}: permission denied; run it as root, or as who WSGIControlSocket lets in")
        }
        ErrorKind::NotFound => format!("{path}: there is no such socket; does httpd run?"),
        ErrorKind::ConnectionRefused => format!("{path}: no server listens there; does httpd run?"),
        _ => format!("{path}: {error}"),
    })
}

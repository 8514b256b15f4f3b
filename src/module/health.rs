//! `SetHandler wsgi-health`: whether this httpd lives, has started, and is ready for requests, in one line for probes.
//!
//! It asks no Python and waits for no one.

use crate::apache::hook::RequestHook;
use crate::apache::request::Request;
use crate::apache::server::Server;
use crate::apache::status::Status;
use crate::config::process_group::is_visible;
use crate::daemon::generation::{self, Group};
use crate::daemon::process::start::is_service;
use crate::module::answer::{self, Answer};
use crate::module::readiness;
use crate::observe::board::board;

/// The name of the handler.
const HANDLER: &[u8] = b"wsgi-health";

/// The hook that answers probes.
pub(crate) struct Health;

impl RequestHook for Health {
    fn run(request: &mut Request<'_>) -> Status {
        if request.handler() != HANDLER {
            return Status::DECLINED;
        }
        if let Err(status) = answer::check_method(request) {
            return status;
        }
        let (status, status_line, line) = match Probe::of(request).map(|probe| probe.run()) {
            Some(Ok(())) => (200, "200 OK", "ok\n".to_owned()),
            Some(Err(Trouble::Not(why))) => (503, "503 Service Unavailable", format!("{why}\n")),
            Some(Err(Trouble::NoGroup(name))) => (404, "404 Not Found", format!("no process group '{name}' here\n")),
            None => (404, "404 Not Found", "expected /live, /ready or /startup\n".to_owned()),
        };
        let media_type = "text/plain; charset=utf-8";
        Answer { status, status_line, media_type, headers: &[], body: line.as_bytes() }.send(request)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Live,
    Ready,
    Startup,
}

impl Question {
    fn of(word: &[u8]) -> Option<Self> {
        match word {
            b"live" => Some(Self::Live),
            b"ready" => Some(Self::Ready),
            b"startup" => Some(Self::Startup),
            _ => None,
        }
    }
}

/// What is asked, and of which groups: none means all.
struct Probe<'r> {
    question: Question,
    names: Vec<&'r [u8]>,
    server: Server<'r>,
}

/// Why the answer is not yes.
enum Trouble {
    Not(String),
    NoGroup(String),
}

/// The question, and the names behind it. Path info may begin before the question, with parts of a location that is no
/// directory. Where there is none, the end of the location may be the question.
fn parse<'r>(path_info: &'r [u8], uri: &'r [u8]) -> Option<(Question, Vec<&'r [u8]>)> {
    let parts = |path: &'r [u8]| path.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
    let mut behind = parts(path_info);
    if let Some(question) = behind.find_map(Question::of) {
        return Some((question, behind.collect()));
    }
    Some((Question::of(parts(uri).next_back()?)?, Vec::new()))
}

/// A name that a client has sent, for an answer of one line.
fn shown(name: &[u8]) -> String {
    const MOST: usize = 100;
    let text = String::from_utf8_lossy(name);
    let signs = text.chars().map(|sign| if sign.is_control() { char::REPLACEMENT_CHARACTER } else { sign });
    let mut shown: String = signs.take(MOST).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push_str("...");
    }
    shown
}

impl<'r> Probe<'r> {
    fn of(request: &'r Request<'r>) -> Option<Self> {
        let (question, names) = parse(request.path_info(), request.uri())?;
        Some(Self { question, names, server: request.server() })
    }

    fn run(&self) -> Result<(), Trouble> {
        let groups = self.groups()?;
        match self.question {
            Question::Live => Ok(()),
            Question::Startup => self.check_started(&groups),
            Question::Ready => self.check_ready(&groups),
        }
    }

    /// Those that are named, or all that serve requests here.
    fn groups(&self) -> Result<Vec<&'static Group<'static>>, Trouble> {
        let all = generation::mine().map_or(&[][..], |generation| &generation.groups);
        let visible = all.iter().filter(|group| is_visible(group.server, self.server));
        if self.names.is_empty() {
            return Ok(visible.filter(|group| !is_service(group)).collect());
        }
        let find = |name: &&[u8]| {
            let found = visible.clone().find(|group| group.config.name.as_bytes() == *name);
            found.ok_or_else(|| Trouble::NoGroup(shown(name)))
        };
        self.names.iter().map(find).collect()
    }

    fn check_ready(&self, groups: &[&Group]) -> Result<(), Trouble> {
        if board().is_some_and(|board| board.is_draining()) {
            return Err(Trouble::Not("draining".into()));
        }
        if self.names.is_empty() {
            readiness::of_embedded().map_err(Trouble::Not)?;
        }
        groups.iter().try_for_each(|group| readiness::of_group(group).map_err(Trouble::Not))
    }

    /// Each has been ready once: what happens later is a matter of the other probes.
    fn check_started(&self, groups: &[&Group]) -> Result<(), Trouble> {
        if self.names.is_empty() {
            readiness::of_embedded().map_err(Trouble::Not)?;
        }
        groups
            .iter()
            .filter(|group| !group.roll.was_ready())
            .try_for_each(|group| readiness::of_group(group).map_err(Trouble::Not))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_client_stays_on_one_line_and_short() {
        assert_eq!(shown(b"one"), "one");
        assert_eq!(shown(b"a\r\nb\xff"), "a\u{fffd}\u{fffd}b\u{fffd}");
        assert_eq!(shown("\u{e9}".repeat(101).as_bytes()), "\u{e9}".repeat(100) + "...");
    }

    #[test]
    fn the_question_is_found_wherever_the_handler_is_mounted() {
        let names = |names: &[&'static str]| names.iter().map(|name| name.as_bytes()).collect::<Vec<_>>();
        for (path_info, uri, question, expected) in [
            ("/ready", "/health/ready", Question::Ready, names(&[])),
            ("/health/live/", "/a/health/live/", Question::Live, names(&[])),
            ("/ready/one/two", "/health/ready/one/two", Question::Ready, names(&["one", "two"])),
            ("/ready/live", "/health/ready/live", Question::Ready, names(&["live"])),
            ("", "/startup", Question::Startup, names(&[])),
        ] {
            assert_eq!(parse(path_info.as_bytes(), uri.as_bytes()), Some((question, expected)), "{uri}");
        }
        for (path_info, uri) in [("", "/health"), ("/x", "/health/x"), ("/readyz", "/health/readyz"), ("", "/")] {
            assert_eq!(parse(path_info.as_bytes(), uri.as_bytes()), None, "{uri}");
        }
    }
}

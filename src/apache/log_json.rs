//! `WSGILogFormat json`: what this module logs, as one JSON object a line.
//!
//! httpd's function for the log escapes backslashes and what is not ASCII, which would spoil JSON. So the lines are written
//! to the file of `ErrorLog` directly, without httpd's prefix: what stands in that is in the object. Where the log is syslog
//! there is no file, and httpd's function gets the line.

use super::log::{Level, Source};
use super::server::Server;
use crate::unix::last_line;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::{gettid, write};
use parking_lot::RwLock;
use serde::Serialize;
use std::time::{SystemTime, UNIX_EPOCH};

static IS_ON: AtomicBool = AtomicBool::new(false);
/// The process group of this process.
static GROUP: RwLock<&'static str> = RwLock::new("");

/// Chooses the format, from now on in this process and in those that it forks.
pub(crate) fn choose(json: bool) {
    IS_ON.store(json, Relaxed);
}

/// Whether lines are JSON.
pub(crate) fn is_on() -> bool {
    IS_ON.load(Relaxed)
}

/// This process belongs to that process group.
pub(crate) fn belong_to(group: &'static str) {
    *GROUP.write() = group;
}

/// What a line says. What is not known is left out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Said<'a> {
    pub(crate) text: &'a str,
    /// A traceback, or further lines.
    pub(crate) details: &'a [String],
    pub(crate) request: Option<OfRequest<'a>>,
    /// The script that is being loaded, where there is no request.
    pub(crate) script: Option<&'a str>,
    pub(crate) source: Option<&'a Source>,
    /// What lines of one record have in common.
    pub(crate) record: Option<&'a str>,
}

/// The request that a line is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OfRequest<'a> {
    pub(crate) id: &'a str,
    pub(crate) client: &'a str,
    pub(crate) script: &'a str,
    pub(crate) trace: Option<(&'a str, &'a str)>,
    pub(crate) group: Option<&'a str>,
}

/// The object, in the order of its fields.
#[derive(Serialize)]
struct Line<'a> {
    time: &'a str,
    level: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script: Option<&'a str>,
    group: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<&'a str>,
    pid: u32,
    tid: i32,
}

/// About as long a line of a file may become, as httpd's own.
const LONGEST: usize = 8000;
/// What is written to a pipe at once stays together up to 4096 bytes (pipe(7)): others write to it as well.
const LONGEST_IN_PIPE: usize = 3000;

/// Writes an object, or several where one would be too long: their details follow one another.
pub(crate) fn put(server: Server<'_>, level: Level, said: &Said<'_>) -> bool {
    let Some(log) = server.error_log() else { return false };
    let kind = fstat(log).map_or(SFlag::S_IFREG, |log| SFlag::from_bits_truncate(log.st_mode) & SFlag::S_IFMT);
    let longest = if kind == SFlag::S_IFIFO { LONGEST_IN_PIPE } else { LONGEST };
    for line in lines(level, said, longest) {
        // A disk that is full, or a log that is gone.
        let _ = write(log, line.as_bytes());
    }
    true
}

/// The lines, each with its newline, and about as long as `longest` at most.
fn lines(level: Level, said: &Said<'_>, longest: usize) -> Vec<String> {
    let texts = pieces(&said.text.split('\n').collect::<Vec<_>>(), longest / 2);
    let details = pieces(said.details, longest / 2);
    let (first, rest) = texts.split_first().map_or((String::new(), &[][..]), |(first, rest)| (first.clone(), rest));
    let (own, more) = details.split_first().map_or((None, &[][..]), |(own, more)| (Some(own), more));
    let mut lines = vec![line(level, said, &first, own.map(String::as_str))];
    lines.extend(rest.iter().map(|text| line(level, said, text, None)));
    lines.extend(more.iter().map(|details| line(level, said, &first, Some(details))));
    lines
}

/// Lines, joined to texts of at most so many bytes in JSON.
fn pieces<T: AsRef<str>>(lines: &[T], longest: usize) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut room = 0;
    for line in lines.iter().map(AsRef::as_ref) {
        let mut rest = line;
        let mut is_new_line = true;
        loop {
            let end = fitting(rest, if is_new_line { room } else { longest });
            match pieces.last_mut() {
                Some(piece) if is_new_line && end == rest.len() => {
                    piece.push('\n');
                    piece.push_str(rest);
                    room = room.saturating_sub(weight(rest) + 2);
                    break;
                }
                _ => {}
            }
            let end = fitting(rest, longest);
            pieces.push(rest[..end].to_owned());
            room = longest.saturating_sub(weight(&rest[..end]));
            rest = &rest[end..];
            is_new_line = false;
            if rest.is_empty() {
                break;
            }
        }
    }
    pieces
}

/// As many bytes a sign takes in JSON, at most.
fn weight_of(sign: char) -> usize {
    if sign.is_control() || matches!(sign, '"' | '\\') { 6 } else { sign.len_utf8() }
}

fn weight(text: &str) -> usize {
    text.chars().map(weight_of).sum()
}

/// How many bytes of a text fit into so much room.
fn fitting(text: &str, room: usize) -> usize {
    let mut taken = 0;
    let too_much = |(_, sign): &(usize, char)| {
        taken += weight_of(*sign);
        taken > room
    };
    text.char_indices().find(too_much).map_or(text.len(), |(at, _)| at)
}

fn line(level: Level, said: &Said<'_>, message: &str, details: Option<&str>) -> String {
    let group = *GROUP.read();
    let request = said.request;
    let place = |source: &Source| format!("{}:{}", String::from_utf8_lossy(source.file()), source.line());
    let object = Line {
        time: &now(),
        level: level.name(),
        code: code(said.text),
        message,
        details,
        request_id: request.map(|request| request.id),
        trace_id: request.and_then(|request| request.trace).map(|(trace, _)| trace),
        span_id: request.and_then(|request| request.trace).map(|(_, span)| span),
        script: request.map(|request| request.script).or(said.script),
        group: request.and_then(|request| request.group).unwrap_or(group),
        client: request.map(|request| request.client),
        source: said.source.map(place),
        record: said.record,
        pid: std::process::id(),
        tid: gettid().as_raw(),
    };
    let mut line = serde_json::to_string(&object).unwrap_or_default();
    line.push('\n');
    line
}

/// The stable code in a line of this module.
fn code(text: &str) -> Option<&str> {
    text.match_indices("WSGI").map(|(at, _)| &text[at..]).find_map(|rest| {
        let code = rest.get(..8).filter(|code| code.bytes().skip(4).all(|byte| byte.is_ascii_digit()))?;
        rest[8..].starts_with(": ").then_some(code)
    })
}

/// The time of day by RFC 3339.
fn now() -> String {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(time.as_secs()).unwrap_or_default();
    let (year, month, day) = last_line::date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:06}Z", time.subsec_micros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn objects(said: &Said<'_>) -> Vec<Value> {
        let parse = |line: &String| serde_json::from_str(line.strip_suffix('\n').expect("a newline")).expect("JSON");
        lines(Level::Warning, said, LONGEST).iter().map(parse).collect()
    }

    #[test]
    fn a_code_is_the_first_one_of_a_line() {
        assert_eq!(code("WSGI0174: the application raised"), Some("WSGI0174"));
        assert_eq!(code("process group 'a': WSGI1162: stack"), Some("WSGI1162"));
        for text in ["WSGI017: x", "WSGI01745: x", "about WSGI0174", "WSGIé12", "WSGI"] {
            assert_eq!(code(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_known_is_in_the_object() {
        let request = OfRequest {
            id: "abc",
            client: "::1:5",
            script: "/srv/\"app\".py",
            trace: Some(("1f", "2f")),
            group: Some("g"),
        };
        let said = Said { text: "WSGI0174: caf\u{e9} \\ \"x\"", request: Some(request), ..Said::default() };
        let [object] = &objects(&said)[..] else { panic!("one object") };
        assert_eq!(object["message"], said.text);
        assert_eq!((&object["code"], &object["level"]), (&"WSGI0174".into(), &"warn".into()));
        assert_eq!((&object["request_id"], &object["trace_id"]), (&"abc".into(), &"1f".into()));
        assert_eq!((&object["script"], &object["group"]), (&"/srv/\"app\".py".into(), &"g".into()));
        let time = object["time"].as_str().expect("a time");
        assert!(time.len() == 27 && time.ends_with('Z') && time.starts_with("20"), "{time}");
        assert!(object.get("details").is_none() && object.get("record").is_none());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_line_is_too_long(text: String, details: Vec<String>, times in 1_usize..20) {
            let details: Vec<_> = details.into_iter().map(|line| line.replace('\n', "").repeat(times)).collect();
            let said = Said { text: &text, details: &details, ..Said::default() };
            let lines = lines(Level::Info, &said, LONGEST);
            prop_assert!(lines.iter().all(|line| line.len() < 2 * LONGEST));
            let found: String = objects(&said).iter().filter_map(|object| object["details"].as_str()).collect();
            prop_assert_eq!(found.replace('\n', ""), details.concat());
        }
    }
}

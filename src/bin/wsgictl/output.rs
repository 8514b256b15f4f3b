//! What is written to the terminal: never anything that a client or an application could do something to it with.

use crate::connection::Failure;
use serde_json::Value;
use std::io::{IsTerminal, Write};

/// Whether the letter does something to a terminal, or to the order in which others are shown.
fn is_harmful(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text, with a sign in the place of each harmful letter.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().map(|letter| if is_harmful(letter) { '\u{fffd}' } else { letter }).collect()
}

/// The same, and lines stay lines.
fn harmless_lines(text: &str) -> String {
    text.lines().map(|line| harmless(line) + "\n").collect()
}

/// Whether colours are of use.
pub(crate) fn has_colours() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Writes to standard output. A reader that has gone away has seen enough.
///
/// # Errors
/// It cannot be written to.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Refused(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// # Errors
/// As [`print`].
pub(crate) fn print_json(value: &Value) -> Result<(), Failure> {
    print(&format!("{value}\n"))
}

pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "wsgictl: {}", harmless(text));
}

pub(crate) fn plural(number: u64, one: &'static str, many: &'static str) -> &'static str {
    if number == 1 { one } else { many }
}

/// What processes have answered, each under its number.
///
/// # Errors
/// One of them could not do it.
pub(crate) fn print_answers(answer: &Value) -> Result<(), Failure> {
    let processes = answer["processes"].as_array().map_or(&[][..], |processes| processes);
    let mut failures = Vec::new();
    for process in processes {
        let pid = &process["pid"];
        if let Some(why) = process["error"].as_str() {
            failures.push(format!("process {pid}: {why}"));
        }
        if let Some(text) = process["text"].as_str() {
            let head =
                if processes.len() > 1 || text.contains('\n') { format!("process {pid}\n") } else { String::new() };
            print(&(head + &harmless_lines(text)))?;
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::Refused(failures.join("; "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_shown_letters_only() {
        assert_eq!(harmless("/a\u{1b}[2J\n\u{202e}b\u{9b}é"), "/a\u{fffd}[2J\u{fffd}\u{fffd}b\u{fffd}é");
        assert_eq!(harmless_lines("a\tb\nc"), "a\u{fffd}b\nc\n");
    }
}

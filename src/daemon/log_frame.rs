//! Entries of the log in frames: a daemon process writes them, a child process of httpd reads them.

use crate::apache::log::{Level, Source};
use crate::request::log_entry::{Entry, Speaker};
use crate::wire::fields::{Fields, put_bytes, put_u32};
use crate::wire::frame::LONGEST_ENTRY;

/// The payload of a log frame. It always fits into one: lines beyond that are left out, the last one is that of an
/// exception.
pub(crate) fn write_entry(entry: &Entry, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[entry.level as u8, u8::from(entry.speaker == Speaker::Module)]);
    put_line(out, entry.source.as_ref().map_or(b"", Source::file));
    put_u32(out, entry.source.as_ref().map_or(0, Source::line));
    put_line(out, entry.text.as_bytes());
    let Some((last, lines)) = entry.details.split_last() else { return };
    for line in lines.iter().take(MOST_DETAILS - 1) {
        if out.len() - start + 2 * (LONGEST_LINE + 4) > LONGEST_ENTRY {
            break;
        }
        put_line(out, line.as_bytes());
    }
    put_line(out, last.as_bytes());
}

/// More of a line than httpd writes, and more lines than a traceback has.
const LONGEST_LINE: usize = 16 << 10;
const MOST_DETAILS: usize = 1000;

fn put_line(out: &mut Vec<u8>, line: &[u8]) {
    put_bytes(out, &line[..line.len().min(LONGEST_LINE)]);
}

/// The entry in the payload of a log frame; `None` if there is none.
pub(crate) fn read_entry(payload: &[u8]) -> Option<Entry> {
    let mut fields = Fields(payload);
    let level = Level::of_number(fields.u8()?)?;
    let speaker = if fields.u8()? == 1 { Speaker::Module } else { Speaker::Application };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (file, line) = (text(fields.bytes()?), fields.u32()?);
    let source = (!file.is_empty()).then(|| Source::new(&file, line));
    let mut entry = Entry { level, speaker, text: text(fields.bytes()?), details: Vec::new(), source };
    while !fields.is_empty() {
        if entry.details.len() == MOST_DETAILS {
            return None;
        }
        entry.details.push(text(fields.bytes()?));
    }
    Some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame::Kind;
    use proptest::prelude::*;

    #[test]
    fn an_entry_fits_into_a_frame_with_its_last_line() {
        let long = "x".repeat(LONGEST_LINE + 1);
        for details in [vec![String::new(); 2000], vec![long.clone(); 2000]] {
            let details = [details, vec!["ValueError".to_owned()]].concat();
            let mut payload = Vec::new();
            write_entry(&Entry { details, ..Entry::line(&long) }, &mut payload);
            assert!(payload.len() <= Kind::Log.longest(), "{}", payload.len());
            let read = read_entry(&payload).expect("an entry");
            assert_eq!(read.details.last().map(String::as_str), Some("ValueError"));
        }
    }

    #[test]
    fn an_entry_of_more_lines_than_we_write_is_none() {
        let mut payload = Vec::new();
        write_entry(&Entry { details: vec![String::new(); MOST_DETAILS], ..Entry::line("") }, &mut payload);
        assert!(read_entry(&payload).is_some());
        put_line(&mut payload, b"");
        assert!(read_entry(&payload).is_none());
    }

    proptest! {
        #[test]
        fn any_payload_is_an_entry_for_the_log_or_none(payload: Vec<u8>) {
            if let Some(entry) = read_entry(&payload) {
                // A byte that is no text becomes a sign of three.
                let text: usize = entry.details.iter().map(String::len).sum::<usize>() + entry.text.len();
                prop_assert!(text <= 3 * payload.len() && entry.details.len() < payload.len());
            }
        }

        #[test]
        fn an_entry_is_read_as_it_was_written(text: String, details: Vec<String>, by_module: bool, line in 0..=i32::MAX as u32) {
            let speaker = if by_module { Speaker::Module } else { Speaker::Application };
            let source = (!by_module).then(|| Source::new("/srv/app.py", line));
            let entry = Entry { level: Level::Debug, speaker, text, details, source };
            let mut payload = Vec::new();
            write_entry(&entry, &mut payload);
            prop_assert_eq!(read_entry(&payload), Some(entry));
        }
    }
}

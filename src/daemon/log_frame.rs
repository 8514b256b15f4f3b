//! Entries of the log in frames: a daemon process writes them, a child process of httpd reads them.

use crate::apache::log::{Level, Source};
use crate::request::log_entry::{Entry, Speaker};
use crate::wire::fields::{Field, Fields, numbered, payload};
use crate::wire::frame::LONGEST_ENTRY;

/// What stands before the further lines of an entry.
struct Opening<'a> {
    level: Level,
    speaker: Speaker,
    /// Where it was logged; empty if that is not known.
    file: Piece<'a>,
    line: u32,
    /// What lines of one record have in common; empty if there is one line.
    record: Piece<'a>,
    text: Piece<'a>,
}

payload! { Opening<'a> { level, speaker, file, line, record, text } }
numbered! { Level Speaker }

/// A line. Httpd writes no more of it than this.
struct Piece<'a>(&'a [u8]);

const LONGEST_LINE: usize = 16 << 10;
/// More lines than a traceback has.
const MOST_DETAILS: usize = 1000;

impl<'a> Field<'a> for Piece<'a> {
    fn put(&self, out: &mut Vec<u8>) {
        self.0[..self.0.len().min(LONGEST_LINE)].as_ref().put(out);
    }

    fn take(fields: &mut Fields<'a>) -> Option<Self> {
        fields.next().map(Self)
    }
}

impl Piece<'_> {
    fn text(&self) -> String {
        String::from_utf8_lossy(self.0).into_owned()
    }
}

/// The payload of a log frame. It always fits into one: lines beyond that are left out, the last one is that of an
/// exception.
pub(crate) fn write_entry(entry: &Entry, out: &mut Vec<u8>) {
    let start = out.len();
    let (file, line) = entry.source.as_ref().map_or((&b""[..], 0), |source| (source.file(), source.line()));
    let text = Piece(entry.text.as_bytes());
    let record = Piece(entry.record.as_deref().unwrap_or_default().as_bytes());
    Opening { level: entry.level, speaker: entry.speaker, file: Piece(file), line, record, text }.put(out);
    let Some((last, lines)) = entry.details.split_last() else { return };
    for line in lines.iter().take(MOST_DETAILS - 1) {
        if out.len() - start + 2 * (LONGEST_LINE + 4) > LONGEST_ENTRY {
            break;
        }
        Piece(line.as_bytes()).put(out);
    }
    Piece(last.as_bytes()).put(out);
}

/// The entry in the payload of a log frame; `None` if there is none.
pub(crate) fn read_entry(payload: &[u8]) -> Option<Entry> {
    let mut fields = Fields(payload);
    let Opening { level, speaker, file, line, record, text } = fields.next()?;
    let source = (!file.0.is_empty()).then(|| Source::new(&file.text(), line));
    let record = (!record.0.is_empty()).then(|| record.text());
    let mut entry = Entry { level, speaker, text: text.text(), details: Vec::new(), source, record };
    while !fields.is_empty() {
        if entry.details.len() == MOST_DETAILS {
            return None;
        }
        entry.details.push(fields.next::<Piece<'_>>()?.text());
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
        Piece(b"").put(&mut payload);
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
            let record = (!by_module).then(|| "12-3".to_owned());
            let entry = Entry { level: Level::Debug, speaker, text, details, source, record };
            let mut payload = Vec::new();
            write_entry(&entry, &mut payload);
            prop_assert_eq!(read_entry(&payload), Some(entry));
        }
    }
}

//! The words behind a directive, by httpd's quoting rules.
//!
//! Directives are registered to take their raw text, so that a word of the form
//! `name="a value"` can be quoted in its value, and so that a message can show
//! the word that is wrong.

use std::borrow::Cow;

/// Splits the text behind a directive into words, as `ap_getword_conf` does: a
/// word may stand in single or double quotes, where a backslash protects a quote
/// or a backslash. In `name="a b"` the value alone may be quoted.
///
/// # Errors
/// A quote that is not closed, or text that sticks to a closing quote.
pub(crate) fn split(text: &[u8]) -> Result<Vec<Cow<'_, [u8]>>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_ascii();
    while !rest.is_empty() {
        let (word, after) = word(rest)?;
        words.push(word);
        rest = after.trim_ascii_start();
    }
    Ok(words)
}

fn word(text: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8]), String> {
    if let Some(quote @ (b'"' | b'\'')) = text.first().copied() {
        let (word, after) = quoted(&text[1..], quote).ok_or_else(|| unclosed(text))?;
        return no_text_behind(after).map(|after| (Cow::Owned(word), after));
    }
    let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    let Some(equals) = text[..end].iter().position(|byte| *byte == b'=') else {
        return Ok((Cow::Borrowed(&text[..end]), &text[end..]));
    };
    let value = &text[equals + 1..];
    let Some(quote @ (b'"' | b'\'')) = value.first().copied() else {
        return Ok((Cow::Borrowed(&text[..end]), &text[end..]));
    };
    let (value, after) = quoted(&value[1..], quote).ok_or_else(|| unclosed(text))?;
    let mut word = text[..=equals].to_vec();
    word.extend(value);
    no_text_behind(after).map(|after| (Cow::Owned(word), after))
}

/// The text up to the closing quote, without the backslashes that protect, and what follows the quote.
fn quoted(text: &[u8], quote: u8) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match (*byte, text.get(at + 1).copied()) {
            (b'\\', Some(next)) if next == quote || next == b'\\' => {
                word.push(next);
                bytes.next();
            }
            (byte, _) if byte == quote => return Some((word, &text[at + 1..])),
            (byte, _) => word.push(byte),
        }
    }
    None
}

fn unclosed(text: &[u8]) -> String {
    format!("'{}' has a quote that is not closed", String::from_utf8_lossy(text))
}

fn no_text_behind(after: &[u8]) -> Result<&[u8], String> {
    match after.first() {
        Some(byte) if !byte.is_ascii_whitespace() => {
            Err(format!("'{}' follows a closing quote; expected a blank", String::from_utf8_lossy(after)))
        }
        _ => Ok(after),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<String> {
        split(text.as_bytes())
            .expect("the text splits")
            .iter()
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect()
    }

    #[test]
    fn words_are_separated_by_blanks() {
        assert_eq!(words("  /a \t /b  "), ["/a", "/b"]);
    }

    #[test]
    fn a_word_may_be_quoted_as_a_whole() {
        assert_eq!(words(r#""/a b" 'c "d'"#), ["/a b", r#"c "d"#]);
    }

    #[test]
    fn the_value_of_an_option_may_be_quoted_alone() {
        assert_eq!(words(r#"process-group="a b" x=1"#), ["process-group=a b", "x=1"]);
    }

    #[test]
    fn a_backslash_protects_the_quote_and_itself() {
        assert_eq!(words(r#""a\"b\\c\d""#), [r#"a"b\c\d"#]);
    }

    #[test]
    fn an_empty_quoted_word_is_a_word() {
        assert_eq!(words(r#""""#), [""]);
    }

    #[test]
    fn an_open_quote_is_an_error() {
        assert!(split(b"\"abc").is_err());
        assert!(split(b"a=\"b").is_err());
    }

    #[test]
    fn text_that_sticks_to_a_closing_quote_is_an_error() {
        assert!(split(b"\"a\"b").is_err());
    }

    /// A word as it would be written in quotes.
    fn quoted(word: &str, quote: char) -> String {
        let protect =
            |letter: char| if letter == quote || letter == '\\' { format!("\\{letter}") } else { letter.into() };
        format!("{quote}{}{quote}", word.chars().map(protect).collect::<String>())
    }

    /// A word, and a way to write it.
    fn any_word() -> impl Strategy<Value = (String, String)> {
        let quote = prop_oneof![Just('"'), Just('\'')];
        let text = "[ -~\t\u{e4}\\\\\"']{0,8}";
        prop_oneof![
            "[!-~&&[^\"'=]][!-~&&[^=]]{0,8}".prop_map(|word| (word.clone(), word)),
            "[a-z-]{1,5}=[!-~&&[^\"']]{0,5}".prop_map(|word| (word.clone(), word)),
            (text, quote.clone()).prop_map(|(word, quote)| (word.clone(), quoted(&word, quote))),
            ("[a-z-]{1,5}=", text, quote).prop_map(|(name, value, quote)| (
                format!("{name}{value}"),
                format!("{name}{}", quoted(&value, quote))
            )),
        ]
    }

    proptest! {
        #[test]
        fn words_come_back_as_they_were_written(list in prop::collection::vec((any_word(), "[ \t]{1,3}"), 0..5)) {
            let text: String = list.iter().map(|((_, written), blanks)| format!("{written}{blanks}")).collect();
            let expected: Vec<_> = list.into_iter().map(|((word, _), _)| word).collect();
            prop_assert_eq!(words(&text), expected, "{}", text);
        }

        #[test]
        fn any_bytes_are_words_or_an_error_that_shows_where(
            text in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..40),
                "[a= \"'\\\\]{0,12}".prop_map(String::into_bytes),
            ]
        ) {
            let shown = String::from_utf8_lossy(text.trim_ascii()).into_owned();
            match split(&text) {
                Ok(words) => prop_assert!(words.iter().map(|word| word.len()).sum::<usize>() <= text.len()),
                Err(message) => {
                    let named = message.strip_prefix('\'').and_then(|rest| rest.rsplit_once('\'')).map(|(named, _)| named);
                    prop_assert!(named.is_some_and(|named| shown.ends_with(named)), "{}", message);
                }
            }
        }
    }
}

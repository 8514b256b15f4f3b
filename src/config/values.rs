//! The words that directives take: On, Off, and enumerations.

/// `On` or `Off` in any case.
///
/// # Errors
/// Names the word and what was expected.
pub(crate) fn flag(word: &str) -> Result<bool, String> {
    if word.eq_ignore_ascii_case("on") {
        Ok(true)
    } else if word.eq_ignore_ascii_case("off") {
        Ok(false)
    } else {
        Err(format!("'{word}' is not a valid value; expected On or Off"))
    }
}

/// One of several words in any case.
///
/// # Errors
/// Names the word and what was expected.
pub(crate) fn choice<T: Copy>(word: &str, choices: &[(&str, T)]) -> Result<T, String> {
    choices
        .iter()
        .find(|(name, _)| word.eq_ignore_ascii_case(name))
        .map(|(_, value)| *value)
        .ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            format!("'{word}' is not a valid value; expected one of {}", names.join(", "))
        })
}

/// `WSGIMapHEADToGET`: whether the application sees GET where the client sent HEAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadToGet {
    Always,
    Never,
    /// Only where an output filter may need the body to set its headers.
    Auto,
}

impl HeadToGet {
    /// # Errors
    /// The word is none of On, Off, Auto.
    pub(crate) fn parse(word: &str) -> Result<Self, String> {
        choice(word, &[("On", Self::Always), ("Off", Self::Never), ("Auto", Self::Auto)])
    }
}

/// `WSGIFreeThreadingAudit`: what happens to an extension module that has not
/// declared itself safe, in a process that runs without the GIL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Audit {
    /// Logged once.
    #[default]
    Log,
    /// Its import fails.
    Strict,
    Off,
}

impl Audit {
    /// # Errors
    /// The word is none of Log, Strict, Off.
    pub(crate) fn parse(word: &str) -> Result<Self, String> {
        choice(word, &[("Log", Self::Log), ("Strict", Self::Strict), ("Off", Self::Off)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_on_or_off_in_any_case() {
        assert_eq!(flag("On"), Ok(true));
        assert_eq!(flag("oFF"), Ok(false));
    }

    #[test]
    fn nothing_else_is_a_flag() {
        for word in ["yes", "true", "1", ""] {
            let message = flag(word).expect_err("not a flag");
            assert!(message.contains("expected On or Off"), "{message}");
        }
    }

    #[test]
    fn a_choice_names_what_was_expected() {
        assert_eq!(Audit::parse("strict"), Ok(Audit::Strict));
        assert_eq!(HeadToGet::parse("auto"), Ok(HeadToGet::Auto));
        let message = Audit::parse("maybe").expect_err("no such word");
        assert_eq!(message, "'maybe' is not a valid value; expected one of Log, Strict, Off");
    }
}

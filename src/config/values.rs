//! The words that directives take: On, Off, numbers and enumerations.

use crate::apache::mutex;
use core::time::Duration;

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
    choices.iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, value)| *value).ok_or_else(|| {
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

/// `WSGIPythonHashSeed`: how `hash()` of text is seeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HashSeed {
    /// Another one in each process.
    Random,
    /// The same one everywhere.
    Fixed(u32),
}

impl HashSeed {
    /// # Errors
    /// The word is neither `random` nor a number that fits.
    pub(crate) fn parse(word: &str) -> Result<Self, String> {
        if word == "random" {
            return Ok(Self::Random);
        }
        let digits = word.bytes().all(|byte| byte.is_ascii_digit());
        let number = word.parse().ok().filter(|_| digits);
        number
            .map(Self::Fixed)
            .ok_or_else(|| format!("'{word}' is not a valid value; expected random or 0 to 4294967295"))
    }
}

/// `WSGIAcceptMutex`: by which means processes of mod_wsgi take turns at their socket. Processes of this
/// module have a socket each, so that nothing depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum AcceptMutex {
    #[default]
    Default,
    /// One of those that the platform has, in lower case.
    Named(&'static str),
}

impl AcceptMutex {
    /// # Errors
    /// The word is neither `default` nor a mechanism of this platform.
    pub(crate) fn parse(word: &str) -> Result<Self, String> {
        let named = mutex::mechanisms().map(|name| (name, Self::Named(name)));
        let choices: Vec<_> = core::iter::once(("default", Self::Default)).chain(named).collect();
        choice(word, &choices)
    }
}

/// A positive number of seconds.
///
/// # Errors
/// Names the word and what was expected.
pub(crate) fn positive_seconds(word: &str) -> Result<f64, String> {
    let seconds = word.parse::<f64>().ok().filter(|seconds| seconds.is_finite() && *seconds > 0.0);
    seconds.ok_or_else(|| format!("'{word}' is not a valid value; expected a positive number of seconds"))
}

/// A number of seconds from 0 on.
///
/// # Errors
/// Names the word and what was expected.
pub(crate) fn seconds(word: &str) -> Result<Duration, String> {
    let seconds = word.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| format!("'{word}' is not a valid value; expected a number of seconds, 0 or more"))
}

/// The number that a text begins with, as C's `atoi` reads it; 0 if it begins with none, or with a negative one.
pub(crate) fn leading_number(word: &str) -> i32 {
    let word = word.trim_start();
    let digits = word.strip_prefix('+').unwrap_or(word);
    let end = digits.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().unwrap_or(0)
}

/// A group name where only `%{GLOBAL}` is special: it is the empty name.
pub(crate) fn group_literal(word: &str) -> &str {
    if word == "%{GLOBAL}" { "" } else { word }
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
    fn a_hash_seed_is_random_or_a_number_of_32_bits() {
        assert_eq!(HashSeed::parse("random"), Ok(HashSeed::Random));
        assert_eq!(HashSeed::parse("4294967295"), Ok(HashSeed::Fixed(u32::MAX)));
        for word in ["Random", "-1", "+1", "4294967296", "1x", ""] {
            assert!(HashSeed::parse(word).is_err(), "{word}");
        }
    }

    #[test]
    fn seconds_are_positive_and_finite() {
        assert_eq!(positive_seconds("0.5"), Ok(0.5));
        for word in ["0", "-1", "nan", "inf", "1s", ""] {
            assert!(positive_seconds(word).is_err(), "{word}");
        }
    }

    #[test]
    fn an_accept_mutex_is_one_that_the_platform_has() {
        assert_eq!(AcceptMutex::parse("DEFAULT"), Ok(AcceptMutex::Default));
        assert_eq!(AcceptMutex::parse("Fcntl"), Ok(AcceptMutex::Named("fcntl")));
        for word in ["", "semaphore", "file:/run/lock", "none"] {
            let message = AcceptMutex::parse(word).expect_err("no mechanism");
            assert!(message.contains("expected one of default, ") && message.contains("fcntl"), "{message}");
        }
    }

    #[test]
    fn a_leading_number_is_read_as_c_does() {
        for (word, number) in [("2", 2), (" 3x", 3), ("+1", 1), ("x", 0), ("-1", 0), ("", 0)] {
            assert_eq!(leading_number(word), number, "{word}");
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

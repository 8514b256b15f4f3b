//! Scripts that decide about requests before an application has its say: `WSGIAccessScript`, `WSGIAuthUserScript`,
//! `WSGIAuthGroupScript` and `WSGIDispatchScript`.

use super::group_name::GroupName;
use crate::apache::directive::Arguments;
use core::sync::atomic::{AtomicBool, Ordering};

/// One such script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ControlScript<'p> {
    pub(crate) path: &'p str,
    /// Never `%{RESOURCE}` or a variable: there is no application yet that could be meant.
    pub(crate) application_group: GroupName<&'p str>,
}

impl<'p> ControlScript<'p> {
    /// `path [application-group=NAME]`.
    ///
    /// # Errors
    /// An option that is unknown or has no value.
    pub(crate) fn parse(arguments: &Arguments<'p>) -> Result<Self, String> {
        let script = Self::of_words(arguments.words())?;
        SEEN.store(true, Ordering::Relaxed);
        Ok(script)
    }

    fn of_words(words: &[&'p str]) -> Result<Self, String> {
        let [path, options @ ..] = words else { return Err("expected a script".into()) };
        let mut application_group = GroupName::Global;
        for word in options {
            match word.split_once('=') {
                Some((_, "")) => {
                    return Err(format!("'{word}' has no value; expected application-group=NAME"));
                }
                Some(("application-group", value)) => application_group = plain(value),
                _ => return Err(format!("'{word}' is not an option; expected application-group=")),
            }
        }
        Ok(Self { path, application_group })
    }
}

/// The tokens that make sense without an application; all others are names.
fn plain(value: &str) -> GroupName<&str> {
    match GroupName::parse(value) {
        name @ (GroupName::Global | GroupName::Server | GroupName::Host) => name,
        GroupName::Resource | GroupName::Variable { .. } | GroupName::Literal(_) => GroupName::Literal(value),
    }
}

/// Whether such a directive stands in the configuration that is being read. Sections have no other place to say so.
static SEEN: AtomicBool = AtomicBool::new(false);
/// ... in the one that was read last.
static IN_FORCE: AtomicBool = AtomicBool::new(false);

/// Whether such a directive stands in the configuration that has just been read.
pub(crate) fn is_seen() -> bool {
    SEEN.load(Ordering::Relaxed)
}

/// The configuration has been read; the next one begins anew.
pub(crate) fn take_seen() {
    IN_FORCE.store(SEEN.swap(false, Ordering::Relaxed), Ordering::Relaxed);
}

/// Whether the configuration has such a script: then httpd's own processes run Python for it, whatever
/// `WSGIRestrictEmbedded` says. Those of `.htaccess` do not count, which are read too late.
pub(crate) fn is_any_configured() -> bool {
    IN_FORCE.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<'p>(words: &[&'p str]) -> Result<ControlScript<'p>, String> {
        ControlScript::of_words(words)
    }

    #[test]
    fn the_main_interpreter_is_the_default() {
        let script = parse(&["/srv/auth.wsgi"]).expect("a script");
        assert_eq!((script.path, script.application_group), ("/srv/auth.wsgi", GroupName::Global));
    }

    #[test]
    fn tokens_that_need_an_application_are_names() {
        for (value, expected) in [
            ("application-group=%{SERVER}", GroupName::Server),
            ("application-group=%{HOST}", GroupName::Host),
            ("application-group=%{RESOURCE}", GroupName::Literal("%{RESOURCE}")),
            ("application-group=%{ENV:X}", GroupName::Literal("%{ENV:X}")),
            ("application-group=auth", GroupName::Literal("auth")),
        ] {
            assert_eq!(parse(&["/p", value]).expect("a script").application_group, expected);
        }
    }

    #[test]
    fn a_wrong_option_is_named() {
        for word in ["process-group=x", "application-group=", "Application-Group=x", "lonely"] {
            let message = parse(&["/p", word]).expect_err("not an option");
            assert!(message.contains(word) && message.contains("expected application-group="), "{message}");
        }
    }
}

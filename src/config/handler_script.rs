//! `WSGIHandlerScript`: a script under the name of a handler, for the resources that
//! `AddHandler` or `SetHandler` give to that handler.

use super::alias::{self, AliasOptions};
use super::group_name::CallableName;
use crate::apache::directive::Arguments;
use crate::apache::pool::Pool;

/// What a handler script defines.
const CALLABLE: &str = "handle_request";

/// One `WSGIHandlerScript`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HandlerScript<'p> {
    name: &'p str,
    pub(crate) path: &'p str,
    /// As those of an alias; the callable is always [`CALLABLE`].
    pub(crate) options: AliasOptions<&'p str>,
}

impl<'p> HandlerScript<'p> {
    /// Without regard to case: httpd turns the names that it is given itself into lower case.
    pub(crate) fn is_named(&self, handler: &[u8]) -> bool {
        self.name.as_bytes().eq_ignore_ascii_case(handler)
    }

    /// `WSGIHandlerScript name path [options]`.
    ///
    /// # Errors
    /// An option that is unknown or has a bad value.
    fn parse(words: &[&'p str]) -> Result<Self, String> {
        let [name, path, options @ ..] = words else {
            return Err("expected the name of a handler and a script".into());
        };
        if let Some(word) = options.iter().find(|word| !is_option(word)) {
            return Err(format!(
                "'{word}' is not an option; expected process-group=, application-group= or pass-authorization="
            ));
        }
        let options = alias::parse_options(options)?;
        let callable_object = Some(CallableName::Literal(CALLABLE));
        Ok(Self { name, path, options: AliasOptions { callable_object, ..options } })
    }
}

fn is_option(word: &str) -> bool {
    let names = ["process-group", "application-group", "pass-authorization"];
    word.split_once('=').is_some_and(|(name, _)| names.contains(&name))
}

/// Adds to what the same section has said before; the last of a name counts.
///
/// # Errors
/// As for [`HandlerScript::parse`].
pub(crate) fn more<'p>(
    before: Option<&[HandlerScript<'p>]>,
    arguments: &Arguments<'p>,
) -> Result<&'p [HandlerScript<'p>], String> {
    let script = HandlerScript::parse(arguments.words())?;
    Ok(match before {
        None => arguments.pool.slice(&[script]),
        Some(before) => union(arguments.pool, &[script], before),
    })
}

/// The scripts of an inner section and, under other names, those of an outer one. The result lives in `pool`.
pub(crate) fn merge<'p>(
    pool: Pool<'p>,
    inner: Option<&'p [HandlerScript<'p>]>,
    outer: Option<&'p [HandlerScript<'p>]>,
) -> Option<&'p [HandlerScript<'p>]> {
    match (inner, outer) {
        (Some(inner), Some(outer)) => Some(union(pool, inner, outer)),
        (inner, outer) => inner.or(outer),
    }
}

fn union<'p>(pool: Pool<'p>, inner: &[HandlerScript<'p>], outer: &[HandlerScript<'p>]) -> &'p [HandlerScript<'p>] {
    pool.slice(&united(inner, outer))
}

fn united<'p>(inner: &[HandlerScript<'p>], outer: &[HandlerScript<'p>]) -> Vec<HandlerScript<'p>> {
    let replaced = |script: &&HandlerScript| inner.iter().any(|other| other.is_named(script.name.as_bytes()));
    inner.iter().chain(outer.iter().filter(|script| !replaced(script))).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::super::group_name::GroupName;
    use super::*;

    fn parse<'p>(words: &[&'p str]) -> Result<HandlerScript<'p>, String> {
        HandlerScript::parse(words)
    }

    fn named<'p>(name: &'p str, path: &'p str) -> HandlerScript<'p> {
        parse(&[name, path]).expect("a handler script")
    }

    #[test]
    fn the_callable_is_fixed() {
        let script = named("page", "/srv/page.wsgi");
        assert_eq!((script.name, script.path), ("page", "/srv/page.wsgi"));
        assert_eq!(script.options.callable_object, Some(CallableName::Literal("handle_request")));
        assert_eq!(script.options.process_group, None);
        let message = parse(&["page", "/srv/page.wsgi", "callable-object=x"]).expect_err("no such option");
        assert!(message.contains("callable-object=x") && message.contains("expected process-group="), "{message}");
    }

    #[test]
    fn the_other_options_are_those_of_an_alias() {
        let words = ["page", "/p", "process-group=site", "application-group=%{GLOBAL}", "pass-authorization=On"];
        let options = parse(&words).expect("a handler script").options;
        assert_eq!(options.process_group, Some(GroupName::Literal("site")));
        assert_eq!(options.application_group, Some(GroupName::Global));
        assert_eq!(options.pass_authorization, Some(true));
    }

    #[test]
    fn a_wrong_option_is_named() {
        for word in ["lonely", "Process-Group=x", "process-group=", "pass-authorization=yes", "script-reloading=On"] {
            let message = parse(&["page", "/p", word]).expect_err("not an option");
            let value = word.strip_prefix("pass-authorization=").unwrap_or(word);
            assert!(message.contains(value) && message.contains("expected"), "{message}");
        }
    }

    #[test]
    fn names_add_up_and_the_inner_section_wins() {
        let (a, b, c) = (named("a", "/inner/a"), named("b", "/outer/b"), named("c", "/inner/c"));
        assert_eq!(united(&[a, c], &[named("a", "/outer/a"), b]), [a, c, b]);
        assert_eq!(united(&[a], &[named("A", "/outer/A")]), [a]);
    }
}

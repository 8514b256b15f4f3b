//! `WSGIScriptAlias` and `WSGIScriptAliasMatch`: which URLs are served by which script.

use super::group_name::{CallableName, GroupName};
use super::values::flag;
use crate::apache::{directive::Arguments, pool::Pool, regex::Regex};
use std::sync::Arc;

/// What an alias says besides its target; `None` leaves it to the directives. `T` is the text, as in [`GroupName`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AliasOptions<T> {
    pub(crate) process_group: Option<GroupName<T>>,
    pub(crate) application_group: Option<GroupName<T>>,
    pub(crate) callable_object: Option<CallableName<T>>,
    pub(crate) pass_authorization: Option<bool>,
}

impl<T> AliasOptions<T> {
    /// The same options with their texts kept in another way.
    pub(crate) fn map<'a, U>(&'a self, keep: impl Fn(&'a T) -> U) -> AliasOptions<U> {
        AliasOptions {
            process_group: self.process_group.as_ref().map(|name| name.map(&keep)),
            application_group: self.application_group.as_ref().map(|name| name.map(&keep)),
            callable_object: self.callable_object.as_ref().map(|name| name.map(&keep)),
            pass_authorization: self.pass_authorization,
        }
    }
}

/// How an alias recognises a URL.
#[derive(Clone)]
enum Pattern {
    Prefix(Arc<str>),
    Expression(Arc<Regex>),
}

/// One `WSGIScriptAlias` or `WSGIScriptAliasMatch`. Virtual hosts share what it holds.
#[derive(Clone)]
pub(crate) struct ScriptAlias {
    pattern: Pattern,
    target: Arc<str>,
    pub(crate) options: AliasOptions<Arc<str>>,
}

impl ScriptAlias {
    /// `WSGIScriptAlias url-path target [options]`.
    ///
    /// # Errors
    /// An option that is unknown or has a bad value.
    pub(crate) fn prefix(arguments: &Arguments<'_>) -> Result<Self, String> {
        let (path, target, options) = parts(arguments)?;
        Ok(Self { pattern: Pattern::Prefix(path.into()), target, options })
    }

    /// `WSGIScriptAliasMatch expression target [options]`.
    ///
    /// # Errors
    /// As for [`Self::prefix`], and an expression that does not compile.
    pub(crate) fn expression(arguments: &Arguments<'_>) -> Result<Self, String> {
        let (text, target, options) = parts(arguments)?;
        let expression = Regex::compile(text)
            .ok_or_else(|| format!("'{text}' does not compile; expected a regular expression (PCRE)"))?;
        Ok(Self { pattern: Pattern::Expression(Arc::new(expression)), target, options })
    }

    /// Whether clients choose the path that the script is mounted at: an expression may
    /// match any number of paths, whether or not a file has to exist for each.
    pub(crate) fn is_mounted_by_clients(&self) -> bool {
        matches!(self.pattern, Pattern::Expression(_))
    }

    /// The target, unless it depends on the URL.
    pub(crate) fn fixed_target(&self) -> Option<&str> {
        let depends = matches!(self.pattern, Pattern::Expression(_)) && self.target.contains('$');
        (!depends).then_some(&*self.target)
    }

    /// What `uri` (decoded, beginning with a slash) stands for, if this alias matches it.
    pub(crate) fn locate(&self, pool: Pool<'_>, uri: &[u8]) -> Option<Location> {
        match &self.pattern {
            Pattern::Prefix(path) => {
                let matched = prefix_length(path.as_bytes(), uri)?;
                // An alias of `/` alone keeps the slash, so that the rest is path info of the script.
                let rest = if &**path == "/" { uri } else { &uri[matched..] };
                Some(Location::new(self.target.as_bytes(), rest))
            }
            Pattern::Expression(expression) => {
                let found = expression.find(pool, uri)?;
                if found.end() == 0 {
                    return None;
                }
                let target = found.substitute(pool, self.target.as_bytes(), uri);
                let rest = if &uri[..found.start()] == b"/" { uri } else { &uri[found.end()..] };
                Some(Location::new(target, rest))
            }
        }
    }
}

/// A target and the rest of the URL behind it. Together they are a path; whether the
/// rest is path info depends on what the target is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    path: Vec<u8>,
    target_length: usize,
}

impl Location {
    fn new(target: &[u8], rest: &[u8]) -> Self {
        let slashes_behind = target.iter().rev().take_while(|byte| **byte == b'/').count();
        Self { path: [target, rest].concat(), target_length: target.len() - slashes_behind }
    }

    /// Target and rest as one path.
    pub(crate) fn path(&self) -> &[u8] {
        &self.path
    }

    /// The target alone and the path info it would have if it is a file; `None` if the
    /// rest continues the target's own name.
    pub(crate) fn as_file(&self) -> Option<(&[u8], &[u8])> {
        let (target, rest) = self.path.split_at(self.target_length);
        matches!(rest.first(), None | Some(b'/')).then_some((target, rest))
    }
}

/// The words of a line: what it matches, its target, and its options.
type Parts<'p> = (&'p str, Arc<str>, AliasOptions<Arc<str>>);

fn parts<'p>(arguments: &Arguments<'p>) -> Result<Parts<'p>, String> {
    let [path, target, options @ ..] = arguments.words() else {
        return Err("expected a URL path and a script".into());
    };
    Ok((path, (*target).into(), parse_options(options)?.map(|text| Arc::from(*text))))
}

/// # Errors
/// An option that is unknown or has a bad value.
pub(super) fn parse_options<'p>(words: &[&'p str]) -> Result<AliasOptions<&'p str>, String> {
    let mut options = AliasOptions::default();
    for word in words {
        let (name, value) = word.split_once('=').ok_or_else(|| unexpected(word))?;
        if value.is_empty() {
            return Err(format!("'{word}' has no value; expected {name}=VALUE"));
        }
        match name {
            "process-group" => options.process_group = Some(GroupName::parse(value)),
            "application-group" => options.application_group = Some(GroupName::parse(value)),
            // Never expanded here: `%{...}` names an attribute that no script has.
            "callable-object" => options.callable_object = Some(CallableName::Literal(value)),
            "pass-authorization" => {
                options.pass_authorization = Some(flag(value).map_err(|error| format!("{name}: {error}"))?);
            }
            _ => return Err(unexpected(word)),
        }
    }
    Ok(options)
}

fn unexpected(word: &str) -> String {
    format!(
        "'{word}' is not an option; expected process-group=, application-group=, callable-object= or pass-authorization="
    )
}

/// How many bytes of `uri` the alias path covers, or `None` if it does not match.
///
/// Each run of slashes in the alias meets at least one slash of the URI and
/// swallows the whole run there; the alias must end where a segment ends.
fn prefix_length(alias: &[u8], uri: &[u8]) -> Option<usize> {
    let (mut a, mut u) = (0, 0);
    while a < alias.len() {
        if alias[a] == b'/' {
            if uri.get(u) != Some(&b'/') {
                return None;
            }
            a += slashes(&alias[a..]);
            u += slashes(&uri[u..]);
        } else {
            if uri.get(u) != Some(&alias[a]) {
                return None;
            }
            a += 1;
            u += 1;
        }
    }
    let ends_segment = alias.last() == Some(&b'/') || matches!(uri.get(u), None | Some(b'/'));
    ends_segment.then_some(u)
}

fn slashes(text: &[u8]) -> usize {
    text.iter().take_while(|byte| **byte == b'/').count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_alias_matches_whole_segments_only() {
        assert_eq!(prefix_length(b"/app", b"/app"), Some(4));
        assert_eq!(prefix_length(b"/app", b"/app/"), Some(4));
        assert_eq!(prefix_length(b"/app", b"/app/x"), Some(4));
        assert_eq!(prefix_length(b"/app", b"/appx"), None);
        assert_eq!(prefix_length(b"/app", b"/ap"), None);
    }

    #[test]
    fn a_run_of_slashes_counts_as_one() {
        assert_eq!(prefix_length(b"/app", b"//app//x"), Some(5));
        assert_eq!(prefix_length(b"/a//b", b"/a/b"), Some(4));
    }

    #[test]
    fn an_alias_that_ends_in_a_slash_wants_that_slash() {
        assert_eq!(prefix_length(b"/dir/", b"/dir"), None);
        assert_eq!(prefix_length(b"/dir/", b"/dir/s.wsgi"), Some(5));
    }

    #[test]
    fn what_follows_a_file_is_its_path_info() {
        let location = Location::new(b"/srv/app.wsgi", b"/x/y");
        assert_eq!(location.path(), b"/srv/app.wsgi/x/y");
        assert_eq!(location.as_file(), Some((&b"/srv/app.wsgi"[..], &b"/x/y"[..])));
    }

    #[test]
    fn a_slash_behind_the_target_belongs_to_the_path_info() {
        assert_eq!(Location::new(b"/srv/app.wsgi/", b"").as_file(), Some((&b"/srv/app.wsgi"[..], &b"/"[..])));
    }

    #[test]
    fn a_rest_without_slash_continues_the_name() {
        let location = Location::new(b"/srv/app.wsgi", b"x");
        assert_eq!(location.path(), b"/srv/app.wsgix");
        assert_eq!(location.as_file(), None);
    }

    #[test]
    fn options_are_parsed_and_the_last_wins() {
        let options =
            parse_options(&["application-group=%{GLOBAL}", "pass-authorization=On", "pass-authorization=Off"]);
        let options = options.expect("valid options");
        assert_eq!(options.application_group, Some(GroupName::Global));
        assert_eq!(options.pass_authorization, Some(false));
    }

    #[test]
    fn an_unknown_option_is_named() {
        for word in ["script-reloading=On", "Process-Group=x", "lonely"] {
            let message = parse_options(&[word]).expect_err("not an option");
            assert!(message.contains(word) && message.contains("expected"), "{message}");
        }
    }

    #[test]
    fn an_option_needs_a_value() {
        assert!(parse_options(&["callable-object="]).is_err());
        assert!(parse_options(&["pass-authorization=yes"]).is_err());
    }

    fn parse(words: &[String]) -> Result<AliasOptions<&str>, String> {
        parse_options(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Each run of slashes as one slash.
    fn collapsed(path: &str) -> String {
        let mut collapsed = path.to_owned();
        while collapsed.contains("//") {
            collapsed = collapsed.replace("//", "/");
        }
        collapsed
    }

    /// The rule of [`prefix_length`], by trying every beginning of the URI.
    fn longest_match(alias: &str, uri: &str) -> Option<usize> {
        let same = |end: &usize| collapsed(&uri[..*end]) == collapsed(alias);
        let end = (0..=uri.len()).filter(same).max()?;
        let whole_segment = alias.ends_with('/') || uri[end..].is_empty() || uri[end..].starts_with('/');
        whole_segment.then_some(end)
    }

    proptest! {
        #[test]
        fn an_alias_matches_what_the_rule_says(alias in "/[/ab]{0,4}", uri in "/[/ab]{0,6}") {
            prop_assert_eq!(prefix_length(alias.as_bytes(), uri.as_bytes()), longest_match(&alias, &uri));
        }

        #[test]
        fn an_alias_matches_what_lies_below_it(alias in "(/{1,2}[a-z.]{1,3}){0,3}", slashes in "/{1,3}", rest in "[a-z/]{0,8}") {
            let rest = rest.trim_start_matches('/');
            let below = prefix_length(alias.as_bytes(), format!("{alias}{slashes}{rest}").as_bytes());
            prop_assert_eq!(below, Some(alias.len()));
            let with_slash = format!("{alias}/");
            let below = prefix_length(with_slash.as_bytes(), format!("{alias}{slashes}{rest}").as_bytes());
            prop_assert_eq!(below, Some(alias.len() + slashes.len()));
        }

        #[test]
        fn any_bytes_match_or_do_not(alias in prop::collection::vec(any::<u8>(), 0..8), uri in prop::collection::vec(any::<u8>(), 0..12)) {
            let length = prefix_length(&alias, &uri);
            prop_assert!(length.is_none_or(|length| length <= uri.len()));
        }

        #[test]
        fn a_file_and_its_path_info_are_the_whole_path(target in "/[a/]{0,6}", rest in "[a/]{0,6}") {
            let location = Location::new(target.as_bytes(), rest.as_bytes());
            let path = format!("{target}{rest}");
            prop_assert_eq!(location.path(), path.as_bytes());
            let continues = !target.ends_with('/') && rest.starts_with('a');
            let file = target.trim_end_matches('/');
            let expected = (!continues).then(|| (file.as_bytes(), &path.as_bytes()[file.len()..]));
            prop_assert_eq!(location.as_file(), expected);
        }

        #[test]
        fn options_are_taken_over_and_the_last_wins(
            names in prop::collection::vec(("process-group|application-group|callable-object", "[!-~\u{e4}]{1,8}"), 0..6)
        ) {
            let words: Vec<_> = names.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let last = |name: &str| names.iter().rfind(|(given, _)| given == name).map(|(_, value)| &**value);
            prop_assert_eq!(parse(&words), Ok(AliasOptions {
                process_group: last("process-group").map(GroupName::parse),
                application_group: last("application-group").map(GroupName::parse),
                callable_object: last("callable-object").map(CallableName::Literal),
                pass_authorization: None,
            }));
        }

        #[test]
        fn any_words_are_options_or_an_error_that_names_one(
            words in prop::collection::vec("\\PC{0,12}|[a-z-]{0,12}=?\\PC{0,4}|pass-authorization=[OonfF]{0,3}", 0..4)
        ) {
            if let Err(message) = parse(&words) {
                let is_named = |word: &String| match word.split_once('=') {
                    Some(("pass-authorization", value)) => message.contains(&format!("pass-authorization: '{value}'")) || message.contains(&**word),
                    _ => message.contains(&format!("'{word}'")),
                };
                prop_assert!(words.iter().any(is_named) && message.contains("expected"), "{}", message);
            }
        }
    }
}

//! Names of process and application groups, and the callable, before a request
//! is there to expand them.

/// A group name as configured. A token must stand alone; anything else is literal. `T` is the text: borrowed from a pool, or
/// owned by what is configured outside of directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupName<T> {
    /// `%{GLOBAL}`: the empty name, which is the main interpreter (or no daemon).
    Global,
    /// `%{SERVER}`: the server name with its port.
    Server,
    /// `%{HOST}`: the host that the client asked for, with its port.
    Host,
    /// `%{RESOURCE}`: the server and the path the script is mounted at.
    Resource,
    /// `%{ENV:NAME}`: a variable of the request or of the process.
    Variable {
        text: T,
        name: T,
    },
    Literal(T),
}

impl<'p> GroupName<&'p str> {
    pub(crate) fn parse(text: &'p str) -> Self {
        match text {
            "%{GLOBAL}" => Self::Global,
            "%{SERVER}" => Self::Server,
            "%{HOST}" => Self::Host,
            "%{RESOURCE}" => Self::Resource,
            _ => match variable(text) {
                Some(name) => Self::Variable { text, name },
                None => Self::Literal(text),
            },
        }
    }
}

impl<T> GroupName<T> {
    /// The same name with its text kept in another way.
    pub(crate) fn map<'a, U>(&'a self, keep: impl Fn(&'a T) -> U) -> GroupName<U> {
        match self {
            Self::Global => GroupName::Global,
            Self::Server => GroupName::Server,
            Self::Host => GroupName::Host,
            Self::Resource => GroupName::Resource,
            Self::Variable { text, name } => GroupName::Variable { text: keep(text), name: keep(name) },
            Self::Literal(text) => GroupName::Literal(keep(text)),
        }
    }
}

/// What a script defines unless configured otherwise (PEP 3333's own example).
pub(crate) const DEFAULT_CALLABLE: &str = "application";

/// The name of the callable in the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallableName<T> {
    Literal(T),
    Variable(T),
}

impl<'p> CallableName<&'p str> {
    /// A token other than `%{ENV:NAME}` names no attribute, and means the default.
    pub(crate) fn parse(text: &'p str) -> Self {
        match variable(text) {
            Some(name) => Self::Variable(name),
            None if text.starts_with('%') => Self::Literal(DEFAULT_CALLABLE),
            None => Self::Literal(text),
        }
    }
}

impl<T> CallableName<T> {
    /// The same name with its text kept in another way.
    pub(crate) fn map<'a, U>(&'a self, keep: impl Fn(&'a T) -> U) -> CallableName<U> {
        match self {
            Self::Literal(text) => CallableName::Literal(keep(text)),
            Self::Variable(text) => CallableName::Variable(keep(text)),
        }
    }
}

fn variable(text: &str) -> Option<&str> {
    text.strip_prefix("%{ENV:")?.strip_suffix("}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_must_stand_alone() {
        assert_eq!(GroupName::parse("%{GLOBAL}"), GroupName::Global);
        assert_eq!(GroupName::parse("x%{GLOBAL}"), GroupName::Literal("x%{GLOBAL}"));
        assert_eq!(GroupName::parse("%{global}"), GroupName::Literal("%{global}"));
    }

    #[test]
    fn a_variable_keeps_its_text_for_when_it_is_not_set() {
        let text = "%{ENV:SITE}";
        assert_eq!(GroupName::parse(text), GroupName::Variable { text, name: "SITE" });
    }

    #[test]
    fn a_callable_named_by_another_token_is_the_default() {
        assert_eq!(CallableName::parse("%{GLOBAL}"), CallableName::Literal("application"));
        assert_eq!(CallableName::parse("%{ENV:C}"), CallableName::Variable("C"));
        assert_eq!(CallableName::parse("app"), CallableName::Literal("app"));
    }

    /// The text that a name was parsed from.
    fn written(name: GroupName<&str>) -> String {
        match name {
            GroupName::Global => "%{GLOBAL}".to_owned(),
            GroupName::Server => "%{SERVER}".to_owned(),
            GroupName::Host => "%{HOST}".to_owned(),
            GroupName::Resource => "%{RESOURCE}".to_owned(),
            GroupName::Variable { text, .. } | GroupName::Literal(text) => text.to_string(),
        }
    }

    /// Text that is a token, nearly one, or neither.
    fn any_name() -> impl Strategy<Value = String> {
        prop_oneof![
            "\\PC{0,12}",
            "%\\{(GLOBAL|SERVER|HOST|RESOURCE|ENV:[A-Z]{0,2})\\}",
            "[ x]?%\\{?(GLOBAL|SERVER|HOST|RESOURCE|global|ENV:[A-Z%{}]{0,3}|ENV)\\}?[ x]?",
        ]
    }

    proptest! {
        #[test]
        fn a_name_keeps_its_text_whatever_it_is(text in any_name()) {
            let name = GroupName::parse(&text);
            prop_assert_eq!(written(name), text.clone());
            let is_variable = text.len() > 6 && text.starts_with("%{ENV:") && text.ends_with('}');
            prop_assert_eq!(matches!(name, GroupName::Variable { .. }), is_variable);
            let is_token = ["%{GLOBAL}", "%{SERVER}", "%{HOST}", "%{RESOURCE}"].contains(&&*text);
            prop_assert_eq!(matches!(name, GroupName::Literal(_)), !is_variable && !is_token);
            if let GroupName::Variable { name, .. } = name {
                prop_assert_eq!(format!("%{{ENV:{}}}", name), text);
            }
        }

        #[test]
        fn a_callable_is_a_literal_a_variable_or_the_default(text in any_name()) {
            let name = CallableName::parse(&text);
            let expected = match text.strip_prefix("%{ENV:").and_then(|rest| rest.strip_suffix('}')) {
                Some(variable) => CallableName::Variable(variable),
                None if text.starts_with('%') => CallableName::Literal("application"),
                None => CallableName::Literal(&*text),
            };
            prop_assert_eq!(name, expected);
        }
    }
}

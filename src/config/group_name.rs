//! Names of process and application groups, and the callable, before a request
//! is there to expand them.

use crate::apache::pool::PoolStr;

/// A group name as configured. A token must stand alone; anything else is literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupName {
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
        text: PoolStr,
        name: PoolStr,
    },
    Literal(PoolStr),
}

impl GroupName {
    pub(crate) fn parse(text: PoolStr) -> Self {
        match &*text {
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

/// The name of the callable in the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallableName {
    Literal(PoolStr),
    Variable(PoolStr),
}

impl CallableName {
    /// What a script defines unless configured otherwise (PEP 3333's own example).
    pub(crate) const DEFAULT: &'static str = "application";

    /// A token other than `%{ENV:NAME}` names no attribute, and means the default.
    pub(crate) fn parse(text: PoolStr) -> Self {
        match variable(text) {
            Some(name) => Self::Variable(name),
            None if text.starts_with('%') => Self::Literal(Self::DEFAULT.into()),
            None => Self::Literal(text),
        }
    }
}

fn variable(text: PoolStr) -> Option<PoolStr> {
    text.between("%{ENV:", "}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_must_stand_alone() {
        assert_eq!(GroupName::parse("%{GLOBAL}".into()), GroupName::Global);
        assert_eq!(GroupName::parse("x%{GLOBAL}".into()), GroupName::Literal("x%{GLOBAL}".into()));
        assert_eq!(GroupName::parse("%{global}".into()), GroupName::Literal("%{global}".into()));
    }

    #[test]
    fn a_variable_keeps_its_text_for_when_it_is_not_set() {
        let text: PoolStr = "%{ENV:SITE}".into();
        assert_eq!(GroupName::parse(text), GroupName::Variable { text, name: "SITE".into() });
    }

    #[test]
    fn a_callable_named_by_another_token_is_the_default() {
        assert_eq!(CallableName::parse("%{GLOBAL}".into()), CallableName::Literal("application".into()));
        assert_eq!(CallableName::parse("%{ENV:C}".into()), CallableName::Variable("C".into()));
        assert_eq!(CallableName::parse("app".into()), CallableName::Literal("app".into()));
    }

    /// The text that a name was parsed from.
    fn written(name: GroupName) -> String {
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
            let name = GroupName::parse(PoolStr::leaked(&text));
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
            let name = CallableName::parse(PoolStr::leaked(&text));
            let expected = match text.strip_prefix("%{ENV:").and_then(|rest| rest.strip_suffix('}')) {
                Some(variable) => CallableName::Variable(PoolStr::leaked(variable)),
                None if text.starts_with('%') => CallableName::Literal("application".into()),
                None => CallableName::Literal(PoolStr::leaked(&text)),
            };
            prop_assert_eq!(name, expected);
        }
    }
}

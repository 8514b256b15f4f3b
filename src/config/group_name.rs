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
}

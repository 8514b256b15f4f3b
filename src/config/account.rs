//! Users and groups of the system, as directives name them: `name` or `#number`.

use nix::unistd;
use std::path::PathBuf;

/// A user that a process may become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) name: String,
    /// The home directory, whether or not it exists.
    pub(crate) home: PathBuf,
}

/// A group that a process may have as its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) gid: u32,
    /// `#number` if the system has no name for it.
    pub(crate) name: String,
}

/// The user of that name or number, who must be known to the system.
///
/// # Errors
/// Names the word and what was expected.
pub(crate) fn user(word: &str) -> Result<User, String> {
    let found = match word.strip_prefix('#') {
        Some(number) => unistd::User::from_uid(unistd::Uid::from_raw(id(word, number)?)),
        None => unistd::User::from_name(word),
    };
    match found {
        Ok(Some(user)) => Ok(User { uid: user.uid.as_raw(), name: user.name, home: user.dir }),
        Ok(None) => Err(unknown(word, "a user")),
        Err(error) => Err(format!("'{word}' cannot be looked up ({}); expected a user", error.desc())),
    }
}

/// The id of that user. A number need not be known to the system.
///
/// # Errors
/// Names the word and what was expected.
pub(crate) fn uid(word: &str) -> Result<u32, String> {
    match word.strip_prefix('#') {
        Some(number) => id(word, number),
        None => user(word).map(|user| user.uid),
    }
}

/// The group of that name or number. A number need not be known to the system.
///
/// # Errors
/// Names the word and what was expected.
pub(crate) fn group(word: &str) -> Result<Group, String> {
    if let Some(number) = word.strip_prefix('#') {
        let gid = id(word, number)?;
        let known = unistd::Group::from_gid(unistd::Gid::from_raw(gid)).ok().flatten();
        return Ok(Group { gid, name: known.map_or_else(|| word.to_owned(), |group| group.name) });
    }
    match unistd::Group::from_name(word) {
        Ok(Some(group)) => Ok(Group { gid: group.gid.as_raw(), name: group.name }),
        Ok(None) => Err(unknown(word, "a group")),
        Err(error) => Err(format!("'{word}' cannot be looked up ({}); expected a group", error.desc())),
    }
}

/// The user that the system knows by that number.
pub(crate) fn user_of(uid: u32) -> Option<User> {
    user(&format!("#{uid}")).ok()
}

fn id(word: &str, number: &str) -> Result<u32, String> {
    // The highest number means "no change" to the calls that take one.
    let id = number.parse().ok().filter(|id| *id != u32::MAX && !number.starts_with('+'));
    id.ok_or_else(|| format!("'{word}' is not a valid value; expected a name, or # and a number"))
}

fn unknown(word: &str, what: &str) -> String {
    format!("'{word}' is not known to this system; expected {what}, by name or by # and a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        let root = user("root").expect("every system has it");
        assert_eq!((root.uid, &*root.name), (0, "root"));
        assert_eq!(user("#0"), Ok(root));
        assert_eq!(user_of(0).map(|user| user.name).as_deref(), Some("root"));
    }

    #[test]
    fn a_user_that_is_unknown_is_named() {
        for word in ["no-such-user", "", "#4294967294", "0"] {
            let message = user(word).expect_err("unknown");
            assert!(message.contains(&format!("'{word}'")) && message.contains("expected a user"), "{message}");
        }
    }

    #[test]
    fn a_number_is_a_number() {
        for word in ["#", "#x", "#-1", "#+1", "#1x", "#4294967295", "#4294967296"] {
            for message in [user(word).expect_err("a user"), group(word).expect_err("a group")] {
                assert!(message.contains(&format!("'{word}'")) && message.contains("expected a name"), "{message}");
            }
        }
    }

    #[test]
    fn a_number_need_not_be_known_where_only_the_number_counts() {
        assert_eq!(uid("#4294967294"), Ok(4_294_967_294));
        assert_eq!(group("#4294967294"), Ok(Group { gid: 4_294_967_294, name: "#4294967294".into() }));
        assert_eq!(group("#0").map(|group| group.name).as_deref(), Ok("root"));
    }
}

//! `script-user` and `script-group`: whether the script that a daemon is to run belongs to whom the process group expects.
//!
//! Checked in httpd's child process, before the request goes to a daemon process: the file as httpd has just looked at it,
//! and its directory. Whoever may write to the directory may put another file in the place of the script.

use crate::apache::request::{FileOwner, Request};
use crate::config::process_group::ProcessGroup;
use crate::request::fault::Fault;
use nix::unistd::{Gid, Group, Uid, User};
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thing {
    Script,
    Directory,
}

/// Which of the two options is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    User,
    Group,
}

/// What speaks against a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Objection {
    Unseen,
    /// The number of its owner, who has no name.
    Nameless(u32),
    /// The name of its owner, and who is expected.
    Owner(String, String),
    WritableByGroup,
    WritableByAll,
}

/// Why a script is not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) struct NotOwned {
    rule: Rule,
    thing: Thing,
    objection: Objection,
}

impl NotOwned {
    /// The stable code of the condition.
    pub(crate) fn code(&self) -> &'static str {
        use Objection as O;
        match (self.rule, self.thing, &self.objection) {
            (Rule::Group, Thing::Script, O::Unseen) => "WSGI0153",
            (Rule::Group, Thing::Script, O::Nameless(_)) => "WSGI0154",
            (Rule::Group, Thing::Script, O::Owner(..)) => "WSGI0155",
            (Rule::Group, Thing::Script, O::WritableByAll | O::WritableByGroup) => "WSGI0157",
            (Rule::Group, Thing::Directory, O::Unseen) => "WSGI0158",
            (Rule::Group, Thing::Directory, O::Nameless(_)) => "WSGI0159",
            (Rule::Group, Thing::Directory, O::Owner(..)) => "WSGI0160",
            (Rule::Group, Thing::Directory, O::WritableByAll | O::WritableByGroup) => "WSGI0161",
            (Rule::User, Thing::Script, O::Unseen) => "WSGI0162",
            (Rule::User, Thing::Script, O::Nameless(_)) => "WSGI0163",
            (Rule::User, Thing::Script, O::Owner(..)) => "WSGI0164",
            (Rule::User, Thing::Script, O::WritableByGroup) => "WSGI0166",
            (Rule::User, Thing::Script, O::WritableByAll) => "WSGI0168",
            (Rule::User, Thing::Directory, O::Unseen) => "WSGI0169",
            (Rule::User, Thing::Directory, O::Nameless(_)) => "WSGI0170",
            (Rule::User, Thing::Directory, O::Owner(..)) => "WSGI0171",
            (Rule::User, Thing::Directory, O::WritableByAll) => "WSGI0172",
            (Rule::User, Thing::Directory, O::WritableByGroup) => "WSGI0173",
        }
    }
}

impl fmt::Display for NotOwned {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (option, owner) = match self.rule {
            Rule::User => ("script-user", "user"),
            Rule::Group => ("script-group", "group"),
        };
        match self.thing {
            Thing::Script => out.write_str("the script ")?,
            Thing::Directory => out.write_str("the directory of the script ")?,
        }
        match &self.objection {
            Objection::Unseen => write!(out, "cannot be looked at, which {option}= asks for"),
            Objection::Nameless(id) => {
                write!(out, "belongs to the {owner} with the id {id}, which has no name for {option}= to allow")
            }
            Objection::Owner(name, expected) => {
                write!(out, "belongs to the {owner} '{name}'; expected '{expected}' ({option}=)")
            }
            Objection::WritableByGroup => write!(out, "may be written to by its group, which {option}= forbids"),
            Objection::WritableByAll => write!(out, "may be written to by everyone, which {option}= forbids"),
        }
    }
}

/// Checks the file of the request and its directory, if the process group asks for it.
///
/// # Errors
/// The first thing that is not as the group wants it.
pub(crate) fn check(request: &Request<'_>, group: &ProcessGroup) -> Result<(), Fault> {
    let (rule, expected) = match (&group.script_group, &group.script_user) {
        (Some(name), _) => (Rule::Group, name),
        (None, Some(name)) => (Rule::User, name),
        (None, None) => return Ok(()),
    };
    for (thing, seen) in [(Thing::Script, request.file_owner()), (Thing::Directory, of_directory(request.filename()))] {
        let judged = seen.ok_or(Objection::Unseen).and_then(|seen| judge(rule, expected, seen));
        judged.map_err(|objection| Fault::NotOwned(NotOwned { rule, thing, objection }))?;
    }
    Ok(())
}

fn of_directory(file: &[u8]) -> Option<FileOwner> {
    let directory = Path::new(OsStr::from_bytes(file)).parent()?;
    let seen = std::fs::metadata(directory).ok()?;
    let mode = seen.mode();
    Some(FileOwner { uid: seen.uid(), gid: seen.gid(), group_writes: mode & 0o020 != 0, all_write: mode & 0o002 != 0 })
}

/// Names count, not numbers: several names may share a number.
fn judge(rule: Rule, expected: &str, seen: FileOwner) -> Result<(), Objection> {
    let (id, name) = match rule {
        Rule::User => (seen.uid, User::from_uid(Uid::from_raw(seen.uid)).ok().flatten().map(|user| user.name)),
        Rule::Group => (seen.gid, Group::from_gid(Gid::from_raw(seen.gid)).ok().flatten().map(|group| group.name)),
    };
    let name = name.ok_or(Objection::Nameless(id))?;
    if name != expected {
        return Err(Objection::Owner(name, expected.to_owned()));
    }
    if rule == Rule::User && seen.group_writes {
        return Err(Objection::WritableByGroup);
    }
    if seen.all_write { Err(Objection::WritableByAll) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_ROOT: FileOwner = FileOwner { uid: 0, gid: 0, group_writes: false, all_write: false };

    #[test]
    fn the_owner_is_compared_by_name() {
        assert_eq!(judge(Rule::User, "root", OF_ROOT), Ok(()));
        assert_eq!(judge(Rule::Group, "root", OF_ROOT), Ok(()));
        let other = Objection::Owner("root".into(), "daemon".into());
        assert_eq!(judge(Rule::User, "daemon", OF_ROOT), Err(other));
        let nameless = FileOwner { uid: 4_294_967_294, ..OF_ROOT };
        assert_eq!(judge(Rule::User, "root", nameless), Err(Objection::Nameless(4_294_967_294)));
    }

    #[test]
    fn a_group_may_write_where_the_group_is_what_counts() {
        let shared = FileOwner { group_writes: true, ..OF_ROOT };
        assert_eq!(judge(Rule::User, "root", shared), Err(Objection::WritableByGroup));
        assert_eq!(judge(Rule::Group, "root", shared), Ok(()));
    }

    #[test]
    fn what_cannot_be_looked_at_has_a_code_for_each_thing_and_rule() {
        assert_eq!(of_directory(b"/no/such/directory/app.wsgi"), None);
        let of = |rule, thing| NotOwned { rule, thing, objection: Objection::Unseen }.code();
        assert_eq!([of(Rule::Group, Thing::Script), of(Rule::Group, Thing::Directory)], ["WSGI0153", "WSGI0158"]);
        assert_eq!([of(Rule::User, Thing::Script), of(Rule::User, Thing::Directory)], ["WSGI0162", "WSGI0169"]);
    }

    #[test]
    fn what_everyone_may_write_is_nobodys_own() {
        let open = FileOwner { all_write: true, ..OF_ROOT };
        for rule in [Rule::User, Rule::Group] {
            assert_eq!(judge(rule, "root", open), Err(Objection::WritableByAll));
        }
    }
}

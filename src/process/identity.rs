//! Who a daemon is: its user and groups, its directories, its limits, its name.
//!
//! A new daemon takes all of it on by one call of [`assume`], before it has a second thread and before Python starts.
//! What cannot be had is an error that ends the daemon, where anything else would give it more than the configuration
//! says; it is a warning where the daemon is only less comfortable without.

use crate::apache::unixd;
use crate::config::account::{self, User};
use crate::config::process_group::ProcessGroup;
use crate::unix::access::Identity;
use crate::unix::one_thread::Threads;
use crate::unix::{environment, locale, priority, process_title};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{self, Gid, Uid, getegid, geteuid, getgrouplist, getresuid};
use std::ffi::{CString, OsStr};
use std::path::Path;

/// What of its identity a daemon could not take on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IdentityError {
    #[error("WSGI0003: chroot={directory}: the directory cannot become the root of the process ({})", .errno.desc())]
    Root { directory: String, errno: Errno },
    #[error("WSGI0004: the process cannot take on the group with the id {gid} ({})", .errno.desc())]
    Group { gid: u32, errno: Errno },
    #[error("WSGI0005: the process cannot take on the groups with the ids {groups:?} ({})", .errno.desc())]
    Memberships { groups: Vec<u32>, errno: Errno },
    #[error("WSGI0006: the groups of the user '{user}' cannot be looked up ({})", .errno.desc())]
    MembershipsUnknown { user: String, errno: Errno },
    #[error("WSGI0007: the process cannot become the user with the id {uid} ({})", .errno.desc())]
    User { uid: u32, errno: Errno },
    #[error(
        "WSGI0008: the process would run as root, which no daemon does; expected user=, or User of httpd, to name another user"
    )]
    StillRoot,
    #[error("WSGI0009: home={directory}: the directory cannot be entered ({})", .errno.desc())]
    Home { directory: String, errno: Errno },
    #[error("WSGI0010: '{directory}', the home directory of the user '{user}', cannot be entered ({}); expected home= to name another directory", .errno.desc())]
    HomeOfUser { directory: String, user: String, errno: Errno },
    #[error(
        "WSGI0011: the user with the id {uid} has no home directory, because this system does not know it; expected home= to name a directory"
    )]
    NoHome { uid: u32 },
    #[error("WSGI0075: cpu-priority={nice}: the nice value cannot be set ({}); it stays as it was", .errno.desc())]
    Priority { nice: i32, errno: Errno },
    #[error("WSGI0076: cpu-time-limit={limit}: the limit cannot be set ({}); the process runs without it", .errno.desc())]
    CpuTime { limit: u64, errno: Errno },
    #[error("WSGI0077: memory-limit={limit}: the limit cannot be set ({}); the process runs without it", .errno.desc())]
    Memory { limit: u64, errno: Errno },
    #[error("WSGI0078: virtual-memory-limit={limit}: the limit cannot be set ({}); the process runs without it", .errno.desc())]
    AddressSpace { limit: u64, errno: Errno },
    #[error("WSGI0079: locale={name}: the locale cannot be set ({}); expected one of `locale -a`, such as C.UTF-8", .errno.desc())]
    Locale { name: String, errno: Errno },
    #[error("WSGI1040: CoreDumpDirectory: the process cannot leave core dumps ({})", .errno.desc())]
    CoreDumps { errno: Errno },
    #[error("WSGI1012: display-name={title}: the name cannot be shown ({})", .errno.desc())]
    Title { title: String, errno: Errno },
    #[error("WSGI1013: the variable {name} cannot be set ({})", .errno.desc())]
    Variable { name: &'static str, errno: Errno },
    #[error("WSGI1014: the threads of the process cannot be counted ({}); expected /proc to be mounted", .errno.desc())]
    Threads { errno: Errno },
}

/// A user and a group by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ids {
    uid: u32,
    gid: u32,
}

/// Which groups a process has besides its own.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Memberships {
    /// Those it was started with.
    Kept,
    Exactly(Vec<u32>),
    /// Those that the system knows its user to be a member of.
    OfUser,
}

/// Where a process works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Directory<'g> {
    /// Where it was started, or in its own root.
    Kept,
    Given(&'g str),
    HomeOfUser,
}

/// What a group's options, and who httpd was started as, come to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Decision<'g> {
    ids: Ids,
    /// httpd was started as root: users and groups can be chosen.
    from_root: bool,
    memberships: Memberships,
    directory: Directory<'g>,
}

impl<'g> Decision<'g> {
    /// `httpd` is what `User` and `Group` say, `started` who the process is so far.
    fn new(group: &'g ProcessGroup, httpd: Ids, started: Ids) -> Self {
        let from_root = started.uid == 0;
        let chosen = Ids {
            uid: group.user.as_ref().map_or(httpd.uid, |user| user.uid),
            gid: group.group.as_ref().map_or(httpd.gid, |group| group.gid),
        };
        let ids = if from_root { chosen } else { started };
        let memberships = match &group.supplementary_groups {
            _ if !from_root => Memberships::Kept,
            Some(listed) => Memberships::Exactly(with_own(ids.gid, listed)),
            None => Memberships::OfUser,
        };
        let directory = match &group.home {
            Some(home) => Directory::Given(home),
            None if ids.uid == httpd.uid => Directory::Kept,
            None => Directory::HomeOfUser,
        };
        Self { ids, from_root, memberships, directory }
    }
}

fn with_own(gid: u32, listed: &[u32]) -> Vec<u32> {
    let others = listed.iter().copied().filter(|other| *other != gid);
    core::iter::once(gid).chain(others).collect()
}

fn so_far() -> Ids {
    Ids { uid: geteuid().as_raw(), gid: getegid().as_raw() }
}

/// Whether a group's processes have a group of the system to run as. To be called in the parent of httpd, before anything
/// starts; httpd itself starts without a `Group`.
///
/// # Errors
/// What stops start-up, in words.
pub(crate) fn check(group: &ProcessGroup, apache_user: u32, apache_group: u32) -> Result<(), String> {
    let decision = Decision::new(group, Ids { uid: apache_user, gid: apache_group }, so_far());
    if !decision.from_root || decision.ids.gid != NO_GROUP {
        return Ok(());
    }
    let name = &group.name;
    Err(format!(
        "WSGIDaemonProcess: processes of '{name}' have no group to run as; expected group=, or Group of httpd, to name one"
    ))
}

/// What httpd has where it was built for no group and its configuration names none.
const NO_GROUP: u32 = u32::MAX;

/// Makes this process what its group's options say; `apache_user` and `apache_group` are those of httpd's own
/// children. To be called once, as long as the process has one thread. What it had to go on without is returned.
///
/// # Errors
/// The process is not what it should be, and must leave.
pub(crate) fn assume(
    group: &ProcessGroup,
    apache_user: u32,
    apache_group: u32,
) -> Result<Vec<IdentityError>, IdentityError> {
    let decision = Decision::new(group, Ids { uid: apache_user, gid: apache_group }, so_far());
    let mut warnings = Vec::new();
    // Files that tell of users and threads are out of reach once the root is another.
    let user = account::user_of(decision.ids.uid);
    let memberships = memberships(&decision, user.as_ref())?;
    let threads = threads()?;

    warnings.extend(show_title(group, &threads).err());
    warnings.extend(set_priority(group).err());
    enter_root(group)?;
    become_user(&decision, memberships)?;
    if unixd::wants_core_dumps() {
        let allowed = prctl::set_dumpable(true);
        warnings.extend(allowed.err().map(|errno| IdentityError::CoreDumps { errno }));
    }
    warnings.extend(enter_directory(&decision, user.as_ref())?);
    if let Some(bits) = group.umask {
        umask(Mode::from_bits_truncate(bits));
    }
    warnings.extend(set_limits(group));
    warnings.extend(set_surroundings(group, user.as_ref(), &threads));
    Ok(warnings)
}

fn threads() -> Result<Threads, IdentityError> {
    Threads::of_this_process().map_err(|errno| IdentityError::Threads { errno })
}

/// The groups to take on; `None` leaves them as they are.
fn memberships(decision: &Decision<'_>, user: Option<&User>) -> Result<Option<Vec<u32>>, IdentityError> {
    match (&decision.memberships, user) {
        (Memberships::Kept, _) => Ok(None),
        (Memberships::Exactly(groups), _) => Ok(Some(groups.clone())),
        // A user that is only a number is a member of nothing.
        (Memberships::OfUser, None) => Ok(Some(vec![decision.ids.gid])),
        (Memberships::OfUser, Some(user)) => {
            let name = CString::new(&*user.name).map_err(|_| Errno::EINVAL);
            let groups = name.and_then(|name| getgrouplist(&name, Gid::from_raw(decision.ids.gid)));
            let groups = groups.map(|groups| groups.into_iter().map(Gid::as_raw).collect());
            groups.map(Some).map_err(|errno| IdentityError::MembershipsUnknown { user: user.name.clone(), errno })
        }
    }
}

/// Who the processes of a group will be; `None` if they stay who httpd was started as, or cannot be known.
pub(crate) fn of_group(group: &ProcessGroup, apache_user: u32, apache_group: u32) -> Option<Identity> {
    identity_of(&Decision::new(group, Ids { uid: apache_user, gid: apache_group }, so_far()))
}

/// Who httpd's own child processes will be; `None` as for a group.
pub(crate) fn of_children(apache_user: u32, apache_group: u32) -> Option<Identity> {
    let ids = Ids { uid: apache_user, gid: apache_group };
    let from_root = so_far().uid == 0;
    identity_of(&Decision { ids, from_root, memberships: Memberships::OfUser, directory: Directory::Kept })
}

fn identity_of(decision: &Decision<'_>) -> Option<Identity> {
    let Ids { uid, gid } = decision.ids;
    let groups = memberships(decision, account::user_of(uid).as_ref()).ok().flatten();
    groups.filter(|_| decision.from_root).map(|groups| Identity { uid, gid, groups })
}

/// What `display-name` shows.
fn title(group: &ProcessGroup) -> Option<String> {
    group.display_name.as_deref().map(|name| match name {
        "%{GROUP}" => format!("(wsgi:{})", group.name),
        name => name.to_owned(),
    })
}

fn show_title(group: &ProcessGroup, threads: &Threads) -> Result<(), IdentityError> {
    let Some(title) = title(group) else { return Ok(()) };
    process_title::set(threads, &title).map_err(|errno| IdentityError::Title { title, errno })
}

fn set_priority(group: &ProcessGroup) -> Result<(), IdentityError> {
    let Some(nice) = group.cpu_priority else { return Ok(()) };
    priority::set(nice).map_err(|errno| IdentityError::Priority { nice, errno })
}

/// The working directory goes along: outside of the root it would be a way out.
fn enter_root(group: &ProcessGroup) -> Result<(), IdentityError> {
    let Some(directory) = &group.chroot else { return Ok(()) };
    let entered = unistd::chroot(directory.as_str()).and_then(|()| unistd::chdir("/"));
    entered.map_err(|errno| IdentityError::Root { directory: directory.to_string(), errno })
}

/// Groups first: they cannot be changed any more by another user than root.
fn become_user(decision: &Decision<'_>, memberships: Option<Vec<u32>>) -> Result<(), IdentityError> {
    let Ids { uid, gid } = decision.ids;
    if decision.from_root {
        unistd::setgid(Gid::from_raw(gid)).map_err(|errno| IdentityError::Group { gid, errno })?;
        if let Some(groups) = memberships {
            let ids: Vec<_> = groups.iter().copied().map(Gid::from_raw).collect();
            unistd::setgroups(&ids).map_err(|errno| IdentityError::Memberships { groups, errno })?;
        }
        unistd::setuid(Uid::from_raw(uid)).map_err(|errno| IdentityError::User { uid, errno })?;
    }
    let now = getresuid().map_err(|errno| IdentityError::User { uid, errno })?;
    if [now.real, now.effective, now.saved].into_iter().any(Uid::is_root) {
        return Err(IdentityError::StillRoot);
    }
    Ok(())
}

/// Enters the working directory. Who runs httpd without root is its only user: there the home directory of
/// that user is a place to be, not a condition.
fn enter_directory(decision: &Decision<'_>, user: Option<&User>) -> Result<Option<IdentityError>, IdentityError> {
    match (decision.directory, user) {
        (Directory::Kept, _) => Ok(None),
        (Directory::Given(directory), _) => {
            let entered = unistd::chdir(directory);
            entered.map(|()| None).map_err(|errno| IdentityError::Home { directory: directory.to_owned(), errno })
        }
        (Directory::HomeOfUser, Some(user)) => match unistd::chdir(&*user.home) {
            Ok(()) => Ok(None),
            Err(errno) => optional(decision, home_of(user, errno)),
        },
        (Directory::HomeOfUser, None) => optional(decision, IdentityError::NoHome { uid: decision.ids.uid }),
    }
}

fn home_of(user: &User, errno: Errno) -> IdentityError {
    IdentityError::HomeOfUser { directory: user.home.display().to_string(), user: user.name.clone(), errno }
}

fn optional(decision: &Decision<'_>, error: IdentityError) -> Result<Option<IdentityError>, IdentityError> {
    if decision.from_root { Err(error) } else { Ok(Some(error)) }
}

/// The soft and the hard limit of CPU time: after the first, a signal, the process has the time to end in.
fn cpu_limits(group: &ProcessGroup) -> Option<(u64, u64)> {
    let soft = group.cpu_time_limit?;
    let to_end = group.shutdown_timeout.map_or(0, |timeout| timeout.as_secs());
    Some((soft, soft.saturating_add(1).saturating_add(to_end)))
}

fn set_limits(group: &ProcessGroup) -> Vec<IdentityError> {
    let mut warnings = Vec::new();
    if let Some((soft, hard)) = cpu_limits(group) {
        let set = setrlimit(Resource::RLIMIT_CPU, soft, hard);
        warnings.extend(set.err().map(|errno| IdentityError::CpuTime { limit: soft, errno }));
    }
    if let Some(limit) = group.memory_limit {
        let set = setrlimit(Resource::RLIMIT_DATA, limit, limit);
        warnings.extend(set.err().map(|errno| IdentityError::Memory { limit, errno }));
    }
    if let Some(limit) = group.virtual_memory_limit {
        let set = setrlimit(Resource::RLIMIT_AS, limit, limit);
        warnings.extend(set.err().map(|errno| IdentityError::AddressSpace { limit, errno }));
    }
    warnings
}

/// The variables that follow from the options and from who the process is. Names of the user replace those of
/// whoever started httpd, where there are any.
fn variables<'v>(
    group: &'v ProcessGroup,
    user: Option<&'v User>,
    is_set: impl Fn(&str) -> bool,
) -> Vec<(&'static str, &'v OsStr)> {
    let mut variables = Vec::new();
    variables.extend(group.lang.as_deref().map(|lang| ("LANG", OsStr::new(lang))));
    variables.extend(group.locale.as_deref().map(|locale| ("LC_ALL", OsStr::new(locale))));
    if let Some(user) = user {
        variables.push(("HOME", Path::as_os_str(&user.home)));
        let names = ["USER", "USERNAME", "LOGNAME"].into_iter().filter(|name| is_set(name));
        variables.extend(names.map(|name| (name, OsStr::new(&user.name))));
    }
    variables
}

fn set_surroundings(group: &ProcessGroup, user: Option<&User>, threads: &Threads) -> Vec<IdentityError> {
    let mut warnings = Vec::new();
    for (name, value) in variables(group, user, |name| std::env::var_os(name).is_some()) {
        let set = environment::set(threads, name, value);
        warnings.extend(set.err().map(|errno| IdentityError::Variable { name, errno }));
    }
    if let Some(name) = &group.locale {
        let set = locale::set(threads, name);
        warnings.extend(set.err().map(|errno| IdentityError::Locale { name: name.to_string(), errno }));
    }
    warnings
}

#[cfg(test)]
mod tests;

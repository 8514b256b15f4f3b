//! The options of `WSGIDaemonProcess`: one row each, with what it accepts.
//!
//! Numbers are whole words, as in directives: `threads=2x` is an error.

use super::ProcessGroup;
use crate::config::account::{self, Group, User};
use crate::config::python_home;
use crate::config::values::{flag, positive_seconds};
use core::time::Duration;
use nix::unistd::{SysconfVar, geteuid, sysconf};

/// The default of `header-buffer-size`.
pub(super) const HEADER_BUFFER: usize = 32_768;
/// The default of `response-buffer-size`.
pub(super) const RESPONSE_BUFFER: usize = 8_388_608;

type Set = fn(&mut ProcessGroup, &str) -> Result<(), String>;

#[rustfmt::skip]
const OPTIONS: [(&str, Set); 44] = [
    ("processes", |g, v| { g.processes = count(v, 1, HIGHEST)?; g.processes_given = true; Ok(()) }),
    ("threads", |g, v| { g.threads = count(v, 0, 65_533)?; Ok(()) }),

    ("user", |g, v| { g.user = Some(ordinary_user(v)?); Ok(()) }),
    ("group", |g, v| { g.group = Some(ordinary_group(v)?); Ok(()) }),
    ("supplementary-groups", |g, v| { g.supplementary_groups = Some(groups(v)?); Ok(()) }),
    ("umask", |g, v| { g.umask = Some(mode_bits(v)?); Ok(()) }),
    ("chroot", |g, v| { g.chroot = Some(jail(v)?); Ok(()) }),
    ("home", |g, v| { g.home = Some(absolute(v)?); Ok(()) }),

    ("lang", |g, v| { g.lang = Some(v.to_owned()); Ok(()) }),
    ("locale", |g, v| { g.locale = Some(v.to_owned()); Ok(()) }),
    ("display-name", |g, v| { g.display_name = Some(v.to_owned()); Ok(()) }),

    ("python-home", |g, v| { g.python_home = Some(v.to_owned()); Ok(()) }),
    ("python-path", |g, v| { g.python_path = Some(v.to_owned()); Ok(()) }),
    ("python-eggs", |g, v| { g.python_eggs = Some(v.to_owned()); Ok(()) }),
    ("switch-interval", |g, v| { g.switch_interval = Some(positive_seconds(v)?); Ok(()) }),
    ("stack-size", |g, v| { g.stack_size = Some(size(v)?); Ok(()) }),

    ("maximum-requests", |g, v| { g.maximum_requests = unless_zero(count(v, 0, HIGHEST)?); Ok(()) }),
    ("startup-timeout", |g, v| { g.startup_timeout = time_limit(v)?; Ok(()) }),
    ("shutdown-timeout", |g, v| { g.shutdown_timeout = time_limit(v)?; Ok(()) }),
    ("deadlock-timeout", |g, v| { g.deadlock_timeout = time_limit(v)?; Ok(()) }),
    ("inactivity-timeout", |g, v| { g.inactivity_timeout = time_limit(v)?; Ok(()) }),
    ("request-timeout", |g, v| { g.request_timeout = time_limit(v)?; Ok(()) }),
    ("interrupt-timeout", |g, v| { g.interrupt_timeout = time_limit(v)?; Ok(()) }),
    ("graceful-timeout", |g, v| { g.graceful_timeout = time_limit(v)?; g.graceful_timeout_given = true; Ok(()) }),
    ("eviction-timeout", |g, v| { g.eviction_timeout = time_limit(v)?; Ok(()) }),
    ("restart-interval", |g, v| { g.restart_interval = time_limit(v)?; Ok(()) }),

    ("connect-timeout", |g, v| { g.connect_timeout = Duration::from_secs(seconds(v)?); Ok(()) }),
    ("socket-timeout", |g, v| { g.socket_timeout = time_limit(v)?; Ok(()) }),
    ("queue-timeout", |g, v| { g.queue_timeout = time_limit(v)?; Ok(()) }),
    ("listen-backlog", |g, v| { g.listen_backlog = count(v, 0, HIGHEST)?; Ok(()) }),
    ("socket-user", |g, v| { g.socket_user = Some(account::uid(v)?); Ok(()) }),
    ("send-buffer-size", |g, v| { g.send_buffer_size = buffer(v, 512)?; Ok(()) }),
    ("receive-buffer-size", |g, v| { g.receive_buffer_size = buffer(v, 512)?; Ok(()) }),
    ("header-buffer-size", |g, v| { g.header_buffer_size = buffer(v, 8192)?.unwrap_or(HEADER_BUFFER); Ok(()) }),
    ("response-buffer-size", |g, v| { g.response_buffer_size = buffer(v, 65_536)?.unwrap_or(RESPONSE_BUFFER); Ok(()) }),
    ("response-socket-timeout", |g, v| { g.response_socket_timeout = time_limit(v)?; Ok(()) }),
    ("response-flush-delay", |g, v| { g.response_flush_delay = milliseconds(v)?; Ok(()) }),

    ("script-user", |g, v| { g.script_user = Some(account::user(v)?.name); Ok(()) }),
    ("script-group", |g, v| { g.script_group = Some(named_group(v)?); Ok(()) }),

    ("cpu-time-limit", |g, v| { g.cpu_time_limit = unless_zero(seconds(v)?); Ok(()) }),
    ("cpu-priority", |g, v| { g.cpu_priority = unless_zero(nice_value(v)?); Ok(()) }),
    ("memory-limit", |g, v| { g.memory_limit = byte_limit(v)?; Ok(()) }),
    ("virtual-memory-limit", |g, v| { g.virtual_memory_limit = byte_limit(v)?; Ok(()) }),
    ("server-metrics", |g, v| { g.server_metrics = flag(v)?; Ok(()) }),
];

/// What fits into a C `int`, which these numbers become.
const HIGHEST: u32 = i32::MAX.unsigned_abs();
const MOST_BYTES: u64 = i64::MAX.unsigned_abs();

/// Sets what the words behind the group's name say.
///
/// # Errors
/// Names the option, its value and what was expected.
pub(super) fn apply(group: &mut ProcessGroup, words: &[&str]) -> Result<(), String> {
    for word in words {
        set(group, word)?;
    }
    if group.script_user.is_some() && group.script_group.is_some() {
        return Err("script-user= and script-group= are both given; expected one of them".into());
    }
    check_python_home(group)
}

fn set(group: &mut ProcessGroup, word: &str) -> Result<(), String> {
    let (name, value) = word.split_once('=').ok_or_else(|| unexpected(word))?;
    let (_, set) = OPTIONS.iter().find(|(option, _)| *option == name).ok_or_else(|| unexpected(word))?;
    set(group, value).map_err(|error| format!("{name}: {error}"))
}

fn unexpected(word: &str) -> String {
    let names: Vec<_> = OPTIONS.iter().map(|(name, _)| format!("{name}=")).collect();
    format!("'{word}' is not an option; expected one of {}", names.join(", "))
}

/// Python's home is looked for inside of the group's root, in whatever order the two were given.
fn check_python_home(group: &ProcessGroup) -> Result<(), String> {
    let Some(home) = &group.python_home else { return Ok(()) };
    let root = group.chroot.as_deref().map_or("", |root| root.trim_end_matches('/'));
    python_home::check(&format!("{root}{home}")).map_err(|error| format!("python-home: {error}"))
}

/// A whole number, in decimal digits.
fn number(word: &str, least: u64, most: u64, of_what: &str) -> Result<u64, String> {
    let number = word.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| {
        format!("'{word}' is not a valid value; expected a whole number{of_what} from {least} to {most}")
    })
}

fn count(word: &str, least: u32, most: u32) -> Result<u32, String> {
    // It fits, because the highest number does.
    number(word, least.into(), most.into(), "").map(|number| number as u32)
}

fn seconds(word: &str) -> Result<u64, String> {
    number(word, 0, HIGHEST.into(), " of seconds")
}

/// Seconds, where zero means that there is no limit.
fn time_limit(word: &str) -> Result<Option<Duration>, String> {
    seconds(word).map(|seconds| unless_zero(seconds).map(Duration::from_secs))
}

fn milliseconds(word: &str) -> Result<Duration, String> {
    number(word, 0, HIGHEST.into(), " of milliseconds").map(Duration::from_millis)
}

fn byte_limit(word: &str) -> Result<Option<u64>, String> {
    number(word, 0, MOST_BYTES, " of bytes").map(unless_zero)
}

/// The size of a buffer; zero leaves it to the default.
fn buffer(word: &str, least: u64) -> Result<Option<usize>, String> {
    if word == "0" {
        return Ok(None);
    }
    let size = number(word, least, HIGHEST.into(), " of bytes");
    size.map(|size| Some(size as usize)).map_err(|error| format!("{error}, or 0 for the default"))
}

/// A size that is not zero.
fn size(word: &str) -> Result<usize, String> {
    number(word, 1, MOST_BYTES, " of bytes").map(|size| size as usize)
}

fn unless_zero<T: Default + PartialEq>(number: T) -> Option<T> {
    (number != T::default()).then_some(number)
}

/// What lies outside of the system's range is the nearest value in it, says `setpriority`.
fn nice_value(word: &str) -> Result<i32, String> {
    word.parse().map_err(|_| format!("'{word}' is not a valid value; expected a whole number, by use from -20 to 19"))
}

fn mode_bits(word: &str) -> Result<u32, String> {
    let bits = u32::from_str_radix(word, 8).ok().filter(|bits| *bits <= 0o777);
    bits.ok_or_else(|| format!("'{word}' is not a valid value; expected an octal number from 0 to 777"))
}

fn absolute(path: &str) -> Result<String, String> {
    if path.starts_with('/') {
        return Ok(path.to_owned());
    }
    Err(format!("'{path}' is not a valid value; expected a path that begins with a slash"))
}

fn jail(path: &str) -> Result<String, String> {
    if !geteuid().is_root() {
        return Err(format!("'{path}' needs a server that is started as root; expected no such option"));
    }
    absolute(path)
}

fn ordinary_user(word: &str) -> Result<User, String> {
    let user = account::user(word)?;
    if user.uid == 0 {
        return Err(format!("'{word}' is root, as which no application runs; expected another user"));
    }
    Ok(user)
}

fn ordinary_group(word: &str) -> Result<Group, String> {
    let group = account::group(word)?;
    if group.gid == 0 {
        return Err(format!("'{word}' is the group of root, as which no application runs; expected another group"));
    }
    Ok(group)
}

/// A group that files can be compared with by name.
fn named_group(word: &str) -> Result<String, String> {
    let group = account::group(word)?;
    if group.name.starts_with('#') {
        return Err(format!("'{word}' is not known to this system; expected a group that has a name"));
    }
    Ok(group.name)
}

/// Groups with commas between them; none if there is no word.
fn groups(words: &str) -> Result<Vec<u32>, String> {
    if words.is_empty() {
        return Ok(Vec::new());
    }
    let groups = words.split(',').map(|word| account::group(word.trim()).map(|group| group.gid));
    let groups = groups.collect::<Result<Vec<_>, _>>()?;
    // The group of the process itself is one of the list.
    let most = sysconf(SysconfVar::NGROUPS_MAX).ok().flatten().and_then(|most| usize::try_from(most).ok());
    match most {
        Some(most) if groups.len() >= most => {
            Err(format!("{} groups are too many; expected at most {}", groups.len(), most - 1))
        }
        _ => Ok(groups),
    }
}

#[cfg(test)]
mod tests;

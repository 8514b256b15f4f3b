//! Whether those who are to run Python may read it: the users of httpd's child processes and of process groups.
//!
//! httpd calls this when it has read its configuration, mostly as root, who may read everything. Its processes become
//! other users later, and all that CPython says then is that it finds no module `encodings`.

use crate::apache::hook::ConfigHook;
use crate::apache::{directive, pool::ConfigurationPool, server::Server, unixd};
use crate::config::process_group::{self, ProcessGroup};
use crate::config::server::StartUp;
use crate::config::{WsgiConfiguration, account, control_script, python_home};
use crate::process::identity;
use crate::process::this_process::EMBEDDED;
use crate::scripts::preload;
use crate::unix::access::{self, Identity};
use nix::unistd::geteuid;
use std::path::Path;

/// The hook that httpd calls to have a configuration checked.
pub(crate) struct HomeAccess;

impl ConfigHook for HomeAccess {
    fn run<'c>(_: ConfigurationPool<'c>, server: Server<'c>) -> Result<(), String> {
        let Some(settings) = directive::server_settings::<WsgiConfiguration>(server) else { return Ok(()) };
        let start_up = &settings.start_up;
        if runs_python_in_children(server, start_up) && !unixd::has_root_of_its_own() {
            of_children(start_up).check()?;
        }
        let groups = process_group::all(server);
        groups.iter().try_for_each(|declared| of_group(start_up, declared.group).check())
    }
}

fn runs_python_in_children(server: Server<'_>, start_up: &StartUp) -> bool {
    start_up.runs_python_in_children() || preload::is_asked_for(server, EMBEDDED) || control_script::is_seen()
}

/// Processes that are to run Python, and the Python that they are to run.
struct Processes<'a> {
    /// In words: what they are, and whose user that is.
    what: (String, &'static str),
    /// Who they become; `None` if they stay who httpd was started as.
    identity: Option<Identity>,
    root: &'a str,
    home: String,
    /// What names the home.
    directive: &'static str,
}

fn of_children(start_up: &StartUp) -> Processes<'_> {
    let (home, directive) = home(start_up, None);
    Processes {
        what: ("httpd's child processes".to_owned(), "their"),
        identity: identity::of_children(unixd::user_id(), unixd::group_id()),
        root: "",
        home,
        directive,
    }
}

fn of_group<'a>(start_up: &StartUp, group: &'a ProcessGroup) -> Processes<'a> {
    let (home, directive) = home(start_up, Some(group));
    Processes {
        what: (format!("process group '{}'", group.name), "its"),
        identity: identity::of_group(group, unixd::user_id(), unixd::group_id()),
        root: group.chroot.as_deref().unwrap_or_default(),
        home,
        directive,
    }
}

fn home(start_up: &StartUp, group: Option<&ProcessGroup>) -> (String, &'static str) {
    let of_group = group.and_then(|group| group.python_home.as_ref()).map(|home| (home, "python-home="));
    match of_group.or(start_up.python_home.as_ref().map(|home| (home, "WSGIPythonHome"))) {
        Some((home, directive)) => (home.clone(), directive),
        None => (python_home::built_for(), "the module was built for it; WSGIPythonHome names another one"),
    }
}

impl Processes<'_> {
    fn check(&self) -> Result<(), String> {
        let directories = python_home::directories(&self.home, self.root);
        let root = Some(Path::new(self.root)).filter(|_| !self.root.is_empty());
        let Some(refused) = access::first_refused(self.identity.as_ref(), root, &directories) else { return Ok(()) };
        let uid = self.identity.as_ref().map_or_else(|| geteuid().as_raw(), |identity| identity.uid);
        let user = account::user_of(uid).map_or_else(|| format!("#{uid}"), |user| user.name);
        let ((what, whose), verb) = (&self.what, if refused.is_listed { "read" } else { "enter" });
        Err(format!(
            "WSGI1140: Python cannot start in {what}: {whose} user '{user}' may not {verb} the directory '{}', which \
             '{}' needs ({})",
            refused.path.display(),
            self.home,
            self.directive
        ))
    }
}

//! `WSGIDaemonProcess`: a group of processes that run applications, as configured.

mod options;

use super::WsgiConfiguration;
use super::account::{Group, User};
use super::server::ServerSettings;
use crate::apache::directive::{Arguments, Others, settings_of_all};
use crate::apache::server::{Server, ServerPlace};
use core::time::Duration;

/// One `WSGIDaemonProcess`.
#[derive(Clone, Debug)]
pub(crate) struct ProcessGroup {
    /// Unique over the whole server; never empty.
    pub(crate) name: String,
    /// Its place in the order of declaration over all servers, from 1.
    pub(crate) id: u32,

    /// How many processes. Default: 1.
    pub(crate) processes: u32,
    /// Whether `processes=` was given: that alone makes `wsgi.multiprocess` true.
    pub(crate) processes_given: bool,
    /// Request threads of one process. Default: 15; 0 makes it a group of services.
    pub(crate) threads: u32,

    /// Who the processes run as. Default: `User` of httpd.
    pub(crate) user: Option<User>,
    /// Their group. Default: `Group` of httpd, also where `user` is given.
    pub(crate) group: Option<Group>,
    /// The groups they have besides that one. Default: those that the user is a member of.
    pub(crate) supplementary_groups: Option<Vec<u32>>,
    /// Default: inherited.
    pub(crate) umask: Option<u32>,
    /// The directory that is the root of their file system. Default: none.
    pub(crate) chroot: Option<String>,
    /// Their working directory, and the first of `sys.path`. Default: see `process/identity`.
    pub(crate) home: Option<String>,

    /// `LANG`. Default: inherited.
    pub(crate) lang: Option<String>,
    /// `LC_ALL` and the locale of C. Default: inherited.
    pub(crate) locale: Option<String>,
    /// What `ps` shows; `%{GROUP}` as a whole is `(wsgi:<name>)`. Default: httpd's own.
    pub(crate) display_name: Option<String>,

    /// Default: `WSGIPythonHome`.
    pub(crate) python_home: Option<String>,
    /// Directories for `sys.path`, separated by colons. Default: none.
    pub(crate) python_path: Option<String>,
    /// `PYTHON_EGG_CACHE`. Default: none.
    pub(crate) python_eggs: Option<String>,
    /// In seconds. Default: Python's own.
    pub(crate) switch_interval: Option<f64>,
    /// Bytes of stack of each thread that a process makes. Default: the system's.
    pub(crate) stack_size: Option<usize>,

    /// After how many requests a process is replaced. Default: never.
    pub(crate) maximum_requests: Option<u32>,
    /// How long a process may take to load its first application. Default: no limit.
    pub(crate) startup_timeout: Option<Duration>,
    /// How long a process may take to end. Default: 5 s; `None` is no limit.
    pub(crate) shutdown_timeout: Option<Duration>,
    /// How long Python's GIL may be held. Default: 300 s; `None` is no limit.
    pub(crate) deadlock_timeout: Option<Duration>,
    /// After how long without requests a process is replaced. Default: never.
    pub(crate) inactivity_timeout: Option<Duration>,
    /// How long a request may take. Default: no limit.
    pub(crate) request_timeout: Option<Duration>,
    /// How long a request that was told to end may go on. Default: it is not told.
    pub(crate) interrupt_timeout: Option<Duration>,
    /// How long requests may go on in a process that is being replaced. Default: 15 s; `None` is off.
    pub(crate) graceful_timeout: Option<Duration>,
    /// Whether `graceful-timeout=` was given.
    pub(crate) graceful_timeout_given: bool,
    /// The same where SIGUSR1 asks for it. Default: `graceful_timeout`.
    pub(crate) eviction_timeout: Option<Duration>,
    /// The age at which a process is replaced. Default: none.
    pub(crate) restart_interval: Option<Duration>,

    /// How long to go on trying to connect. Default: 15 s; zero is one attempt.
    pub(crate) connect_timeout: Duration,
    /// For each read and write between httpd and daemon. Default: `Timeout` of httpd.
    pub(crate) socket_timeout: Option<Duration>,
    /// How long a request may wait for a process. Default: no limit of its own.
    pub(crate) queue_timeout: Option<Duration>,
    /// Connections that the kernel lets wait. Default: 100.
    pub(crate) listen_backlog: u32,
    /// The id of the user that owns the socket. Default: `User` of httpd.
    pub(crate) socket_user: Option<u32>,
    /// `SO_SNDBUF` in bytes. Default: the system's.
    pub(crate) send_buffer_size: Option<usize>,
    /// `SO_RCVBUF` in bytes. Default: the system's.
    pub(crate) receive_buffer_size: Option<usize>,
    /// The most bytes of one header line of a response. Default: 32768.
    pub(crate) header_buffer_size: usize,
    /// After how many bytes a response is flushed. Default: 8388608.
    pub(crate) response_buffer_size: usize,
    /// For each write to the client. Default: `socket_timeout`, if that is set.
    pub(crate) response_socket_timeout: Option<Duration>,
    /// How long to wait for more of a response before what there is is flushed. Default: 5 ms.
    pub(crate) response_flush_delay: Duration,

    /// The user that scripts must belong to. Default: any.
    pub(crate) script_user: Option<String>,
    /// The group that scripts must belong to. Default: any. Never together with `script_user`.
    pub(crate) script_group: Option<String>,

    /// Seconds of CPU time of a process. Default: no limit.
    pub(crate) cpu_time_limit: Option<u64>,
    /// The nice value. Default: inherited.
    pub(crate) cpu_priority: Option<i32>,
    /// Bytes of data of a process (`RLIMIT_DATA`). Default: no limit.
    pub(crate) memory_limit: Option<u64>,
    /// Bytes of address space of a process (`RLIMIT_AS`). Default: no limit.
    pub(crate) virtual_memory_limit: Option<u64>,
    /// Whether applications of the group may ask for httpd's scoreboard. Default: off.
    pub(crate) server_metrics: bool,
}

impl ProcessGroup {
    /// `WSGIDaemonProcess name [option=value ...]`.
    ///
    /// # Errors
    /// An option that is unknown or has a bad value, or a name that is taken.
    pub(crate) fn parse(
        here: &ServerSettings,
        others: &Others<'_, WsgiConfiguration>,
        arguments: &Arguments<'_>,
    ) -> Result<Self, String> {
        let name = arguments.first();
        let declared = || others.settings().map(|(_, settings)| settings).chain(core::iter::once(here));
        let mut groups = declared().flat_map(|settings| &settings.process_groups);
        if groups.any(|group| group.name == name) {
            return Err(format!("'{name}' is the name of a process group already; expected a name of its own"));
        }
        let before: usize = declared().map(|settings| settings.process_groups.len()).sum();
        let mut group = Self::with_defaults(name, u32::try_from(before + 1).unwrap_or(u32::MAX));
        options::apply(&mut group, &arguments.words()[1..])?;
        Ok(group)
    }

    /// A group whose line gives nothing but its name.
    pub(crate) fn with_defaults(name: &str, id: u32) -> Self {
        Self {
            name: name.to_owned(),
            id,
            processes: 1,
            processes_given: false,
            threads: 15,
            user: None,
            group: None,
            supplementary_groups: None,
            umask: None,
            chroot: None,
            home: None,
            lang: None,
            locale: None,
            display_name: None,
            python_home: None,
            python_path: None,
            python_eggs: None,
            switch_interval: None,
            stack_size: None,
            maximum_requests: None,
            startup_timeout: None,
            shutdown_timeout: Some(Duration::from_secs(5)),
            deadlock_timeout: Some(Duration::from_secs(300)),
            inactivity_timeout: None,
            request_timeout: None,
            interrupt_timeout: None,
            graceful_timeout: Some(Duration::from_secs(15)),
            graceful_timeout_given: false,
            eviction_timeout: None,
            restart_interval: None,
            connect_timeout: Duration::from_secs(15),
            socket_timeout: None,
            queue_timeout: None,
            listen_backlog: 100,
            socket_user: None,
            send_buffer_size: None,
            receive_buffer_size: None,
            header_buffer_size: options::HEADER_BUFFER,
            response_buffer_size: options::RESPONSE_BUFFER,
            response_socket_timeout: None,
            response_flush_delay: Duration::from_millis(5),
            script_user: None,
            script_group: None,
            cpu_time_limit: None,
            cpu_priority: None,
            memory_limit: None,
            virtual_memory_limit: None,
            server_metrics: false,
        }
    }
}

/// A process group and the server that it is declared in.
#[derive(Clone, Copy)]
pub(crate) struct Declared<'s> {
    pub(crate) group: &'s ProcessGroup,
    pub(crate) server: Server<'s>,
}

/// The process groups of all servers in the order of declaration, which is that of their ids.
pub(crate) fn all(main: Server<'_>) -> Vec<Declared<'_>> {
    let mut groups: Vec<_> = in_servers(main).collect();
    groups.sort_by_key(|declared| declared.group.id);
    groups
}

fn in_servers(main: Server<'_>) -> impl Iterator<Item = Declared<'_>> {
    let all = settings_of_all::<WsgiConfiguration>(main);
    all.flat_map(|(server, settings)| settings.process_groups.iter().map(move |group| Declared { group, server }))
}

/// Whether requests to `server` may use a group that is declared in `declared_in`: everyone
/// those of the main server, a virtual host its own and those of its namesakes.
pub(crate) fn is_visible(declared_in: Server<'_>, server: Server<'_>) -> bool {
    declared_in.as_raw() == server.as_raw() || reaches(declared_in.place(), server.place())
}

fn reaches(declared_in: ServerPlace<'_>, server: ServerPlace<'_>) -> bool {
    !declared_in.is_virtual || declared_in.name == server.name
}

/// Checks that a process group that a directive of this server names is declared
/// before it, and is visible here.
///
/// # Errors
/// Names the group and what was expected.
pub(crate) fn check_is_usable(
    name: &str,
    here: &ServerSettings,
    others: &Others<'_, WsgiConfiguration>,
) -> Result<(), String> {
    let holds = |settings: &ServerSettings| settings.process_groups.iter().any(|group| group.name == name);
    if holds(here) {
        return Ok(());
    }
    let Some((place, _)) = others.settings().find(|(_, settings)| holds(settings)) else {
        return Err(format!(
            "process-group={name} is not defined; expected %{{GLOBAL}} or a process group defined before"
        ));
    };
    if reaches(place, others.here()) {
        return Ok(());
    }
    Err(format!(
        "process-group={name} belongs to another virtual host; expected one of the main server, of this virtual host, \
         or of one with the same ServerName (set before this line)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: Option<&'static str>) -> ServerPlace<'static> {
        ServerPlace { is_virtual: true, name: name.map(str::as_bytes) }
    }

    #[test]
    fn a_group_of_the_main_server_is_visible_everywhere() {
        let main = ServerPlace { is_virtual: false, name: Some(b"main.example") };
        assert!(reaches(main, host(Some("other.example"))));
        assert!(reaches(main, host(None)));
    }

    #[test]
    fn a_group_of_a_virtual_host_is_visible_to_its_namesakes() {
        assert!(reaches(host(Some("a.example")), host(Some("a.example"))));
        assert!(!reaches(host(Some("a.example")), host(Some("A.example"))));
        assert!(!reaches(host(Some("a.example")), host(Some("b.example"))));
        assert!(!reaches(host(Some("a.example")), host(None)));
        assert!(!reaches(host(None), host(Some("a.example"))));
        let main = ServerPlace { is_virtual: false, name: Some(b"main.example") };
        assert!(!reaches(host(Some("a.example")), main));
    }

    #[test]
    fn defaults_are_those_of_the_specification() {
        let group = ProcessGroup::with_defaults("demo", 1);
        assert_eq!((group.processes, group.processes_given, group.threads), (1, false, 15));
        assert_eq!(group.shutdown_timeout, Some(Duration::from_secs(5)));
        assert_eq!(group.deadlock_timeout, Some(Duration::from_secs(300)));
        assert_eq!(group.graceful_timeout, Some(Duration::from_secs(15)));
        assert!(!group.graceful_timeout_given);
        assert_eq!(group.connect_timeout, Duration::from_secs(15));
        assert_eq!(group.listen_backlog, 100);
        assert_eq!((group.header_buffer_size, group.response_buffer_size), (32_768, 8_388_608));
        assert_eq!(group.response_flush_delay, Duration::from_millis(5));
    }
}

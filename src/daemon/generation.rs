//! The process groups of one reading of the configuration: made by the parent of httpd, watched over by a supervisor,
//! used by the children that are forked until the next reading.
//!
//! A pipe tells the supervisor when it is not needed any more: httpd's processes of this generation hold the write end,
//! and when the last of them has gone the read end says so. After a graceful restart that is when the last request of
//! the old configuration is over; after a stop, a restart or a crash it is at once.

use crate::apache::hook::{BeforeChildrenHook, MonitorHook};
use crate::apache::log::{self, Level};
use crate::apache::other_child;
use crate::apache::pool::{ConfigurationPool, Forked, Keep, Life, OfConfiguration, Pool};
use crate::apache::request::Request;
use crate::apache::server::Server;
use crate::apache::{mpm, runtime, scoreboard, unixd};
use crate::config::control_socket::{ControlSocket, Place, Rights};
use crate::config::process_group::{self, ProcessGroup};
use crate::config::server::StartUp;
use crate::daemon::pass::Pass;
use crate::observe::board::{self, board};
use crate::observe::bulletin::Bulletin;
use crate::observe::meter::Meter;
use crate::observe::roll::Roll;
use crate::process::identity;
use crate::unix::shared::Address;
use crate::wire::table::Table;
use core::ffi::CStr;
use core::time::Duration;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, geteuid, pipe2};
use parking_lot::Mutex;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// A process group as it runs.
pub(crate) struct Group<'c> {
    pub(crate) config: ProcessGroup,
    /// The server that declares it, which has its log.
    pub(crate) server: Server<'c>,
    pub(crate) table: Table,
    /// What requests have to show.
    pub(crate) pass: Pass,
    /// The socket of each place in the table.
    pub(crate) sockets: Vec<PathBuf>,
    /// What its requests are counted with, in httpd's children.
    pub(crate) meter: &'static Meter,
    /// Its processes, as the supervisor knows them.
    pub(crate) roll: Roll,
    /// What each of them tells of itself.
    pub(crate) bulletin: Bulletin,
}

/// All process groups of a configuration.
pub(crate) struct Generation<'c> {
    pub(crate) groups: Vec<Group<'c>>,
    pub(crate) main: Server<'c>,
    /// Where its supervisor serves `wsgictl`, if it is to.
    pub(crate) control: Option<Control>,
    pub(crate) show: Show,
}

/// What `wsgi-status` shows of everything, for machines. Called in the supervisor.
pub(crate) type Show = fn(&'static Generation<'static>) -> Option<serde_json::Value>;

/// Where a supervisor serves `wsgictl`, and whom.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    pub(crate) path: PathBuf,
    pub(crate) rights: Rights,
    /// Nobody has named the path.
    pub(crate) is_default: bool,
}

impl Control {
    /// What `WSGIControlSocket` says, or the default.
    fn of(pool: Pool<'_>, said: Option<&ControlSocket>) -> Option<Self> {
        match said {
            Some(ControlSocket::Off) => None,
            Some(ControlSocket::At(Place { path, rights })) => {
                Some(Self { path: PathBuf::from(path), rights: *rights, is_default: false })
            }
            None => {
                let path = PathBuf::from(runtime::file(pool, CONTROL)?);
                Some(Self { path, rights: Rights::default(), is_default: true })
            }
        }
    }

    /// Whether httpd may give the socket away as it is to.
    fn check(&self) -> Result<(), String> {
        let start_user = geteuid();
        let owner = self.rights.owner.filter(|owner| !start_user.is_root() && *owner != start_user.as_raw());
        owner.map_or(Ok(()), |owner| {
            Err(format!(
                "WSGIControlSocket: owner=#{owner} is not who httpd was started as, user {start_user}; expected that user, \
                 or httpd started by root"
            ))
        })
    }
}

/// All that a supervisor does, in a process of its own: with the generation, both ends of its pipe, and its parent.
/// Returns its exit status.
pub(crate) type Supervise = fn(Arc<Generation<'static>>, OwnedFd, BorrowedFd<'_>, u32) -> i32;

/// What the parent of httpd keeps of its generation.
struct Kept<'c> {
    generation: Arc<Generation<'c>>,
    /// Held by httpd's processes.
    alive: OwnedFd,
    /// The end that the supervisor reads.
    watched: OwnedFd,
    supervisor: Option<Pid>,
    supervise: Supervise,
    parent: u32,
}

/// The name in httpd's runtime directory of the socket that `wsgictl` uses.
const CONTROL: &CStr = c"wsgi.control";

/// Where the generation before served `wsgictl`.
static CONTROL_BEFORE: Mutex<Option<PathBuf>> = Mutex::new(None);

impl OfConfiguration for Kept<'static> {
    type Of<'c> = Kept<'c>;

    fn end(kept: Kept<'_>) {
        end(kept);
    }
}

/// Generations, of whatever configuration.
enum Generations {}

impl OfConfiguration for Generations {
    type Of<'c> = Arc<Generation<'c>>;
}

/// What the parent keeps, for as long as the configuration is in force.
static KEPT: Keep<Kept<'static>> = Keep::new();
/// The generation of a child of httpd.
static MINE: OnceLock<Arc<Generation<'static>>> = OnceLock::new();

/// How long the parent of httpd waits for its daemons when it stops or restarts.
const END_AT_MOST: Duration = Duration::from_secs(12);

/// The process groups of this child of httpd.
pub(crate) fn mine() -> Option<&'static Generation<'static>> {
    MINE.get().map(|generation| &**generation)
}

/// Called in a new child of httpd: the generation that it was made with is its own until it exits.
pub(crate) fn belong_to_this_process(child: Forked) {
    let generation = KEPT.with(|life, kept| Some(child.lasting::<Generations>(life, kept?.generation.clone())));
    if let Some(generation) = generation {
        let _ = MINE.set(generation);
    }
}

/// The hook that httpd calls in its parent now and then.
pub(crate) struct Look;

impl MonitorHook for Look {
    fn run() {
        board::look(&daemons());
    }
}

/// The daemon processes of the newest configuration. Called in the parent of httpd.
fn daemons() -> Vec<u32> {
    KEPT.with(|_, kept| {
        let groups = kept.iter().flat_map(|kept| &kept.generation.groups);
        let places = groups.flat_map(|group| (0..group.table.places()).filter_map(|place| group.roll.get(place)));
        places.map(|enrolled| enrolled.process).collect()
    })
}

impl<'c> Generation<'c> {
    /// The group of that name.
    pub(crate) fn group(&self, name: &str) -> Option<&Group<'c>> {
        self.groups.iter().find(|group| group.config.name == name)
    }

    fn new(pool: Pool<'_>, main: Server<'c>, start_up: &StartUp, show: Show) -> Result<Self, String> {
        let prefix = full_prefix(pool, start_up.socket_prefix.as_deref())?;
        let declared = process_group::all(main);
        let groups = declared.iter().map(|declared| Group::new(declared.group, declared.server, &prefix));
        let groups: Vec<_> = groups.collect::<Result<_, _>>()?;
        // Without a group there is no supervisor, unless someone asks for what it serves.
        let control = Control::of(pool, start_up.control_socket.as_ref());
        let control = control.filter(|place| !place.is_default || !groups.is_empty());
        Ok(Self { groups, main, control, show })
    }
}

/// How the sockets of this reading of the configuration begin.
fn full_prefix(pool: Pool<'_>, prefix: Option<&str>) -> Result<String, String> {
    let prefix = match prefix {
        Some(prefix) => prefix.to_owned(),
        None => runtime::file(pool, c"wsgi").ok_or("the runtime directory of httpd has no usable name")?,
    };
    Ok(format!("{prefix}.{}.{}", std::process::id(), mpm::generation()))
}

/// How many processes of a group there may be at once: a successor runs beside its predecessor, and predecessors may
/// take long to finish.
fn places(config: &ProcessGroup) -> usize {
    config.processes as usize + (config.processes as usize).max(2)
}

fn socket(prefix: &str, config: &ProcessGroup, place: usize) -> PathBuf {
    PathBuf::from(format!("{prefix}.{}.{place}.sock", config.id))
}

/// Whether the processes can start, and their sockets be made. To be called before httpd has let go of its terminal, for
/// whoever starts it to see.
///
/// # Errors
/// What stops start-up, in words.
pub(crate) fn check(pool: Pool<'_>, main: Server<'_>, start_up: &StartUp) -> Result<(), String> {
    Control::of(pool, start_up.control_socket.as_ref()).map_or(Ok(()), |control| control.check())?;
    let declared = process_group::all(main);
    if declared.is_empty() {
        return Ok(());
    }
    let prefix = full_prefix(pool, start_up.socket_prefix.as_deref())?;
    declared.iter().try_for_each(|declared| {
        identity::check(declared.group, unixd::user_id(), unixd::group_id())?;
        check_socket(&socket(&prefix, declared.group, places(declared.group)))
    })
}

impl<'c> Group<'c> {
    fn new(config: &ProcessGroup, server: Server<'c>, prefix: &str) -> Result<Self, String> {
        let places = places(config);
        // Children of httpd that are gone stay in the table for a moment.
        let children = usize::try_from(mpm::most_processes()).unwrap_or(0) * 2 + 8;
        let no_memory = |error| format!("no shared memory for process group '{}': {error}", config.name);
        let table = Table::new(places, children, config.threads, config.listen_backlog).map_err(no_memory)?;
        let pass = Pass::new().map_err(|error| format!("no pass for process group '{}': {error}", config.name))?;
        let sockets: Vec<_> = (1..=places).map(|place| socket(prefix, config, place)).collect();
        if let Some(last) = sockets.last() {
            check_socket(last)?;
        }
        let meter = board().ok_or(Errno::ENOMEM).and_then(|board| board.meter(&config.name)).map_err(no_memory)?;
        let roll = Roll::new(places).map_err(no_memory)?;
        let bulletin = Bulletin::new(places, config.threads as usize).map_err(no_memory)?;
        Ok(Self { config: config.clone(), server, table, pass, sockets, meter, roll, bulletin })
    }
}

impl Group<'_> {
    /// How long a child of httpd that has this request waits for the other side: `socket-timeout`, else `Timeout`.
    pub(crate) fn patience(&self, request: &Request<'_>) -> Duration {
        self.config.socket_timeout.unwrap_or_else(|| request.server().timeout())
    }

    /// One line about one of its processes, from that or about it, where the server that declares the group logs.
    pub(crate) fn log(&self, level: Level, text: &str) {
        log::server(Some(self.server), level, &format!("process group '{}': {text}", self.config.name));
    }

    /// All memory that its processes share with httpd's children. No other memory of the kind is left in a daemon.
    pub(crate) fn memory(&self) -> [Address; 3] {
        [self.table.memory().address(), self.pass.memory().address(), self.bulletin.memory().address()]
    }
}

/// The most bytes of the name of a socket (unix(7)).
const SOCKET_NAME_AT_MOST: usize = 107;

fn check_socket(path: &Path) -> Result<(), String> {
    if path.as_os_str().len() > SOCKET_NAME_AT_MOST {
        return Err(format!(
            "WSGISocketPrefix: '{}' is longer than the {SOCKET_NAME_AT_MOST} bytes that a socket's name may have",
            path.display()
        ));
    }
    match path.parent() {
        Some(directory) if directory.is_dir() => Ok(()),
        _ => Err(format!(
            "WSGISocketPrefix: there is no directory for '{}'; expected a prefix in a directory that exists",
            path.display()
        )),
    }
}

/// Called when a configuration has been read, in the parent of httpd: starts the daemons that it asks for.
///
/// # Errors
/// What stops start-up, in words.
pub(crate) fn begin<'c>(
    configuration: ConfigurationPool<'c>,
    main: Server<'c>,
    start_up: &StartUp,
    supervise: Supervise,
    show: Show,
) -> Result<(), String> {
    let generation = Arc::new(Generation::new(configuration.pool(), main, start_up, show)?);
    leave_control_before(generation.control.as_ref().map(|control| &*control.path));
    if generation.groups.is_empty() && generation.control.is_none() {
        return Ok(());
    }
    let pipe = pipe2(OFlag::O_CLOEXEC).map_err(|error| format!("no pipe for the supervisor: {error}"))?;
    let mut kept =
        Kept { generation, watched: pipe.0, alive: pipe.1, supervisor: None, parent: std::process::id(), supervise };
    // The supervisor is to have the scoreboard, which httpd makes after its first reading of the configuration only.
    if scoreboard::exists() {
        kept.start(configuration.life())?;
    }
    configuration.keep(&KEPT, kept);
    Ok(())
}

/// Removes the socket of the generation before, unless the next supervisor puts its own in that place.
fn leave_control_before(now: Option<&Path>) {
    let mut before = CONTROL_BEFORE.lock();
    if let Some(path) = before.take().filter(|path| Some(&**path) != now)
        && std::fs::symlink_metadata(&path).is_ok_and(|found| found.file_type().is_socket())
    {
        let _ = std::fs::remove_file(path);
    }
    *before = now.map(Path::to_owned);
}

/// The hook that httpd calls when it has made its scoreboard, before its first child.
pub(crate) struct BeforeChildren;

impl BeforeChildrenHook for BeforeChildren {
    fn run() -> Result<(), String> {
        KEPT.with(|life, kept| match kept {
            Some(kept) if kept.supervisor.is_none() => kept.start(life),
            _ => Ok(()),
        })
    }
}

impl<'c> Kept<'c> {
    /// Starts the first supervisor.
    fn start(&mut self, life: Life<'c>) -> Result<(), String> {
        self.start_supervisor(life).map_err(|error| format!("the supervisor cannot be started: {error}"))
    }

    fn start_supervisor(&mut self, life: Life<'c>) -> nix::Result<()> {
        let watched = self.watched.try_clone().map_err(|_| Errno::EMFILE)?;
        let (generation, alive) = (self.generation.clone(), self.alive.as_fd());
        let (parent, supervise) = (self.parent, self.supervise);
        let pid = other_child::fork(|forked| {
            supervise(forked.lasting::<Generations>(life, generation), watched, alive, parent)
        })?;
        self.supervisor = Some(pid);
        other_child::watch(self.generation.main, pid.as_raw(), supervisor_ended);
        Ok(())
    }
}

/// A supervisor has ended. That of this generation has a successor at once.
fn supervisor_ended(pid: i32) {
    KEPT.with(|life, kept| {
        let Some(kept) = kept.filter(|kept| kept.supervisor == Some(Pid::from_raw(pid))) else { return };
        let text = format!(
            "WSGI1020: the supervisor of the process groups, process {pid}, ended; another one takes its place"
        );
        log::server(Some(kept.generation.main), Level::Error, &text);
        if let Err(error) = kept.start_supervisor(life) {
            let text = format!(
                "WSGI1027: no other supervisor can be started: {error}; process groups take no requests until httpd is restarted"
            );
            log::server(Some(kept.generation.main), Level::Critical, &text);
        }
    });
}

/// The configuration goes: at a stop, a restart or a graceful restart, and in every other process of httpd at its end.
fn end(kept: Kept<'_>) {
    if kept.parent != std::process::id() {
        // The supervisor is the parent's, and the generation is this process's until it has exited.
        core::mem::forget(kept);
        return;
    }
    let Kept { alive, watched, supervisor: Some(supervisor), generation, .. } = kept else { return };
    drop(alive);
    if is_last_holder(&watched) {
        // No process of httpd is left that could use the daemons: they end now, and httpd waits for them.
        wait_for(supervisor, generation.main);
    } else {
        let _ = kill(supervisor, Signal::SIGHUP);
    }
}

/// Whether no one holds the other end of the pipe any more.
fn is_last_holder(watched: &OwnedFd) -> bool {
    let mut descriptors = [PollFd::new(watched.as_fd(), PollFlags::POLLIN)];
    // Processes that end together with httpd may take a moment.
    let moment = PollTimeout::from(20_u8);
    poll(&mut descriptors, moment).is_ok_and(|ready| ready > 0)
}

fn wait_for(supervisor: Pid, main: Server<'_>) {
    let until = Instant::now() + END_AT_MOST;
    loop {
        match waitpid(supervisor, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
            Ok(WaitStatus::StillAlive) => {
                let text = format!(
                    "WSGI1028: the supervisor of the process groups, process {supervisor}, does not end; it is killed"
                );
                log::server(Some(main), Level::Error, &text);
                let _ = kill(supervisor, Signal::SIGKILL);
                let _ = waitpid(supervisor, None);
                break;
            }
            Err(Errno::EINTR) => {}
            _ => break,
        }
    }
    other_child::forget(supervisor.as_raw());
}

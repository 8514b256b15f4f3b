//! An httpd of a test's own: its configuration, its life and its end.

use super::client::{Connection, Request, Response};
use super::log::ErrorLog;
use super::process::{self, Process};
use super::{IN_DAEMONS, tls, wait_for};
use std::fmt::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use std::{env, fs, thread};
use tempfile::TempDir;

/// The program, and the directory of the modules that belong to it.
static HTTPD: LazyLock<String> = LazyLock::new(|| format!("{}/{}", apxs("SBINDIR"), apxs("PROGNAME")));
static MODULES: LazyLock<String> = LazyLock::new(|| apxs("LIBEXECDIR"));
const APPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/apps");
/// The user that httpd's children become when it is started as root.
const USER: &str = "www-data";
/// By this setting in their environment all processes of one server are known.
const MARK: &str = "MOD_WSGI_TEST_SERVER";
/// How long a stopped server may take to leave.
const STOP_LIMIT: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mpm {
    Event,
    Worker,
    Prefork,
}

impl Mpm {
    pub const ALL: [Self; 3] = [Self::Event, Self::Worker, Self::Prefork];

    pub fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Worker => "worker",
            Self::Prefork => "prefork",
        }
    }

    /// One process of eight threads, or four processes of one.
    fn size(self) -> &'static str {
        match self {
            Self::Event | Self::Worker => {
                "StartServers 1\nServerLimit 1\nThreadLimit 8\nThreadsPerChild 8\n\
                 MaxRequestWorkers 8\nMinSpareThreads 1\nMaxSpareThreads 8\n"
            }
            Self::Prefork => {
                "StartServers 4\nServerLimit 4\nMaxRequestWorkers 4\nMinSpareServers 1\nMaxSpareServers 4\n"
            }
        }
    }
}

/// Whether the interpreters of a process share one GIL or run without any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GilMode {
    Shared,
    Free,
}

impl GilMode {
    pub const BOTH: [Self; 2] = [Self::Shared, Self::Free];

    fn directive(self) -> &'static str {
        match self {
            Self::Shared => "WSGIFreeThreading Off",
            Self::Free => "WSGIFreeThreading On",
        }
    }
}

/// A server to be. What is not said is: event MPM, one process of eight
/// threads, the free-threaded module, `LogLevel warn`.
pub struct Builder {
    conf: String,
    apps: Vec<String>,
    files: Vec<(String, String)>,
    folders: Vec<(PathBuf, String)>,
    mpm: Mpm,
    size: Option<String>,
    gil_mode: Option<GilMode>,
    modules: Vec<String>,
    log_level: String,
    env: Vec<(String, String)>,
    started_by: Option<String>,
    module_variable: &'static str,
    root: TempDir,
}

impl Builder {
    fn new(conf: &str, apps: &[&str]) -> Self {
        Self {
            conf: conf.to_owned(),
            apps: apps.iter().copied().map(str::to_owned).collect(),
            files: Vec::new(),
            folders: Vec::new(),
            mpm: Mpm::Event,
            size: None,
            gil_mode: None,
            modules: vec!["authz_core".to_owned()],
            log_level: "warn".to_owned(),
            env: Vec::new(),
            started_by: None,
            module_variable: "MOD_WSGI_MODULE",
            root: world_readable_folder(),
        }
    }

    /// One more application of `tests/apps`, copied into `{apps}`.
    pub fn app(mut self, name: &str) -> Self {
        self.apps.push(name.to_owned());
        self
    }

    /// One more file below the server root, its directory included.
    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.files.push((path.to_owned(), text.to_owned()));
        self
    }

    /// A copy, below the server root, of a directory of the source tree.
    pub fn folder(mut self, from: &str, to: &str) -> Self {
        self.folders.push((Path::new(env!("CARGO_MANIFEST_DIR")).join(from), to.to_owned()));
        self
    }

    /// A directory below the server root in which httpd's children may write.
    pub fn open_folder(self, name: &str) -> Self {
        let path = self.root().join(name);
        fs::create_dir(&path).expect("a folder");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).expect("our own folder");
        self
    }

    pub fn mpm(mut self, mpm: Mpm) -> Self {
        self.mpm = mpm;
        self
    }

    /// The MPM's directives for the number of processes and threads.
    pub fn size(mut self, directives: &str) -> Self {
        self.size = Some(directives.to_owned());
        self
    }

    pub fn gil_mode(mut self, mode: GilMode) -> Self {
        self.gil_mode = Some(mode);
        self
    }

    /// A directory below the server root that httpd's children may write to.
    pub fn writable(self, path: &str) -> Self {
        let path = self.root().join(path);
        fs::create_dir_all(&path).expect("a folder");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).expect("our own folder");
        self
    }

    /// Modules of httpd to load: `headers` for `mod_headers.so`.
    pub fn modules(mut self, names: &[&str]) -> Self {
        self.modules.extend(names.iter().copied().map(str::to_owned));
        self
    }

    /// Has the whole server speak TLS, with a certificate made for it.
    pub fn tls(mut self) -> Self {
        tls::make_certificate(self.root());
        self.conf.insert_str(0, tls::DIRECTIVES);
        self.modules(&tls::MODULES)
    }

    /// The arguments of `LogLevel`.
    pub fn log_level(mut self, levels: &str) -> Self {
        levels.clone_into(&mut self.log_level);
        self
    }

    /// A variable in the environment httpd is started with.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Has this user start httpd, who is not root. Only root can do so.
    pub fn started_by(mut self, user: &str) -> Self {
        self.started_by = Some(user.to_owned());
        self
    }

    /// Takes the module that was built against a Python with a GIL.
    pub fn gil_build(mut self) -> Self {
        self.module_variable = "MOD_WSGI_GIL_MODULE";
        self
    }

    /// The server root that the server will have.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// `apache2 -t` on this configuration.
    pub fn config_test(&self) -> ConfigTest {
        self.run(&["-t"])
    }

    /// Runs httpd on this configuration with options that make it print and leave.
    pub fn run(&self, options: &[&str]) -> ConfigTest {
        self.lay_out(free_port());
        let output = self.command(options).output().expect("httpd runs");
        ConfigTest::new(&output)
    }

    /// Starts httpd and returns when it listens.
    #[track_caller]
    pub fn start(self) -> Httpd {
        for _ in 0..5 {
            let port = free_port();
            self.lay_out(port);
            match self.launch() {
                Ok(parent) => return Httpd::new(self, port, parent),
                // Somebody was quicker to take the port.
                Err(output) if output.contains("could not bind to address") => {}
                Err(output) => panic!("httpd did not start:\n{output}"),
            }
        }
        panic!("no free port in five attempts");
    }

    fn launch(&self) -> Result<Child, String> {
        let output_path = self.root().join("output");
        let output = fs::File::create(&output_path).expect("a file for the output");
        let mut parent = self
            .command(&["-DFOREGROUND"])
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output)
            .spawn()
            .expect("httpd runs");
        let pid_file = self.root().join("httpd.pid");
        // httpd writes the file once its sockets listen. It minds signals from then on, and makes its children next.
        let ended = wait_for("httpd to start", || {
            if let Some(status) = parent.try_wait().expect("httpd is our child") {
                return Some(Some(status));
            }
            let pid = fs::read_to_string(&pid_file).unwrap_or_default();
            let listens = pid.trim() == parent.id().to_string();
            let process = Process(parent.id());
            (listens && process.minds_usr1() && !process.children().is_empty()).then_some(None)
        });
        let Some(status) = ended else { return Ok(parent) };
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        Err(format!("{status}\n{}{}", read(&output_path), read(&self.root().join("error.log"))))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        // Should this test die, its server gets a signal and leaves too. A group
        // of its own: a stopping httpd sends SIGTERM to its whole process group.
        let mut command = Command::new("setpriv");
        command
            .process_group(0)
            .args(["--pdeathsig", "TERM"])
            .args(self.started_by.iter().flat_map(|user| ["--reuid", user, "--init-groups"]))
            .args(self.started_by.iter().flat_map(|user| ["--regid".to_owned(), group_of(user)]))
            .args([httpd_program(), "-d"])
            .arg(self.root())
            .arg("-f")
            .arg(self.root().join("httpd.conf"))
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LANG", "C.UTF-8")
            .env(MARK, self.root())
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Writes everything that the server reads below its root.
    fn lay_out(&self, port: u16) {
        for folder in ["apps", "htdocs", "run"] {
            fs::create_dir_all(self.root().join(folder)).expect("a folder");
        }
        for name in &self.apps {
            let from = Path::new(APPS).join(name);
            fs::copy(&from, self.root().join("apps").join(name))
                .unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        }
        for (from, to) in &self.folders {
            copy_folder(from, &self.root().join(to));
        }
        for (path, text) in &self.files {
            let path = self.root().join(path);
            fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder");
            fs::write(&path, text).expect("a file");
        }
        fs::write(self.root().join("httpd.conf"), self.httpd_conf(port)).expect("a configuration");
        if let Some(user) = &self.started_by {
            let given = Command::new("chown").arg("-R").arg(user).arg(self.root()).status().expect("chown runs");
            assert!(given.success(), "chown to {user}: {given}");
        }
    }

    fn httpd_conf(&self, port: u16) -> String {
        let mut conf = format!(
            "ServerName localhost\nListen 127.0.0.1:{port}\nPidFile {{root}}/httpd.pid\n\
             DefaultRuntimeDir {{root}}/run\nDocumentRoot {{root}}/htdocs\n\
             ErrorLog {{root}}/error.log\nLogLevel {}\n\
             LoadModule mpm_{mpm}_module {modules}/mod_mpm_{mpm}.so\n",
            self.log_level,
            mpm = self.mpm.name(),
            modules = *MODULES,
        );
        for name in &self.modules {
            writeln!(conf, "LoadModule {name}_module {}/mod_{name}.so", *MODULES).expect("a string grows");
        }
        if self.modules.iter().any(|name| name == "mime") {
            conf += "TypesConfig /dev/null\n";
        }
        if process::is_root() {
            writeln!(conf, "User {USER}\nGroup {USER}").expect("a string grows");
        }
        conf += self.size.as_deref().unwrap_or(self.mpm.size());
        conf += "\nTimeout 30\nKeepAliveTimeout 5\nGracefulShutdownTimeout 10\n\
                 LogFormat \"%>s %X %B %L %r\" test\nCustomLog {root}/access.log test\n";
        writeln!(conf, "LoadModule wsgi_module {}", variable(self.module_variable)).expect("a string grows");
        if let Some(mode) = self.gil_mode {
            conf = conf + mode.directive() + "\n";
        }
        if IN_DAEMONS {
            conf += "WSGIDaemonProcess requests threads=8\nWSGIProcessGroup requests\n";
        }
        conf += &self.conf;
        conf += "\n";
        self.fill_in(&conf, port)
    }

    fn fill_in(&self, text: &str, port: u16) -> String {
        let root = self.root().to_str().expect("a temporary folder's name is text");
        let app = self.apps.first().map_or_else(String::new, |name| format!("{root}/apps/{name}"));
        text.replace("{app}", &app)
            .replace("{apps}", &format!("{root}/apps"))
            .replace("{root}", root)
            .replace("{port}", &port.to_string())
    }
}

/// Whether httpd has that module, which may come in a package of its own; says so where it has not.
pub fn has_module(name: &str) -> bool {
    let is_there = Path::new(&*MODULES).join(format!("mod_{name}.so")).exists();
    if !is_there {
        eprintln!("skipped: mod_{name} is not installed (setup/packages.sh does that)");
    }
    is_there
}

/// What httpd said of a configuration (`apache2 -t`).
#[derive(Debug)]
pub struct ConfigTest {
    pub ok: bool,
    pub output: String,
}

impl ConfigTest {
    fn new(output: &Output) -> Self {
        let text = [&output.stdout[..], &output.stderr[..]].concat();
        Self { ok: output.status.success(), output: String::from_utf8_lossy(&text).into_owned() }
    }

    #[track_caller]
    pub fn assert_ok(&self) {
        assert!(self.ok, "{}", self.output);
    }

    /// Shows that the test failed and that its message holds each of the words.
    #[track_caller]
    pub fn assert_fails_with(&self, words: &[&str]) {
        assert!(!self.ok, "the configuration was accepted; expected a complaint with {words:?}");
        let missing: Vec<_> = words.iter().filter(|word| !self.output.contains(**word)).collect();
        assert!(missing.is_empty(), "the message lacks {missing:?}:\n{}", self.output);
    }
}

/// A running httpd.
pub struct Httpd {
    builder: Builder,
    pub port: u16,
    parent: Child,
    finished: bool,
}

impl Httpd {
    /// A server with these directives and this application of `tests/apps`.
    ///
    /// In the directives `{app}` is the path of the application, `{apps}` its
    /// directory, `{root}` the server root and `{port}` the port.
    #[must_use]
    pub fn with(conf: &str, app: &str) -> Builder {
        Builder::new(conf, &[app])
    }

    /// A server that serves one application at `/`.
    #[must_use]
    pub fn serving(app: &str) -> Builder {
        Self::with("WSGIScriptAlias / {app}", app)
    }

    /// A server without an application.
    #[must_use]
    pub fn bare(conf: &str) -> Builder {
        Builder::new(conf, &[])
    }

    fn new(builder: Builder, port: u16, parent: Child) -> Self {
        Self { builder, port, parent, finished: false }
    }

    pub fn connect(&self) -> Connection {
        Connection::open(self.port)
    }

    /// A request of one's own making; see [`Request`].
    pub fn request(&self, method: &str, target: &str) -> Request {
        Request::new(self.port, method, target)
    }

    #[track_caller]
    pub fn get(&self, target: &str) -> Response {
        self.request("GET", target).send()
    }

    #[track_caller]
    pub fn post(&self, target: &str, body: impl AsRef<[u8]>) -> Response {
        self.request("POST", target).body(body).send()
    }

    /// Evaluates a Python expression in the application `evaluate.py`: `repr()`
    /// of its value, or the name of the type of the exception it raised.
    #[track_caller]
    pub fn python(&self, expression: &str) -> String {
        let response = self.request("GET", "/").header("X-Python", expression).send();
        assert_eq!(response.status, 200, "{expression}: {response:?}");
        response.text().to_owned()
    }

    /// Runs curl; `{url}` in an argument is where the server listens, and
    /// `{tls}` the same for a server that speaks TLS. Not to take longer than
    /// thirty seconds.
    pub fn curl(&self, arguments: &[&str]) -> Output {
        self.curl_command(arguments).output().expect("curl runs")
    }

    /// The command of [`Httpd::curl`], to be fed or watched while it runs.
    pub fn curl_command(&self, arguments: &[&str]) -> Command {
        let address = format!("127.0.0.1:{}", self.port);
        let fill_in = |argument: &&str| {
            argument.replace("{url}", &format!("http://{address}")).replace("{tls}", &format!("https://{address}"))
        };
        let mut command = Command::new("curl");
        command
            .args(["--silent", "--show-error", "--noproxy", "*", "--insecure", "--max-time", "30"])
            .args(arguments.iter().map(fill_in));
        command
    }

    pub fn root(&self) -> &Path {
        self.builder.root()
    }

    /// The path of an application as the server sees it.
    pub fn app_path(&self, name: &str) -> PathBuf {
        self.root().join("apps").join(name)
    }

    pub fn parent(&self) -> Process {
        Process(self.parent.id())
    }

    pub fn children(&self) -> Vec<Process> {
        self.parent().children()
    }

    /// The processes that run applications.
    pub fn servers(&self) -> Vec<Process> {
        if !IN_DAEMONS {
            return self.children();
        }
        wait_for("the daemon", || {
            let daemons: Vec<_> = self.supervisors().iter().flat_map(|supervisor| supervisor.children()).collect();
            (!daemons.is_empty()).then_some(daemons)
        })
    }

    /// The processes that look after daemon processes: the only children of httpd that have children.
    fn supervisors(&self) -> Vec<Process> {
        let mut children = self.children();
        children.retain(|child| !child.children().is_empty());
        children
    }

    /// `apachectl graceful`; returns when the new configuration is in force.
    pub fn graceful(&self) {
        self.signal_and_resume("USR1");
    }

    /// `apachectl restart`; returns when the new configuration is in force.
    pub fn restart(&self) {
        // As before a stop: httpd closes the sockets of its workers under them.
        self.settle();
        self.signal_and_resume("HUP");
    }

    fn signal_and_resume(&self, signal: &str) {
        let resumed = || self.error_log().count("resuming normal operations");
        let before = resumed();
        self.parent().signal(signal);
        wait_for("httpd to resume normal operations", || (resumed() > before).then_some(()));
    }

    /// Replaces the directives that the test gave, for the next restart.
    pub fn reconfigure(&mut self, conf: &str) {
        conf.clone_into(&mut self.builder.conf);
        let text = self.builder.httpd_conf(self.port);
        fs::write(self.root().join("httpd.conf"), text).expect("a configuration");
    }

    /// The error log, with all that daemon processes have said so far.
    pub fn error_log(&self) -> ErrorLog {
        ErrorLog::parse(&self.error_log_text())
    }

    /// [`Httpd::error_log`] as it stands in the file.
    pub fn error_log_text(&self) -> String {
        self.let_supervisors_write();
        self.read("error.log")
    }

    /// What a daemon process logs outside of a request goes through a pipe to its supervisor, which writes it. It is in the
    /// log once the pipe is empty and then the supervisor sleeps. One that is stopped, or is given more than it can
    /// write, is not waited for.
    fn let_supervisors_write(&self) {
        let limit = Instant::now() + Duration::from_secs(2);
        let writes = |process: &Process| process.has_unread_pipe() || process.is_busy();
        for supervisor in self.supervisors() {
            while !supervisor.is_stopped() && writes(&supervisor) && Instant::now() < limit {
                thread::sleep(Duration::from_millis(2));
            }
        }
    }

    /// Returns once the error log holds the pattern.
    #[track_caller]
    pub fn wait_for_log(&self, pattern: &str) {
        wait_for(&format!("{pattern:?} in the error log"), || (self.error_log().count(pattern) > 0).then_some(()));
    }

    /// Lines of the access log: status, connection state (`X` cut off, `+` kept,
    /// `-` closed), bytes of the body, request id, request line.
    pub fn access_log(&self) -> Vec<String> {
        self.read("access.log").lines().map(str::to_owned).collect()
    }

    /// The access log's line of the first request whose line contains a text.
    #[track_caller]
    pub fn wait_for_access(&self, text: &str) -> String {
        wait_for(&format!("{text:?} in the access log"), || {
            self.access_log().into_iter().find(|line| line.contains(text))
        })
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.root().join(name)).unwrap_or_default()).into_owned()
    }

    /// Stops the server by `apachectl stop` and shows that it left nothing: no
    /// process, and in the error log nothing but these patterns, each of them
    /// at least once.
    #[track_caller]
    pub fn finish(self, expected_log_lines: &[&str]) {
        self.finish_by("TERM", expected_log_lines);
    }

    /// [`Httpd::finish`] by another signal: `WINCH` is `apachectl graceful-stop`.
    #[track_caller]
    pub fn finish_by(mut self, signal: &str, expected_log_lines: &[&str]) {
        let status = self.stop(signal);
        let left = self.processes();
        self.kill_all();
        let status = status.unwrap_or_else(|| panic!("httpd did not leave within {STOP_LIMIT:?}"));
        assert!(status.success(), "httpd left with {status}\n{}", self.read("output"));
        assert!(left.is_empty(), "processes left behind: {left:?}");
        let log = self.error_log();
        log.assert_only(expected_log_lines);
        let output = self.read("output");
        assert!(output.is_empty(), "httpd wrote to its standard output:\n{output}");
        self.finished = true;
    }

    /// Shows that nothing is left of a server whose parent was killed, and that its error log holds only these patterns.
    #[track_caller]
    pub fn finish_killed(mut self, expected_log_lines: &[&str]) {
        wait_for("all processes to leave", || self.processes().is_empty().then_some(()));
        let _ = self.parent.wait();
        self.error_log().assert_only(expected_log_lines);
        self.finished = true;
    }

    /// Sends the signal and waits until the parent and all others are gone.
    fn stop(&mut self, signal: &str) -> Option<ExitStatus> {
        self.settle();
        self.parent().signal(signal);
        let limit = Instant::now() + STOP_LIMIT;
        let mut status = None;
        while Instant::now() < limit {
            status = status.or(self.parent.try_wait().expect("httpd is our child"));
            if status.is_some() && self.processes().is_empty() {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        status
    }

    /// Waits, for a second at most, until no thread of a child has work to do.
    ///
    /// A child of the event MPM that is told to leave closes the sockets of its
    /// busy workers, and crashes if one of them is just freeing its own
    /// (`close_worker_sockets` of httpd 2.4). That must not look like our crash.
    fn settle(&self) {
        let limit = Instant::now() + Duration::from_secs(1);
        let mut idle_before = false;
        while Instant::now() < limit {
            let idle = !self.children().iter().any(|child| child.is_busy());
            if idle && idle_before {
                return;
            }
            idle_before = idle;
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Every living process of this server, whoever its parent is by now.
    pub fn processes(&self) -> Vec<Process> {
        process::started_with(&format!("{MARK}={}", self.root().display()))
    }

    fn kill_all(&mut self) {
        for process in self.processes() {
            process.signal("KILL");
        }
        let _ = self.parent.wait();
    }
}

impl Drop for Httpd {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let _ = self.stop("TERM");
        self.kill_all();
        println!("--- error log\n{}--- access log\n{}", self.read("error.log"), self.read("access.log"));
        assert!(thread::panicking(), "a test ends with Httpd::finish");
    }
}

/// A setting that the Makefile passes to the tests.
#[track_caller]
pub fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests by `make test`"))
}

/// What `apxs` says of the httpd that the module is built for, asked as build.rs asks it.
fn apxs(variable: &str) -> String {
    let apxs = env::var("APXS").unwrap_or_else(|_| "apxs".to_owned());
    let output = Command::new(&apxs).args(["-q", variable]).output().unwrap_or_else(|error| panic!("{apxs}: {error}"));
    String::from_utf8(output.stdout).expect("a path").trim().to_owned()
}

/// The path of httpd.
pub fn httpd_program() -> &'static str {
    &HTTPD
}

/// The number of a user's own group.
fn group_of(user: &str) -> String {
    let output = Command::new("id").args(["-g", user]).output().expect("id runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A directory that httpd's children can read, whoever runs the tests.
fn world_readable_folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("mod_wsgi-test-").tempdir_in("/tmp").expect("a temporary folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("our own folder");
    folder
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.expect("an entry of the folder");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

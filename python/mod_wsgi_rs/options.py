"""The options of start-server and setup-server: one row each, with default and help text.

The names and defaults are those of mod_wsgi-express 6.1, so that a command line moves over as it is. Read by
`command` and by Django's `runmodwsgi`; `settings` works out what the values mean together.
"""

import argparse
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Option:
    """One option. `default` of a repeatable option is always an empty list."""

    name: str
    help: str
    kind: type = str
    default: object = None
    values: tuple[str, ...] = ()
    repeat: bool = False
    also: tuple[str, ...] = ()
    no_effect: str = ""

    @property
    def key(self) -> str:
        return self.name.replace("-", "_")

    def add_to(self, group) -> None:
        names = [f"--{name}" for name in (self.name, *self.also)]
        text = self.help.replace("%", "%%")
        if self.no_effect:
            text = f"{text} Accepted without effect: {self.no_effect}"
        if self.kind is bool:
            group.add_argument(*names, dest=self.key, action="store_true", help=text)
            return
        if self.default is not None:
            text += f" Default: {str(self.default).replace('%', '%%')}."
        arguments = {"dest": self.key, "type": self.kind, "help": text}
        if self.values:
            arguments["nargs"] = len(self.values)
            arguments["metavar"] = self.values
        else:
            arguments["metavar"] = {int: "NUMBER", float: "NUMBER"}.get(self.kind, "VALUE")
        if self.repeat:
            group.add_argument(*names, action="append", default=[], **arguments)
        else:
            group.add_argument(*names, default=self.default, **arguments)


@dataclass(frozen=True)
class Group:
    title: str
    options: tuple[Option, ...] = field(default=())


def flag(name: str, help: str, **more) -> Option:
    return Option(name, help, kind=bool, default=False, **more)


def number(name: str, default: int | None, help: str, **more) -> Option:
    return Option(name, help, kind=int, default=default, **more)


def fraction(name: str, help: str, **more) -> Option:
    return Option(name, help, kind=float, **more)


def many(name: str, help: str, **more) -> Option:
    return Option(name, help, repeat=True, **more)


def pairs(name: str, first: str, second: str, help: str, **more) -> Option:
    return Option(name, help, values=(first, second), repeat=True, **more)


APPLICATION = Group(
    "Application",
    (
        Option("application-type", "What the target is: script, module, paste or static.", default="script"),
        Option("entry-point", "The target, in place of the argument."),
        Option("application-group", "Python interpreter that the application runs in.", default="%{GLOBAL}"),
        Option("process-group", "Name of the group of daemon processes. Default: HOST:PORT."),
        Option("callable-object", "Name of the application in its script or module.", default="application"),
        Option("map-head-to-get", "Whether a HEAD request is shown as GET: On, Off or Auto.", default="Auto"),
        Option("mount-point", "URL path of the application.", default="/"),
        Option("working-directory", "Directory that the application starts in. Default: the current directory."),
        many("python-path", "Directory to search for Python modules."),
        Option("python-eggs", "Directory that Python eggs are unpacked into."),
        many("python-warnings", "Filter for Python's warnings."),
        Option("lang", "The same as --locale."),
        Option("locale", "Locale of the application. Default: that of the environment, UTF-8 if that is C or POSIX."),
        pairs("setenv", "KEY", "VALUE", "Variable for the environ of each request."),
        many("passenv", "Variable of the environment that is passed to the environ of each request."),
        many("include-file", "Configuration file of httpd that is included at the end."),
        Option("rewrite-rules", "File with rules of mod_rewrite for the document root."),
        Option("envvars-script", "Shell script that is read before httpd starts."),
        pairs("add-handler", "EXTENSION", "SCRIPT", "Script that answers for files with this extension."),
        flag("chunked-request", "Accept request bodies without a length (chunked)."),
        flag("with-cgi", "Run files that end in .cgi as CGI programs."),
        flag("with-php5", "Run PHP 5.", no_effect="PHP 5 is no longer maintained."),
        flag("orphan-interpreter", "Do not destroy Python when a process exits."),
        fraction("switch-interval", "Seconds after which a Python thread hands over the GIL."),
        flag("free-threading", "Run Python without the GIL: requests run in parallel in each process."),
        flag("embedded-mode", "Run the application in httpd's child processes, without daemon processes."),
        flag("enable-docs", "Show documentation.", no_effect="the documentation is not part of the package."),
    ),
)

LISTENING = Group(
    "Listening, names and TLS",
    (
        Option("host", "Name or address to listen on. Default: all interfaces."),
        number("port", 8000, "Port to listen on."),
        flag("http2", "Speak HTTP/2, with and without TLS."),
        number("https-port", None, "Port to listen on with TLS.", also=("ssl-port",)),
        Option("ssl-certificate-file", "File with the certificate."),
        Option("ssl-certificate-key-file", "File with the private key."),
        Option("ssl-certificate", "Path of certificate and key without .crt and .key."),
        Option("ssl-certificate-chain-file", "File with the certificates that lead to the root."),
        Option("ssl-ca-certificate-file", "File with the certificates that client certificates are checked against."),
        many("ssl-verify-client", "URL path that needs a client certificate. Default: /."),
        flag("ssl-environment", "Give variables about TLS to the application."),
        flag("https-only", "Redirect plain HTTP to HTTPS."),
        Option("hsts-policy", "Value of the header Strict-Transport-Security, with --https-only."),
        Option("server-name", "Name of the site. Requests for other names are refused."),
        many("server-alias", "Other name of the site."),
        flag("allow-localhost", "Let clients of this machine in whatever name they ask for."),
    ),
)

CAPACITY = Group(
    "Capacity and limits",
    (
        number("processes", None, "Number of daemon processes. Default: 1."),
        number("threads", 5, "Threads of each process that run the application."),
        number("max-clients", None, "Connections that are served at the same time."),
        fraction("initial-workers", "Part of httpd's worker threads at the start, from 0 to 1."),
        fraction("minimum-spare-workers", "Least part of httpd's worker threads that are idle, from 0 to 1."),
        fraction("maximum-spare-workers", "Largest part of httpd's worker threads that are idle, from 0 to 1."),
        number("server-backlog", 500, "Connections that wait for httpd."),
        number("daemon-backlog", 100, "Requests that wait for a daemon process."),
        number("limit-request-body", 10485760, "Largest request body in bytes; 0 for no limit."),
        number("maximum-requests", 0, "Requests after which a process is replaced; 0 for never."),
        number("send-buffer-size", 0, "Send buffer of connections to daemon processes in bytes; 0 for the default."),
        number("receive-buffer-size", 0, "Receive buffer of these connections in bytes; 0 for the default."),
        number("header-buffer-size", 0, "Largest response head of a daemon process in bytes; 0 for the default."),
        number("response-buffer-size", 0, "Response that is held for a slow client in bytes; 0 for the default."),
        number("response-flush-delay", 5, "Milliseconds until a part of a response is sent on."),
        flag("enable-sendfile", "Let the kernel send files."),
        number("keep-alive-timeout", 2, "Seconds a connection waits for its next request; 0 closes it at once."),
        flag("compress-responses", "Compress text with mod_deflate."),
    ),
)

TIMEOUTS = Group(
    "Timeouts, in seconds (0: none)",
    (
        number("startup-timeout", 15, "Until the application has loaded."),
        number("shutdown-timeout", 5, "For requests when a process is told to exit."),
        number("graceful-timeout", 15, "For requests when a process is to be replaced."),
        number("drain-time", 0, "Told to stop gracefully (SIGWINCH), probes are refused and requests still taken."),
        number("eviction-timeout", 0, "For requests when a process is evicted."),
        number("deadlock-timeout", 60, "Until a process that does not answer is replaced."),
        number("inactivity-timeout", 0, "Without a request until a process is replaced."),
        number("request-timeout", 60, "Time of a request until its process is replaced."),
        number("interrupt-timeout", 0, "Time of a request until its thread is interrupted."),
        number("connect-timeout", 15, "To reach a daemon process."),
        number("queue-timeout", 45, "A request waits for a thread."),
        number("response-socket-timeout", 0, "A client takes nothing of its response."),
        number("restart-interval", 0, "Until a process is replaced."),
        number("cpu-time-limit", 0, "CPU time until a process is replaced."),
        number("socket-timeout", 60, "A connection neither gives nor takes a byte."),
        number("proxy-timeout", None, "A proxied server does not answer."),
        number("header-timeout", 15, "To receive the request's head."),
        number("header-max-timeout", 30, "The same, while its bytes come at the minimum rate."),
        number("header-min-rate", 500, "Bytes per second of the head that extend its time."),
        number("body-timeout", 15, "To receive the request's body."),
        number("body-max-timeout", 0, "The same, while its bytes come at the minimum rate."),
        number("body-min-rate", 500, "Bytes per second of the body that extend its time."),
        many("ignore-activity", "URL path whose requests do not count against inactivity."),
    ),
)

STATIC = Group(
    "Static files, error pages and proxies",
    (
        Option("document-root", "Directory with static files."),
        Option("directory-index", "File that stands for a directory."),
        flag("directory-listing", "List directories (with --application-type static)."),
        many("allow-override", "What .htaccess files may set. Default: None."),
        pairs("url-alias", "PATH", "FILE", "File or directory that answers for a URL path."),
        pairs("error-document", "STATUS", "URL", "Page for an error status."),
        flag("error-override", "Let error pages replace the application's own."),
        pairs("proxy-mount-point", "PATH", "URL", "Server that answers for a URL path.", also=("proxy-url-alias",)),
        pairs("proxy-virtual-host", "NAME", "URL", "Server that answers for a host name."),
        many("trust-proxy-header", "Header of a proxy in front that is believed."),
        many("trust-proxy", "Address of a proxy in front whose headers are believed."),
    ),
)

ACCESS = Group(
    "Access control",
    (
        Option("host-access-script", "Script that decides by address who may come in."),
        Option("auth-user-script", "Script that checks names and passwords."),
        Option("auth-type", "Basic or Digest.", default="Basic"),
        Option("auth-group-script", "Script that names the groups of a user."),
        Option("auth-group", "Group that users must belong to.", default="wsgi"),
    ),
)

METRICS = Group(
    "Metrics",
    (
        flag("server-metrics", "Let the application read httpd's scoreboard."),
        flag("server-status", "Show /server-status and /server-wsgi-status to this machine."),
        flag("health", "Answer probes at /server-wsgi-health/live, /startup and /ready, to this machine."),
        many("health-from", "Address or network whose probes are answered too (with --health)."),
        Option("telemetry-service", "Socket that measurements are sent to: unix:/path."),
        flag("enable-telemetry", "Run the telemetry service.", no_effect="it is not part of the package."),
        number("telemetry-ui-port", 8888, "Port of the telemetry service's page.", no_effect="see --enable-telemetry."),
        Option("telemetry-interval", "Seconds between measurements.", kind=float, default=1.0),
        fraction("slow-requests", "Seconds from which a request counts as slow."),
        many("telemetry-options", "Options of WSGITelemetryOptions."),
    ),
)

FILES = Group(
    "Users, files and programs",
    (
        Option("user", "User that runs the application (as root). Default as root: www-data or apache."),
        Option("group", "Group that runs the application (as root). Default: that of the user."),
        Option("pid-file", "File with the process id of httpd."),
        Option("server-root", "Directory for what this command writes. Default: $TMPDIR/mod_wsgi-HOST:PORT:UID."),
        many("server-mpm", "MPM of httpd: event, worker or prefork. Default: the first that is there."),
        Option("process-name", "Title of httpd's parent.", no_effect="httpd keeps its own title."),
        Option("socket-prefix", "Path that names of sockets begin with."),
        Option("modules-directory", "Directory with httpd's modules."),
        Option("mime-types", "File with types of file names."),
        Option("shell-executable", "Shell that runs apachectl.", no_effect="any POSIX shell runs it."),
        Option("httpd-executable", "httpd itself. The environment variable HTTPD counts before it."),
        Option("rotatelogs-executable", "Program that rotates logs."),
        Option("gdb-executable", "Debugger for --enable-gdb.", default="gdb"),
        flag("setup-only", "Write the server root and do not start."),
    ),
)

LOGS = Group(
    "Logs",
    (
        Option("log-directory", "Directory of the logs. Default: the server root."),
        Option("log-level", "Level of the error log.", default="warn"),
        flag("access-log", "Write an access log."),
        flag("startup-log", "Write what httpd says before its log is open to a file."),
        flag("verbose-debugging", "Log more.", no_effect="use --log-level 'warn wsgi:debug'."),
        flag("log-to-terminal", "Write the logs to the terminal."),
        Option("access-log-format", "common, combined or a format of mod_log_config. Default: common."),
        Option("error-log-format", "Format of the error log."),
        Option("error-log-name", "File name of the error log.", default="error_log"),
        Option("access-log-name", "File name of the access log.", default="access_log"),
        Option("startup-log-name", "File name of the start-up log.", default="startup_log"),
        flag("rotate-logs", "Rotate logs by size."),
        number("max-log-size", 5, "Size in MB at which logs are rotated."),
    ),
)

SERVICES = Group(
    "Services (processes beside the application)",
    (
        pairs("service-script", "NAME", "SCRIPT", "Script that a process of its own runs."),
        pairs("service-user", "NAME", "USER", "User of that process."),
        pairs("service-group", "NAME", "GROUP", "Group of that process."),
        pairs("service-log-file", "NAME", "FILE", "Error log of that process, in the log directory."),
    ),
)

DEVELOPMENT = Group(
    "Development",
    (
        flag("disable-reloading", "Do not load a changed script anew."),
        flag("reload-on-changes", "Load the application anew when any file of its modules changes."),
        flag("debug", "Show tracebacks in the browser, to clients of this machine alone."),
        flag("debug-mode", "Run everything in one process with one thread, on the terminal."),
        flag("enable-debugger", "Enter pdb when the application raises (debug mode)."),
        flag("debugger-startup", "Enter pdb before the application is loaded."),
        flag("enable-coverage", "Measure code coverage (debug mode)."),
        Option("coverage-directory", "Directory of the coverage report."),
        flag("enable-profiler", "Profile the application (debug mode)."),
        Option("profiler-directory", "Directory of the profiles."),
        flag("enable-recorder", "Record requests and responses (debug mode)."),
        Option("recorder-directory", "Directory of the recordings."),
        flag("enable-gdb", "Run httpd in gdb (debug mode)."),
    ),
)

GROUPS = (
    APPLICATION,
    LISTENING,
    CAPACITY,
    TIMEOUTS,
    STATIC,
    ACCESS,
    METRICS,
    FILES,
    LOGS,
    SERVICES,
    DEVELOPMENT,
)
OPTIONS = tuple(option for group in GROUPS for option in group.options)


def add_to(parser: argparse.ArgumentParser) -> None:
    """Adds all options to a parser, in their groups."""
    for group in GROUPS:
        titled = parser.add_argument_group(group.title)
        for option in group.options:
            option.add_to(titled)


def without_effect(values: argparse.Namespace) -> list[Option]:
    """The options that were given although they have no effect."""
    return [option for option in OPTIONS if option.no_effect and getattr(values, option.key) != option.default]

"""What the options mean together: paths made absolute, defaults filled in, contradictions refused.

`Settings` is made once, by `resolve`. After it nothing is left to decide; the other files only read it. Nothing is
written here, so that a wrong option leaves no trace.
"""

import argparse
import grp
import mimetypes
import os
import pwd
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from . import httpd, module_path
from .errors import Refused

TYPES = ("script", "module", "paste", "static")
USERS_OF_HTTPD = ("www-data", "apache", "http", "daemon")
# Each name of an option that is a file or directory; those of pairs are made absolute where they are used.
PATHS = (
    "document_root",
    "log_directory",
    "pid_file",
    "python_eggs",
    "rewrite_rules",
    "envvars_script",
    "host_access_script",
    "auth_user_script",
    "auth_group_script",
    "ssl_certificate_file",
    "ssl_certificate_key_file",
    "ssl_certificate",
    "ssl_certificate_chain_file",
    "ssl_ca_certificate_file",
    "coverage_directory",
    "profiler_directory",
    "recorder_directory",
)
FILES_THAT_MUST_EXIST = (
    "rewrite_rules",
    "envvars_script",
    "host_access_script",
    "auth_user_script",
    "auth_group_script",
    "ssl_certificate_file",
    "ssl_certificate_key_file",
    "ssl_certificate_chain_file",
    "ssl_ca_certificate_file",
)


@dataclass
class Settings:
    """Everything that start-server needs. `options` holds the values that need no more thought."""

    options: argparse.Namespace
    arguments: list[str]
    httpd: httpd.Httpd
    module: Path
    mpm: str
    root: Path
    working_directory: Path
    application_type: str
    target: str | None
    mount_point: str
    user: str | None
    group: str | None
    locale: str
    mime_types: str

    @property
    def host(self) -> str:
        return self.options.host or "localhost"

    @property
    def name(self) -> str:
        """The name of the site in URLs."""
        return self.options.server_name or self.host

    @property
    def listen(self) -> str:
        """What `Listen` says before the port: nothing, or an address and a colon."""
        host = self.options.host
        if not host:
            return ""
        return f"[{host}]:" if ":" in host else f"{host}:"

    @property
    def process_group(self) -> str:
        return self.options.process_group or f"{self.host}:{self.options.port}"

    @property
    def display_name(self) -> str:
        named = self.options.process_group
        return f"(wsgi:{named})" if named else f"(wsgi:{self.process_group}:{os.getuid()})"

    @property
    def processes(self) -> int:
        return max(1, self.options.processes or 1)

    @property
    def static(self) -> bool:
        return self.application_type == "static"

    @property
    def debug(self) -> bool:
        return self.options.debug_mode

    @property
    def embedded(self) -> bool:
        return self.options.embedded_mode

    @property
    def daemons(self) -> bool:
        return not (self.debug or self.embedded or self.static)

    @property
    def reloading(self) -> bool:
        return not (self.options.disable_reloading or self.embedded or self.debug)

    @property
    def watches(self) -> bool:
        """Whether a change of any file of the application's modules loads it anew."""
        return self.options.reload_on_changes and not (self.options.disable_reloading or self.debug)

    @property
    def tracebacks(self) -> bool:
        """Whether a browser on this machine is shown why a request failed."""
        return self.options.debug and not self.static

    @property
    def https(self) -> bool:
        return self.options.https_port is not None

    @property
    def document_root(self) -> Path:
        if self.options.document_root:
            return Path(self.options.document_root)
        if self.static and self.target:
            return Path(self.target)
        return self.root / "htdocs"

    @property
    def logs(self) -> Path:
        return Path(self.options.log_directory or self.root)

    @property
    def log_to_terminal(self) -> bool:
        return self.options.log_to_terminal and not self.options.log_directory

    @property
    def error_log(self) -> str:
        return _terminal("/dev/stderr", "|$exec cat >&2") if self.log_to_terminal else str(self.logs / self.options.error_log_name)

    @property
    def access_log(self) -> str:
        return _terminal("/dev/stdout", "|$exec cat") if self.log_to_terminal else str(self.logs / self.options.access_log_name)

    @property
    def startup_log(self) -> Path:
        return self.logs / self.options.startup_log_name

    @property
    def pid_file(self) -> Path:
        return Path(self.options.pid_file or self.root / "httpd.pid")

    @property
    def python_path(self) -> list[str]:
        first = [str(self.working_directory)] if self.embedded or self.debug else []
        return [*dict.fromkeys([*first, *self.options.python_path])]

    @property
    def free_threading(self) -> bool:
        return self.options.free_threading

    def absolute(self, path: str) -> str:
        return str(self.working_directory / path)


def resolve(options: argparse.Namespace, target: str | None, arguments: list[str]) -> Settings:
    """Works out all settings. Raises `Refused` for the first option that cannot be had."""
    working_directory = Path(options.working_directory or ".").absolute()
    if not working_directory.is_dir():
        raise Refused(f"--working-directory {options.working_directory}: not a directory")
    _make_paths_absolute(options, working_directory)
    _check_switches(options)
    _check_numbers(options)
    _check_tls(options)
    _check_files(options)
    found = httpd.find(options.httpd_executable, options.modules_directory)
    user, group = _account(options)
    application_type, target = _application(options, target, working_directory)
    return Settings(
        options=options,
        arguments=arguments,
        httpd=found,
        module=_module(),
        mpm=_mpm(options, found),
        root=_root(options),
        working_directory=working_directory,
        application_type=application_type,
        target=target,
        mount_point=_mount_point(options.mount_point),
        user=user,
        group=group,
        locale=_locale(options),
        mime_types=_mime_types(options),
    )


def _module() -> Path:
    module = module_path()
    if not module.is_file():
        raise Refused(f"{module} is missing: this distribution was not built for {sys.implementation.cache_tag}", 1)
    if library := missing_libpython(module):
        raise Refused(f"{library} is missing, which the module needs ({cure_of_missing_libpython()})", 1)
    return module


def missing_libpython(module: Path) -> str | None:
    """The name of the libpython that the module needs, if the system's dynamic loader does not find it.

    Debian's python3 does without it, so that a Python that runs is no proof that it is there."""
    try:
        done = subprocess.run(["ldd", module], capture_output=True, text=True, check=False)
    except OSError:
        return None
    found = re.search(r"(libpython\S+) => not found", done.stdout)
    return found and found[1]


def cure_of_missing_libpython() -> str:
    if sys.base_prefix == "/usr":
        return f"Debian: apt install libpython{sys.version_info.major}.{sys.version_info.minor}"
    return f"reinstall {sys.base_prefix}, or build the wheel where it is now"


def _make_paths_absolute(options: argparse.Namespace, working_directory: Path) -> None:
    for key in PATHS:
        if value := getattr(options, key):
            setattr(options, key, str(working_directory / value))
    options.include_file = [str(working_directory / path) for path in options.include_file]
    for key in ("url_alias", "add_handler", "service_script"):
        setattr(options, key, [(name, str(working_directory / path)) for name, path in getattr(options, key)])


def _check_switches(options: argparse.Namespace) -> None:
    tools = ("enable_debugger", "enable_coverage", "enable_profiler", "enable_recorder", "enable_gdb")
    if any(getattr(options, tool) for tool in tools):
        options.debug_mode = True
    if options.embedded_mode and options.debug_mode:
        raise Refused("--embedded-mode and --debug-mode (or a tool that needs it) exclude each other")
    if options.debugger_startup and not options.enable_debugger:
        raise Refused("--debugger-startup needs --enable-debugger")
    if options.free_threading and not sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise Refused(
            f"--free-threading needs a free-threaded build of Python, and {sys.executable} is none"
            " (install this package into a python3.14t)"
        )
    if options.auth_group_script and not options.auth_user_script:
        raise Refused("--auth-group-script needs --auth-user-script")
    if options.auth_type not in ("Basic", "Digest"):
        raise Refused(f"--auth-type {options.auth_type}: expected Basic or Digest")
    if options.map_head_to_get.lower() not in ("on", "off", "auto"):
        raise Refused(f"--map-head-to-get {options.map_head_to_get}: expected On, Off or Auto")
    if options.health_from and not options.health:
        raise Refused("--health-from needs --health")
    if options.server_alias and not options.server_name:
        raise Refused("--server-alias needs --server-name")
    for extension, _ in options.add_handler:
        if not extension.startswith("."):
            raise Refused(f"--add-handler {extension}: expected an extension with its dot, such as .{extension}")
    if options.telemetry_service and not options.telemetry_service.startswith("unix:"):
        raise Refused(f"--telemetry-service {options.telemetry_service}: expected unix:/path")


def _check_numbers(options: argparse.Namespace) -> None:
    for key in ("port", "https_port"):
        value = getattr(options, key)
        if value is not None and not 1 <= value <= 65535:
            raise Refused(f"--{key.replace('_', '-')} {value}: expected a number from 1 to 65535")
    if options.port == options.https_port:
        raise Refused(f"--https-port {options.port}: expected another port than --port")
    for key in ("initial_workers", "minimum_spare_workers", "maximum_spare_workers"):
        value = getattr(options, key)
        if value is not None and not 0 <= value <= 1:
            raise Refused(f"--{key.replace('_', '-')} {value}: expected a number from 0 to 1")
    if options.threads < 1:
        raise Refused(f"--threads {options.threads}: expected at least 1")
    if options.switch_interval is not None and not options.switch_interval > 0:
        raise Refused(f"--switch-interval {options.switch_interval}: expected a number above 0")
    if options.slow_requests is not None and not options.slow_requests >= 0:
        raise Refused(f"--slow-requests {options.slow_requests}: expected at least 0")
    for key, value in vars(options).items():
        if isinstance(value, int) and value < 0:
            raise Refused(f"--{key.replace('_', '-')} {value}: expected at least 0")
    for part in ("header", "body"):
        most, least = getattr(options, f"{part}_max_timeout"), getattr(options, f"{part}_timeout")
        if 0 < most < least:
            setattr(options, f"{part}_max_timeout", least)


def _check_tls(options: argparse.Namespace) -> None:
    if options.ssl_certificate:
        options.ssl_certificate_file = f"{options.ssl_certificate}.crt"
        options.ssl_certificate_key_file = f"{options.ssl_certificate}.key"
    certificates = [
        options.ssl_certificate_file,
        options.ssl_certificate_key_file,
        options.ssl_certificate_chain_file,
        options.ssl_ca_certificate_file,
    ]
    if options.https_port is None:
        if any(certificates):
            raise Refused("the options of certificates need --https-port")
        if options.https_only:
            raise Refused("--https-only needs --https-port")
        return
    if not (options.ssl_certificate_file and options.ssl_certificate_key_file):
        raise Refused("--https-port needs --ssl-certificate-file and --ssl-certificate-key-file")
    if options.ssl_verify_client and not options.ssl_ca_certificate_file:
        raise Refused("--ssl-verify-client needs --ssl-ca-certificate-file")
    if options.hsts_policy and not options.https_only:
        raise Refused("--hsts-policy needs --https-only")


def _check_files(options: argparse.Namespace) -> None:
    for key in FILES_THAT_MUST_EXIST:
        path = getattr(options, key)
        if path and not Path(path).is_file():
            raise Refused(f"--{key.replace('_', '-')} {path}: no such file")
    for path in options.include_file:
        if not Path(path).is_file():
            raise Refused(f"--include-file {path}: no such file")
    for key in ("add_handler", "service_script"):
        for name, path in getattr(options, key):
            if not Path(path).is_file():
                raise Refused(f"--{key.replace('_', '-')} {name} {path}: no such file")
    if options.document_root and not Path(options.document_root).is_dir():
        raise Refused(f"--document-root {options.document_root}: not a directory")
    services = {name for name, _ in options.service_script}
    for key in ("service_user", "service_group", "service_log_file"):
        for name, _ in getattr(options, key):
            if name not in services:
                raise Refused(f"--{key.replace('_', '-')} {name}: there is no --service-script of that name")


def _mpm(options: argparse.Namespace, found: httpd.Httpd) -> str:
    return found.mpm(options.server_mpm)


def _application(options: argparse.Namespace, target: str | None, directory: Path) -> tuple[str, str | None]:
    kind = options.application_type
    if kind not in TYPES:
        raise Refused(f"--application-type {kind}: expected one of {', '.join(TYPES)}")
    target = options.entry_point or target
    if kind == "static":
        if target and not (directory / target).is_dir():
            raise Refused(f"{target}: not a directory")
        return kind, str(directory / (target or "."))
    if target is None:
        # The welcome page, which the server root holds.
        return "script", None
    if kind == "module":
        return kind, target
    path = directory / target
    if path.is_dir():
        raise Refused(f"{target}: a directory; expected the WSGI script itself (or --application-type static)")
    if not path.is_file():
        raise Refused(f"{target}: no such file (a module is named with --application-type module)")
    return kind, str(path)


def _mount_point(text: str) -> str:
    """`/` or a path that begins with a slash and does not end with one."""
    parts = [part for part in text.split("/") if part]
    if any(part in (".", "..") for part in parts):
        raise Refused(f"--mount-point {text}: expected a path without . and ..")
    return "/" + "/".join(parts)


def _root(options: argparse.Namespace) -> Path:
    if options.server_root:
        return Path(options.server_root).absolute()
    host = (options.host or "localhost").replace("/", "_")
    return Path(os.environ.get("TMPDIR") or "/tmp", f"mod_wsgi-{host}:{options.port}:{os.getuid()}").absolute()


def _account(options: argparse.Namespace) -> tuple[str | None, str | None]:
    """User and group of httpd's children; None where they stay who started them, because only root may change."""
    if os.getuid() != 0:
        return None, None
    user = os.environ.get("MOD_WSGI_USER") or os.environ.get("WSGI_RUN_USER") or options.user or user_of_httpd()
    try:
        account = pwd.getpwuid(int(user[1:])) if user.startswith("#") else pwd.getpwnam(user)
    except (KeyError, ValueError):
        raise Refused(f"--user {user}: there is no such user") from None
    if account.pw_uid == 0:
        raise Refused(f"--user {user}: httpd does not run applications as root; name another user")
    group = os.environ.get("MOD_WSGI_GROUP") or os.environ.get("WSGI_RUN_GROUP") or options.group
    try:
        group = group or grp.getgrgid(account.pw_gid).gr_name
    except KeyError:
        group = f"#{account.pw_gid}"
    return user, group


def user_of_httpd() -> str:
    for name in USERS_OF_HTTPD:
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise Refused("started as root: name the user that runs the application with --user")


def _locale(options: argparse.Namespace) -> str:
    """A locale with UTF-8, unless another was asked for: text of applications is rarely ASCII alone."""
    if wanted := options.locale or options.lang:
        return wanted
    for key in ("LC_ALL", "LC_CTYPE", "LANG"):
        if value := os.environ.get(key):
            return "C.UTF-8" if value in ("C", "POSIX") else value
    return "C.UTF-8"


def _mime_types(options: argparse.Namespace) -> str:
    if options.mime_types:
        if not Path(options.mime_types).exists() or Path(options.mime_types).is_dir():
            raise Refused(f"--mime-types {options.mime_types}: no such file")
        return options.mime_types
    return next((path for path in mimetypes.knownfiles if Path(path).is_file()), "/dev/null")


def _terminal(device: str, program: str) -> str:
    """The device, or a program that writes there: a socket (of a journal) or another user's pipe cannot be opened."""
    try:
        os.close(os.open(device, os.O_WRONLY | os.O_APPEND | os.O_NOCTTY))
    except OSError:
        return program
    return device


def rotatelogs(settings: Settings) -> str:
    """The program that rotates logs. Raises `Refused` where it is missing: httpd would not start."""
    wanted = settings.options.rotatelogs_executable or "rotatelogs"
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), str(settings.httpd.program.parent), "/usr/bin"])
    if found := shutil.which(wanted, path=path):
        return found
    raise Refused(f"rotatelogs '{wanted}': there is no such program (Debian: apt install apache2-utils)")


"""The command wsgi-express: finds the subcommand, reads its options, calls what does the work."""

import argparse
import os
import shutil
import sys
from pathlib import Path

from . import banner, module_path, options, server, serverroot, settings
from .errors import Refused
from .page import word

NAME = "wsgi-express"


def main(words: list[str] | None = None) -> int:
    """Runs the command with these words (those of the process by default) and returns its exit status."""
    words = sys.argv[1:] if words is None else words
    try:
        return _run(list(words))
    except Refused as refused:
        print(f"{NAME}: {refused}", file=sys.stderr)
        return refused.status


def _run(words: list[str]) -> int:
    if words and words[0] in ("-h", "--help"):
        print(_overview())
        return 0
    if not words or words[0] not in COMMANDS:
        said = f"there is no command {words[0]!r}" if words else "no command was given"
        print(f"{_overview()}\n\n{NAME}: {said}", file=sys.stderr)
        return 2
    run, _ = COMMANDS[words[0]]
    # A configuration of a process manager may name variables without a shell.
    return run(words[0], [os.path.expandvars(text) for text in words[1:]])


def _overview() -> str:
    rows = [f"  {name:<16} {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join([f"usage: {NAME} COMMAND [options] [target]", "", *rows, "", f"{NAME} COMMAND --help lists options."])


def site_parser(name: str) -> argparse.ArgumentParser:
    """The parser of start-server and setup-server."""
    parser = argparse.ArgumentParser(
        prog=f"{NAME} {name}",
        usage=f"{NAME} {name} [options] [target]",
        description="The target is a WSGI script (or what --application-type says). Without one a welcome page answers.",
    )
    parser.add_argument("target", nargs="?", help="the application")
    options.add_to(parser)
    return parser


def start_server(name: str, words: list[str]) -> int:
    values = site_parser(name).parse_intermixed_args(words)
    return start(values, values.target, [name, *words])


def start(values: argparse.Namespace, target: str | None, arguments: list[str]) -> int:
    """Writes the server root and runs httpd, with options that were read already."""
    site = settings.resolve(values, target, arguments)
    serverroot.write(site)
    starting = not (values.setup_only or arguments[0] == "setup-server")
    banner.show(site, starting=starting)
    return server.run(site) if starting else 0


def module_config(name: str, words: list[str]) -> int:
    _no_arguments(name, words)
    print(configuration_lines(_existing_module()))
    return 0


def module_location(name: str, words: list[str]) -> int:
    _no_arguments(name, words)
    print(_existing_module())
    return 0


def install_module(name: str, words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog=f"{NAME} {name}")
    parser.add_argument("--modules-directory", metavar="DIRECTORY", help="httpd's modules; found if not given")
    wanted = parser.parse_args(words).modules_directory
    from . import httpd

    module = _existing_module()
    directory = Path(wanted).absolute() if wanted else httpd.find(None, None).modules
    if not directory.is_dir():
        raise Refused(f"--modules-directory {wanted}: not a directory", 1)
    installed = directory / module.name
    try:
        # Under another name first: a running httpd has the old file mapped.
        shutil.copyfile(module, directory / f"{module.name}.new")
        os.replace(directory / f"{module.name}.new", installed)
    except OSError as error:
        raise Refused(f"{installed}: {error.strerror}", 1) from None
    print(configuration_lines(installed))
    return 0


def configuration_lines(module: Path) -> str:
    """The lines for httpd's own configuration."""
    return f"LoadModule wsgi_module {word(module)}\nWSGIPythonHome {word(sys.prefix)}"


def doctor(_name: str, words: list[str]) -> int:
    from . import doctor as examination

    return examination.main(words)


def _existing_module() -> Path:
    module = module_path()
    if not module.is_file():
        raise Refused(f"{module} is missing: this distribution was not built for this Python", 1)
    return module


def _no_arguments(name: str, words: list[str]) -> None:
    parser = argparse.ArgumentParser(prog=f"{NAME} {name}")
    parser.parse_args(words)


COMMANDS = {
    "start-server": (start_server, "write a configuration and run httpd with it, until Ctrl-C"),
    "setup-server": (start_server, "write the configuration only; its apachectl starts the server"),
    "module-config": (module_config, "print the lines that load the module into an httpd of your own"),
    "module-location": (module_location, "print the path of the module"),
    "install-module": (install_module, "copy the module to httpd's other modules"),
    "doctor": (doctor, "examine httpd, Python, rights and an application before it is served"),
}

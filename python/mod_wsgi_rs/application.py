"""What the handler script of wsgi-express runs in httpd: it loads the application and calls it for each request.

It runs in any interpreter of a process, sub-interpreters too, and imports nothing but the standard library.
"""

import importlib
import os
import sys
import sysconfig
import traceback
import types
from collections.abc import Iterable

from . import development

__all__ = ["Application", "Resources", "load", "track_changes"]

_tracked: dict[str, int | None] = {}
# What was there before the application.
_first = frozenset(sys.modules)


def track_changes(path: str) -> None:
    """Has the application loaded anew when this file changes too (with --reload-on-changes)."""
    _tracked.setdefault(path, _modified(path))


def load(
    *, kind: str, target: str, callable_object: str, mount_point: str = "/", watch: bool = False, again: bool = False,
    tools: dict[str, str] | None = None, debug: list[str] | None = None,
):  # fmt: skip
    """Loads the application and returns what answers requests. An exception of the application is the caller's: the
    module logs it, answers 500 and tries again with the next request.

    `again`: this process may have loaded it before; what it imported then is forgotten. `debug`: show tracebacks in the
    browser, for these names of the site."""
    tools = tools or {}
    if again:
        _forget_modules()
    development.begin(tools)
    loader = {"script": _load_script, "module": _load_module, "paste": _load_paste}[kind]

    def load_now():
        application, file = loader(target, callable_object)
        return development.wrap(application, tools), file

    if debug is None:
        application, file = load_now()
        return Application(application, file, mount_point, Watch() if watch else None)
    application, file, files = _load_or_show_why(load_now, debug, kind, target)
    return Application(application, file, mount_point, Watch(files) if watch or files else None)


def _load_or_show_why(load_now, debug: list[str], kind: str, target: str):
    """The application, its file, and the files that a failure went through."""
    from . import tracebacks

    try:
        application, file = load_now()
        return tracebacks.Tracebacks(application, debug), file, set()
    except (Exception, SystemExit) as error:
        traceback.print_exception(error)
        instead = tracebacks.NotLoaded(error, lambda: tracebacks.Tracebacks(load_now()[0], debug), debug)
        return instead, "" if kind == "module" else target, instead.files


def _forget_modules() -> None:
    """Has what the application imported imported anew: the modules that are neither Python's nor installed."""
    libraries = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
    own = os.path.dirname(__file__)
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if name in _first or not isinstance(path, str) or path.startswith((*libraries, own)):
            continue
        # An extension module stays: few can be loaded twice.
        if path.endswith((".py", ".pyc")):
            del sys.modules[name]


def _load_script(path: str, name: str):
    module = _execute("__wsgi__", path)
    return getattr(module, name), path


def _execute(name: str, path: str):
    module = types.ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    exec(code, module.__dict__)
    return module


def _load_module(name: str, callable_name: str):
    module = importlib.import_module(name)
    application = module
    for part in callable_name.split("."):
        application = getattr(application, part)
    return application, module.__file__


def _load_paste(path: str, _name: str):
    from paste.deploy import loadapp

    return loadapp(f"config:{path}"), path


class Application:
    """Calls the application with SCRIPT_NAME and PATH_INFO as it expects them.

    httpd has matched the URL with files below the document root; the application is mounted at a URL path."""

    def __init__(self, application, file: str, mount_point: str, watch: "Watch | None"):
        self._application = application
        self._file = file
        self._modified = _modified(file)
        self._mount_point = "" if mount_point == "/" else mount_point
        self._watch = watch

    def __call__(self, environ, start_response):
        path = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
        if "mod_wsgi.mount_point" in environ:
            # A trusted proxy has said where it has mounted the application.
            mount_point = environ["mod_wsgi.mount_point"]
            path = environ["mod_wsgi.script_name"] + environ["PATH_INFO"]
        else:
            mount_point = self._mount_point
        if path == mount_point or path.startswith(mount_point + "/"):
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = mount_point, path[len(mount_point) :]
        else:
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = "", path
        return self._application(environ, start_response)

    def reload_required(self, _resource) -> bool:
        """Asked by the module before each request. True leads to a new process (or a new module where there are none)."""
        return _modified(self._file) != self._modified or (self._watch is not None and self._watch.changed())


class Watch:
    """The files of all modules that are loaded, those that were tracked, and others that are named."""

    def __init__(self, files: Iterable[str] = ()):
        self._files = tuple(files)
        self._modified: dict[str, int | None] = {}
        self.changed()

    def changed(self) -> bool:
        """Whether a file has changed since it was first seen. New modules are remembered as they are."""
        return any([self._differs(path) for path in self._paths()])

    def _paths(self) -> Iterable[str]:
        for module in list(sys.modules.values()):
            path = getattr(module, "__file__", None)
            if isinstance(path, str):
                yield path[:-1] if path.endswith((".pyc", ".pyo")) else path
        self._modified.update((path, when) for path, when in _tracked.items() if path not in self._modified)
        yield from list(_tracked)
        yield from self._files

    def _differs(self, path: str) -> bool:
        now = _modified(path)
        return self._modified.setdefault(path, now) != now


class Resources:
    """Gives each file to the script of its extension."""

    def __init__(self, scripts: dict[str, str]):
        self._modules = {}
        for extension, path in scripts.items():
            letters = "".join(letter if letter.isalnum() else "_" for letter in extension)
            self._modules[extension] = _execute(f"__wsgi_resource{letters}__", path)

    def __call__(self, environ, start_response):
        module = self._module_of(environ["SCRIPT_NAME"])
        answer = getattr(module, "handle_request", None) or module.application
        return answer(environ, start_response)

    def reload_required(self, resource) -> bool:
        module = self._module_of(resource)
        required = getattr(module, "reload_required", None)
        return bool(required and required(resource))

    def _module_of(self, path: str):
        # httpd takes any of the extensions of a name; so is it done here, the last one first.
        for part in reversed(os.path.basename(path).split(".")[1:]):
            if module := self._modules.get("." + part):
                return module
        raise LookupError(f"no handler for the extension of {path}")


def _modified(path: str) -> int | None:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None

"""What the handler script of wsgi-express runs in httpd: it loads the application and calls it for each request.

It runs in any interpreter of a process, sub-interpreters too, and imports nothing but the standard library.
"""

import importlib
import os
import sys
import types
from collections.abc import Iterable

from . import development

__all__ = ["Application", "Resources", "load", "track_changes"]

_tracked: dict[str, int | None] = {}


def track_changes(path: str) -> None:
    """Has the application loaded anew when this file changes too (with --reload-on-changes)."""
    _tracked.setdefault(path, _modified(path))


def load(*, kind: str, target: str, callable_object: str, mount_point: str = "/", watch: bool = False, tools=None):
    """Loads the application and returns what answers requests. An exception of the application is the caller's: the
    module logs it, answers 500 and tries again with the next request."""
    tools = tools or {}
    development.begin(tools)
    loader = {"script": _load_script, "module": _load_module, "paste": _load_paste}[kind]
    application, file = loader(target, callable_object)
    return Application(development.wrap(application, tools), file, mount_point, watch)


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

    def __init__(self, application, file: str, mount_point: str, watch: bool):
        self._application = application
        self._file = file
        self._modified = _modified(file)
        self._mount_point = "" if mount_point == "/" else mount_point
        self._watch = Watch() if watch else None

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
    """The files of all modules that are loaded, and those that were tracked."""

    def __init__(self):
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

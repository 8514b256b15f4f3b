"""Loads an application in a process of its own and tells which extension modules came in with it.

`python -m mod_wsgi_rs.extensions script|module TARGET`, run by `doctor`. Prints one line, `extensions: [...]` in JSON,
each with name, file, distribution, who imported it, and whether it declares that it is safe without the GIL. Python's
own modules are left out.
"""

import ctypes
import importlib.machinery
import importlib.metadata
import json
import sys
import sysconfig
from pathlib import Path

from .application import load

SLOT_GIL = 4  # Py_mod_gil
GIL_NOT_USED = 1  # Py_MOD_GIL_NOT_USED
STANDARD_LIBRARY = Path(sysconfig.get_path("platstdlib"), "lib-dynload")


def main(kind: str, target: str) -> None:
    loaded: list[dict] = []
    _watch(loaded)
    if kind == "script":
        sys.path.insert(0, str(Path(target).resolve().parent))
        load(kind="script", target=target, callable_object="__name__")
    else:
        sys.path.insert(0, "")
        load(kind="module", target=target, callable_object="__name__")
    for extension in loaded:
        extension["distribution"] = _distribution(extension["file"])
    print(f"\nextensions: {json.dumps(loaded)}")


def _watch(loaded: list[dict]) -> None:
    """Has each extension module that is loaded from now on added to the list."""
    loader = importlib.machinery.ExtensionFileLoader
    create = loader.create_module

    def create_module(self, spec):
        before = _gil()
        module = create(self, spec)
        if Path(self.path).parent != STANDARD_LIBRARY:
            switched_on = not before and _gil()
            declared = not switched_on and _declares(module, self.path)
            loaded.append({"name": spec.name, "file": self.path, "imported_by": _importer(), "declared": declared})
        return module

    loader.create_module = create_module


def _gil() -> bool:
    return getattr(sys, "_is_gil_enabled", lambda: True)()


def _declares(module, path: str) -> bool:
    """What the definition of the module says; where it has no slots, whether its file names the call that says it."""
    get_definition = ctypes.pythonapi.PyModule_GetDef
    get_definition.restype, get_definition.argtypes = ctypes.c_void_p, [ctypes.py_object]
    definition = get_definition(module)
    slots = definition and _slots(definition)
    if not slots:
        return b"PyUnstable_Module_SetGIL" in Path(path).read_bytes()
    position = 0
    while slot := ctypes.c_int.from_address(slots + position).value:
        value = ctypes.c_void_p.from_address(slots + position + ctypes.sizeof(ctypes.c_void_p)).value
        if slot == SLOT_GIL:
            return value == GIL_NOT_USED
        position += 2 * ctypes.sizeof(ctypes.c_void_p)
    return False


def _slots(definition: int) -> int | None:
    """`m_slots` of a PyModuleDef: behind the object, the three members of its base, and four of its own."""
    offset = object.__basicsize__ + 7 * ctypes.sizeof(ctypes.c_void_p)
    return ctypes.c_void_p.from_address(definition + offset).value


def _importer() -> str:
    frame = sys._getframe(2)
    while frame and ("importlib" in frame.f_code.co_filename or frame.f_globals.get("__name__") == __name__):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "Python"


def _distribution(file: str) -> str:
    for distribution in importlib.metadata.distributions():
        root = str(distribution.locate_file(""))
        if file.startswith(root) and any(str(distribution.locate_file(f)) == file for f in distribution.files or ()):
            return f"{distribution.name} {distribution.version}"
    return ""


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Imports the module that the query names, uses it a little, and says so."""

import importlib

USES = {
    "ssl": lambda module: module.create_default_context().check_hostname,
    "sqlite3": lambda module: module.connect(":memory:").execute("select 6 * 7").fetchone() == (42,),
    "hashlib": lambda module: module.sha256(b"").hexdigest().startswith("e3b0c442"),
    "zlib": lambda module: module.decompress(module.compress(b"x")) == b"x",
    "bz2": lambda module: module.decompress(module.compress(b"x")) == b"x",
    "lzma": lambda module: module.decompress(module.compress(b"x")) == b"x",
    "ctypes": lambda module: module.sizeof(module.c_int) == 4,
    "decimal": lambda module: str(module.Decimal("0.1") * 3) == "0.3",
    "json": lambda module: module.loads("[1]") == [1],
    "socket": lambda module: module.inet_aton("127.0.0.1") == b"\x7f\x00\x00\x01",
    "uuid": lambda module: len(str(module.uuid4())) == 36,
    "datetime": lambda module: module.date(2000, 1, 1).year == 2000,
    "asyncio": lambda module: module.run(module.sleep(0, "awake")) == "awake",
    "numpy": lambda module: int(module.arange(10).sum()) == 45,
    "markupsafe": lambda module: str(module.escape("<")) == "&lt;",
}


def application(environ, start_response):
    name = environ["QUERY_STRING"]
    worked = USES[name](importlib.import_module(name))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{name} {worked}".encode()]

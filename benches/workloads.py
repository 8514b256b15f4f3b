"""What is asked of the servers: applications, requests, how an answer proves that it is right."""

import dataclasses
import hashlib
import json

MIB = 1024 * 1024
LARGE = 10 * MIB
SMALL_BLOCKS = 50 * 20_000
INTERPRETERS = 16
# Every so many requests of "mixed" is a slow one.
SLOW_EVERY = 100

BROWSER_HEADERS = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.7,de;q=0.3",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Referer": "http://127.0.0.1/a/page/of/the/same/site?with=a&query=string",
    "Connection": "keep-alive",
    "Cookie": "session=0123456789abcdef; " + "; ".join(f"name{number:02}={'v' * 90}" for number in range(20)),
    "Upgrade-Insecure-Requests": "1",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-User": "?1",
    "Priority": "u=0, i",
    "Pragma": "no-cache",
    "Cache-Control": "no-cache",
    "DNT": "1",
    "Sec-GPC": "1",
    "TE": "trailers",
    "X-Requested-With": "XMLHttpRequest",
}


def is_text(text):
    return lambda body: body == text.encode()


def is_bytes(count, of=b"\0"):
    digest = hashlib.sha256(of * count).digest()
    return lambda body: len(body) == count and hashlib.sha256(body).digest() == digest


def is_item(body):
    item = json.loads(body)
    return item["id"] == 7 and item["page"] == 3 and len(item["tags"]) == 10


def is_page_of_books(body):
    # 20 rows, and the sorted first one: the database, the template and the ORM have done their work.
    return body.count(b"<tr class=") == 20 and b"<td>Book 0 Of 2007</td>" in body and b"Books of 2007" in body


@dataclasses.dataclass(frozen=True)
class Workload:
    """`is_right` decides on the body of an answer to the first path."""

    name: str
    title: str
    application: str
    is_right: object
    paths: tuple = ("/",)
    headers: dict = dataclasses.field(default_factory=dict)
    # Bytes of zeros.
    upload: int = 0
    connections: int = 8
    # Worker threads of each server.
    threads: int = 16
    # The null handler answers the same bytes to the same request.
    has_null: bool = False
    # One application group for each path.
    has_groups: bool = False
    http2: bool = False
    # The second path takes the place of every so many requests.
    slow_every: int = 0
    # Open loop: so many connections at most. Requests that find none wait in the generator, and their latency counts.
    waiting_clients: int = 100
    # Parts of the capacity at which the open loop runs.
    loads: tuple = ()

    @property
    def method(self):
        return "POST" if self.upload else "GET"

    def serves(self, variant):
        """Whether the variant can answer it."""
        if variant.is_null:
            return self.has_null
        if variant.is_static:
            return self.name == "down-file"
        if variant.may_refuse:
            return self.name == "overload"
        if self.has_groups:
            return variant.is_module and not variant.daemon
        return variant.speaks_http2 or not self.http2


ALL = [
    Workload("hello", "13 bytes", "hello.py", is_text("Hello, World!"), has_null=True, loads=(0.7, 0.9)),
    Workload(
        "browser",
        "browser-like: 20 headers and a cookie of 2 KB, 16 KiB back with 10 headers",
        "browser.py",
        is_bytes(16 * 1024, b"p"),
        paths=("/page",),
        headers=BROWSER_HEADERS,
        has_null=True,
        loads=(0.7,),
    ),
    Workload("http2", "13 bytes, HTTP/2", "hello.py", is_text("Hello, World!"), has_null=True, http2=True),
    Workload("flask", "Flask, JSON", "flask_json.py", is_item, paths=("/api/items/7?page=3",), loads=(0.7,)),
    Workload(
        "django",
        "Django, a page with the ORM on SQLite and a template",
        "django_page.py",
        is_page_of_books,
        paths=("/books/2007/",),
        loads=(0.7,),
    ),
    Workload("fib", "work for the processor, fib(17)", "fib.py", is_text("1597"), loads=(0.7,)),
    Workload(
        "sleep",
        "a wait of 50 ms, 200 clients",
        "sleep.py",
        is_text("Hello, World!"),
        connections=200,
        # One a client would be enough for the module, but httpd closes idle connections when its last thread is taken.
        threads=250,
    ),
    Workload("up", "1 MiB up", "transfer.py", is_text(str(MIB)), paths=("/up",), upload=MIB, has_null=True),
    Workload("down-block", "10 MiB down, one bytes object", "transfer.py", is_bytes(LARGE), ("/block",), has_null=True),
    Workload("down-chunks", "10 MiB down, pieces of 64 KiB", "transfer.py", is_bytes(LARGE), ("/chunks",), has_null=True),
    Workload("down-file", "10 MiB down, wsgi.file_wrapper", "transfer.py", is_bytes(LARGE), ("/file",)),
    Workload("down-small-one", "1 MB down, one bytes object", "transfer.py", is_bytes(SMALL_BLOCKS), ("/one-small",)),
    Workload(
        "down-small-list",
        "1 MB down, a list of 20,000 blocks of 50 bytes",
        "transfer.py",
        is_bytes(SMALL_BLOCKS),
        ("/small-blocks",),
    ),
    Workload(
        "interpreters",
        f"13 bytes from {INTERPRETERS} sub-interpreters in turn",
        "hello.py",
        is_text("Hello, World!"),
        paths=tuple(f"/{number}" for number in range(INTERPRETERS)),
        has_groups=True,
    ),
    Workload(
        "mixed",
        f"short requests, every {SLOW_EVERY}th computes a hundred times as long",
        "mixed.py",
        is_text("144"),
        paths=("/", "/slow"),
        slow_every=SLOW_EVERY,
        loads=(0.7,),
    ),
    Workload(
        "overload",
        "fib(17) at up to twice the capacity",
        "fib.py",
        is_text("1597"),
        # Enough that a server can refuse some of them.
        waiting_clients=1000,
        loads=(0.25, 0.5, 0.7, 0.9, 1.0, 1.5, 2.0),
    ),
]
BY_NAME = {workload.name: workload for workload in ALL}

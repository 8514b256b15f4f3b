"""Reads the body by a sequence of reads that X-Seed chooses, and compares it with what io.BytesIO gives.

The answer is the body as it was read, or what differs.
"""

import io
import random

SIZES = (0, 0, None, -1, 1, 2, 3, 10, 100, 1000, 8191, 8192, 8193, 65535, 65536, 65537, 200_000, 2**40)


def any_read(choice):
    """One read: a function of the file."""
    name = choice.choice(("read", "read", "read", "readline", "readline", "readlines", "next", "some"))
    size = choice.choice(SIZES)
    if name == "next":
        return "next", lambda file: next(file, b"")
    if name == "some":
        return "for", lambda file: [line for _, line in zip(range(3), file)]
    if name != "readlines" and choice.random() < 0.1:
        return f"{name}()", lambda file: getattr(file, name)()
    return f"{name}({size})", lambda file: getattr(file, name)(size)


def reads_of(seed):
    choice = random.Random(seed)
    return [any_read(choice) for _ in range(choice.randrange(1, 30))]


def application(environ, start_response):
    input = environ["wsgi.input"]
    reads = reads_of(environ["HTTP_X_SEED"])
    given = [read(input) for _, read in reads]
    given.append(input.read())
    body = b"".join(b"".join(result) if isinstance(result, list) else result for result in given)
    # Whether this is the body, the client can tell.
    file = io.BytesIO(body)
    expected = [read(file) for _, read in reads] + [file.read()]
    differences = [
        f"{name}: {one!r:.200} and not {other!r:.200}"
        for (name, _), one, other in zip([*reads, ("read()", None)], given, expected)
        if one != other
    ]
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    names = ", ".join(name for name, _ in reads)
    return ["\n".join([f"differs: {names}", *differences]).encode() if differences else body]

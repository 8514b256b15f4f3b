"""Load on a server, bounded in time or in size, and proof that the answers were right.

Closed loop: so many clients, each of which sends its next request when it has its answer (wrk, h2load). Open loop:
requests at a fixed rate, whatever the server does (benches/generator.c).
"""

import dataclasses
import http.client
import json
import re
import socket
import subprocess
import tempfile

PIECE = 64 * 1024
PATIENCE = 60
# For the open loop: how long the last ones may wait.
OPEN_LOOP_PATIENCE = 20

WRK_REPORT = """
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "seconds": %.6f, "errors": %d, "p50": %.1f, "p99": %.1f, "p999": %.1f}\\n',
    summary.requests, summary.duration / 1e6, errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
"""


@dataclasses.dataclass(frozen=True)
class Window:
    """What the clients got done while they were measured; latencies in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    p999: float

    @property
    def rate(self):
        return self.requests / self.seconds


def closed(workload, port, seconds):
    """All connections of the workload are busy; every answer must be a success."""
    return h2load(workload, port, seconds) if workload.http2 else wrk(workload, port, seconds)


def wrk(workload, port, seconds):
    with tempfile.NamedTemporaryFile("w", prefix="bench-", suffix=".lua") as script:
        script.write(wrk_script(workload))
        script.flush()
        # wrk takes whole seconds.
        length = f"{max(1, round(seconds))}s"
        address = f"http://127.0.0.1:{port}{workload.paths[0]}"
        command = ["wrk", "-t1", f"-c{workload.connections}", "-d", length, "--timeout", "30s", "-s", script.name, address]
        said = output_of(command, seconds)
    found = re.search(r"^RESULT (.*)$", said, re.MULTILINE)
    result = json.loads(found[1]) if found else {"requests": 0, "errors": 0}
    if result["requests"] == 0 and result["errors"] == 0:
        raise RuntimeError(f"no request was answered within {length}")
    if result["errors"] > 0:
        raise RuntimeError(f"wrk met {result['errors']} failures in {result['requests']} requests")
    microseconds = [result[name] / 1e3 for name in ("p50", "p99", "p999")]
    return Window(result["requests"], result["seconds"], *microseconds)


def wrk_script(workload):
    """In Lua: the request, which of its paths each time, and what to report."""
    lines = [f"wrk.method = {lua(workload.method)}"]
    lines += [f"wrk.headers[{lua(name)}] = {lua(value)}" for name, value in workload.headers.items()]
    if workload.upload:
        lines.append(f"wrk.body = string.rep('\\0', {workload.upload})")
    if len(workload.paths) > 1:
        lines.append("local paths, number = {%s}, 0" % ", ".join(map(lua, workload.paths)))
        pick = f"number % {len(workload.paths)} + 1"
        if workload.slow_every:
            pick = f"number % {workload.slow_every} == 0 and 2 or 1"
        # Made beforehand, as wrk does where there is one path.
        lines.append("local made = {}")
        lines.append("function init() for at, path in ipairs(paths) do made[at] = wrk.format(nil, path) end end")
        lines.append(f"function request() number = number + 1; return made[{pick}] end")
    return "\n".join(lines) + WRK_REPORT


def lua(text):
    return json.dumps(text)


def h2load(workload, port, seconds):
    """As many connections, each with one stream at a time, so that it compares with HTTP/1.1."""
    with tempfile.NamedTemporaryFile("r", prefix="bench-") as log:
        length = max(1, round(seconds))
        command = ["h2load", "-t1", f"-c{workload.connections}", "-m1", "-D", str(length), f"--log-file={log.name}"]
        said = output_of([*command, f"http://127.0.0.1:{port}{workload.paths[0]}"], seconds)
        # Start in microseconds, status, duration in microseconds.
        rows = [line.split("\t") for line in log]
    latencies = sorted(int(row[2]) / 1e3 for row in rows if row[1].startswith("2"))
    counted = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", said)
    if not latencies or len(latencies) < len(rows) or not counted or any(int(count) for count in counted.groups()):
        raise RuntimeError(f"h2load met failures:\n{said}")
    at = [latencies[int(len(latencies) * part)] for part in (0.5, 0.99, 0.999)]
    return Window(len(latencies), length, *at)


def output_of(command, seconds):
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + PATIENCE)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")
    return done.stdout


def open_loop(generator, workload, port, rate, warm_up, seconds):
    """What generator.c writes: when the answers came, for each kind of request."""
    files = []
    try:
        for path in workload.paths if workload.slow_every else workload.paths[:1]:
            file = tempfile.NamedTemporaryFile("wb", prefix="bench-request-")
            files.append(file)
            file.write(request_bytes(workload, path))
            file.flush()
        numbers = [port, rate, warm_up, seconds, workload.waiting_clients, OPEN_LOOP_PATIENCE, max(1, workload.slow_every)]
        said = output_of([generator, *map(str, numbers), *(file.name for file in files)], warm_up + seconds + PATIENCE)
    finally:
        for file in files:
            file.close()
    return json.loads(said)


def request_bytes(workload, path):
    headers = {"Host": "127.0.0.1"} | workload.headers
    if workload.upload:
        headers["Content-Length"] = workload.upload
    lines = [f"{workload.method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + bytes(workload.upload)


def check(workload, port):
    """Every path answers with success, and what the workload says is right."""
    for number, path in enumerate(workload.paths):
        # The null handler and a module under httpd have HTTP/1.1 beside; a program may speak HTTP/2 alone.
        body = get_http2(port, path) if workload.http2 else get(workload, port, path)
        if not workload.is_right(body) and not (workload.slow_every and number):
            raise RuntimeError(f"{path}: the answer is not what it must be, {len(body)} bytes: {body[:200]!r}")


def get(workload, port, path):
    """The body of one answer, which must be a success."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(workload.method, path, bytes(workload.upload) or None, workload.headers)
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise RuntimeError(f"{path}: status {response.status}, body {body[:200]!r}")
        return body
    finally:
        connection.close()


def get_http2(port, path):
    command = ["curl", "--silent", "--show-error", "--fail", "--http2-prior-knowledge", f"http://127.0.0.1:{port}{path}"]
    return subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE).stdout


def upload(port, size):
    """Sends `size` bytes; the application must have counted as many."""
    head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"
    piece = bytes(PIECE)
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(head.encode())
        for begin in range(0, size, PIECE):
            connection.sendall(piece[: size - begin])
        response = http.client.HTTPResponse(connection)
        response.begin()
        counted = response.read()
    if counted != b"%d" % size:
        raise RuntimeError(f"uploaded {size} bytes, the application answered {response.status} {counted[:200]!r}")


def download(port, size):
    """Asks for `size` generated bytes; as many must arrive."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", f"/?{size}", headers={"Connection": "close"})
        response = connection.getresponse()
        received = 0
        while piece := response.read(PIECE):
            received += len(piece)
    finally:
        connection.close()
    if response.status != 200 or received != size:
        raise RuntimeError(f"asked for {size} bytes, got {received} with status {response.status}")

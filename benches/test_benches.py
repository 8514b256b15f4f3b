"""The benchmark itself: that the open loop omits nothing, that documents say what the results say, that presets name what exists.

tests/benches.rs runs these with unittest; none of them measures the module.
"""

import contextlib
import http.server
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))

import environment  # noqa: E402  (after the path)
import load  # noqa: E402
import measure  # noqa: E402
import presets  # noqa: E402
import results  # noqa: E402
import targets  # noqa: E402
import workloads  # noqa: E402

STALL = 0.5


class Stub(http.server.BaseHTTPRequestHandler):
    """Answers at once, but for the request whose number is `stalls`; refuses each `refuses`-th."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    served, stalls, refuses, chunked, closes = 0, None, None, False, False
    lock = threading.Lock()

    def do_GET(self):
        with self.lock:
            type(self).served += 1
            number = self.served
            if number == self.stalls:
                # With the lock: nobody is answered meanwhile.
                time.sleep(STALL)
        if self.refuses and number % self.refuses == 0:
            self.send_response(503)
        else:
            self.send_response(200)
        if self.closes:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.send_header(*(("Transfer-Encoding", "chunked") if self.chunked else ("Content-Length", "13")))
        self.end_headers()
        self.wfile.write(b"6\r\nHello,\r\n7\r\n World!\r\n0\r\n\r\n" if self.chunked else b"Hello, World!")

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128


@contextlib.contextmanager
def stub(**behaviour):
    handler = type("Handler", (Stub,), behaviour)
    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


class OpenLoop(unittest.TestCase):
    """benches/generator.c against a server in this process."""

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="bench-test-")
        cls.generator = environment.build_generator(pathlib.Path(cls.directory.name))

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def run_at(self, port, rate, seconds, workload="hello"):
        return load.open_loop(self.generator, workloads.BY_NAME[workload], port, rate, 0, seconds)["kinds"]

    def test_requests_that_were_due_while_the_server_stood_still_count_from_when_they_were_due(self):
        rate = 100
        with stub(stalls=20) as port:
            (kind,) = self.run_at(port, rate, 1)
        self.assertEqual(kind["statuses"], {"200": kind["good"]["count"]})
        self.assertGreater(kind["good"]["max"], STALL * 0.95)
        # Half of the requests were due within the stall. A client that waits for its answer would have sent one of them,
        # and its p99 would be that of an idle server.
        self.assertGreater(kind["good"]["p99"], STALL * 0.5)

    def test_what_is_refused_is_counted_apart(self):
        with stub(refuses=5) as port:
            (kind,) = self.run_at(port, 200, 0.5)
        self.assertEqual(kind["bad"]["count"], kind["statuses"]["503"])
        self.assertEqual(kind["bad"]["count"], (kind["good"]["count"] + kind["bad"]["count"]) // 5)

    def test_chunks_and_closed_connections_are_answers(self):
        for behaviour in ({"chunked": True}, {"closes": True}, {"chunked": True, "closes": True}):
            with self.subTest(behaviour), stub(**behaviour) as port:
                (kind,) = self.run_at(port, 100, 0.3)
                self.assertGreater(kind["good"]["count"], 5)
                self.assertEqual(kind["bad"]["count"], 0, kind["statuses"])

    def test_every_so_many_requests_are_of_the_second_kind(self):
        with stub() as port:
            fast, slow = self.run_at(port, 400, 1, "mixed")
        everything = fast["good"]["count"] + slow["good"]["count"]
        self.assertEqual(slow["good"]["count"], everything // workloads.SLOW_EVERY)

    def test_all_servers_meet_the_same_moments(self):
        with stub() as port:
            first, second = (self.run_at(port, 100, 0.5)[0]["good"]["count"] for _ in range(2))
        self.assertEqual(first, second)


def a_run(rate=100.0):
    record = {"workload": "hello", "variant": "ours-ft", "load": "closed"}
    sample = {"rate": rate, "cpu_us": 10.0, "p50_ms": 0.1, "p99_ms": 1.0, "p999_ms": 2.0}
    memory = {"pss_at_rest_kib": 10240, "pss_after_kib": 10250}
    machine = {"processor": "a", "cores": 2, "kernel": "k", "httpd": "h", "load_before": 0.5}
    head = {"label": "3.13t", "when": "now", "command": "make bench", "commit": "c", "machine": machine}
    return head | {
        "pythons": {"3.13t": {"version": "3.13.5", "packages": {"flask": "3.1.3"}}},
        "rounds": 1,
        "seconds": 2,
        "variants": {"ours-ft": "this module, embedded, free-threaded"},
        "records": [record | {"samples": [sample | memory]}],
    }


class Documents(unittest.TestCase):
    """benches/plot.py, with a project of its own."""

    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="bench-test-")
        self.addCleanup(self.directory.cleanup)
        self.project = pathlib.Path(self.directory.name)
        (self.project / "docs").mkdir()
        block = "before\n<!-- figures: summary -->\n<!-- end of figures -->\nafter\n"
        (self.project / "README.md").write_text(block)
        (self.project / "docs" / "speed.md").write_text(block.replace("summary", "source"))

    def plot(self, *words):
        return subprocess.run(
            [sys.executable, HERE / "plot.py", "--project", self.project, *words], capture_output=True, text=True
        )

    def record(self, **figures):
        results.write(self.project / "docs/performance/results.json", a_run(**figures))

    def test_documents_quote_the_results_and_a_figure_that_was_changed_by_hand_is_found(self):
        self.record(rate=12345.0)
        self.assertEqual(self.plot("--check").returncode, 1)
        self.assertEqual(self.plot().returncode, 0)
        self.assertEqual(self.plot("--check").returncode, 0)
        readme = self.project / "README.md"
        text = readme.read_text()
        self.assertIn("12,345", text)
        self.assertTrue(text.startswith("before\n") and text.endswith("after\n"), text)
        readme.write_text(text.replace("12,345", "99,999"))
        found = self.plot("--check")
        self.assertEqual((found.returncode, found.stdout.split()[0]), (1, "README.md"))

    def test_a_new_run_takes_the_place_of_the_one_of_the_same_python(self):
        self.record(rate=100.0)
        self.record(rate=200.0)
        (run,) = results.read(self.project / "docs/performance/results.json")
        self.assertEqual(run["records"][0]["samples"][0]["rate"], 200.0)
        self.assertEqual(json.loads((self.project / "docs/performance/results.json").read_text())["format"], 1)

    def test_a_run_may_add_to_the_one_of_the_same_python_workload_by_workload(self):
        path = self.project / "docs/performance/results.json"
        results.write(path, a_run(100.0))
        fib = a_run(7.0)
        fib["records"][0]["workload"] = "fib"
        results.write(path, fib, keeps_others=True)
        results.write(path, a_run(300.0), keeps_others=True)
        (run,) = map(results.Run, results.read(path))
        self.assertEqual([run.median(name, "ours-ft", "rate") for name in ("hello", "fib")], [300.0, 7.0])

    def test_a_record_with_an_error_is_no_result(self):
        broken = a_run()
        broken["records"][0]["error"] = "wrk met 1 failures"
        self.assertIsNone(results.Run(broken).median("hello", "ours-ft", "rate"))

    def test_the_documents_of_the_project_are_what_its_results_say(self):
        found = subprocess.run([sys.executable, HERE / "plot.py", "--check"], capture_output=True, text=True)
        self.assertEqual(found.returncode, 0, found.stdout + found.stderr)


class Names(unittest.TestCase):
    def test_presets_name_workloads_that_exist(self):
        known = {*workloads.BY_NAME, *measure.EXTRAS, presets.ALL}
        for preset in presets.PRESETS.values():
            named = {name for names, _ in preset.choices for name in names.split()}
            named |= set(preset.opened.split()) | set(preset.traced.split())
            self.assertLessEqual(named, known)

    def test_quick_measures_what_the_targets_need(self):
        """Each target is a number when each record is there; what is not quick is named here."""
        every = [(name, variant) for names, found in presets.PRESETS["quick"].choices for name in names.split() for variant in found]
        run = a_run()
        run["records"] = []
        for name, variant in every:
            sample = {"rate": 1.0, "cpu_us": 1.0, "p99_ms": 1.0, "pss_kib": 1024}
            for loop in ("closed", "open 0.7", "open 0.9", "open 2"):
                run["records"].append({"workload": name, "variant": variant, "load": loop, "samples": [sample] * 3})
        missing = [figure.name for figure in targets.figures(results.Run(run)) if figure.measured is None]
        slow = ("wsgi.file_wrapper", "futex", "sched_yield", "memory that", "growth", "ours-daemon-ft, against 90 %")
        self.assertEqual([name for name in missing if not any(word in name for word in slow)], [])


class Applications(unittest.TestCase):
    def test_a_copy_has_what_the_applications_read_and_no_compiled_files(self):
        with tempfile.TemporaryDirectory(prefix="bench-test-") as directory:
            place = environment.copy_applications(pathlib.Path(directory))
            names = {path.name for path in place.iterdir()}
            self.assertLessEqual({workload.application for workload in workloads.ALL}, names)
            self.assertLessEqual({"library.sqlite3", "large.bin"}, names)
            self.assertNotIn("__pycache__", names)


if __name__ == "__main__":
    unittest.main()

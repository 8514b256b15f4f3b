"""A real Prometheus scrapes wsgi-status, and answers what was counted; the alerts of docs/status.md load in it.

    MOD_WSGI_MODULE=... python3 tests/operator/prometheus.py
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

from server import Httpd, free_port, wait_for

CONF = """
WSGIDaemonProcess group processes=2 threads=4
WSGIScriptAlias /here {root}/app.wsgi application-group=%{{GLOBAL}}
WSGIScriptAlias /there {root}/app.wsgi process-group=group application-group=%{{GLOBAL}}
"""

PROMETHEUS = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: wsgi
    metrics_path: /status
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "status.md"
EXPECTED = {"2xx": 30, "4xx": 5}


def documented_rules():
    blocks = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    return next(block for block in blocks if "alert:" in block)


def main():
    httpd, port = Httpd(CONF), free_port()
    prometheus = None
    try:
        httpd.start()
        with tempfile.TemporaryDirectory() as directory:
            root = pathlib.Path(directory)
            (root / "prometheus.yml").write_text(PROMETHEUS.format(port=httpd.port))
            (root / "rules.yml").write_text(documented_rules())
            subprocess.run(["promtool", "check", "config", root / "prometheus.yml"], check=True)
            arguments = [f"--config.file={root}/prometheus.yml", f"--storage.tsdb.path={root}/data", f"--web.listen-address=127.0.0.1:{port}"]
            with open(root / "log", "w") as log:
                prometheus = subprocess.Popen(["prometheus", *arguments], stderr=log)

            def ask(path):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}", timeout=10) as response:
                    return json.load(response)["data"]

            def query(expression):
                result = ask("query?" + urllib.parse.urlencode({"query": expression}))["result"]
                return {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in result}

            def is_up():
                try:
                    return list(query("up").values()) == [1.0]
                except OSError:
                    return False

            wait_for("the first scrape", is_up)
            for mount in ("/here", "/there"):
                for _ in range(EXPECTED["2xx"]):
                    httpd.get(f"{mount}/plain")
                for _ in range(EXPECTED["4xx"]):
                    httpd.get(f"{mount}/missing")

            def all_counted():
                found = query("wsgi_requests_total{outcome=~'2xx|4xx',mode!='refused'}")
                return found if sum(found.values()) == 2 * sum(EXPECTED.values()) else None

            found = wait_for("all requests in Prometheus", all_counted)
            for labels, value in sorted(found.items()):
                labels = dict(labels)
                print(f"wsgi_requests_total mode={labels['mode']} group={labels.get('group', '')!r} outcome={labels['outcome']}: {value:.0f}")
                assert value == EXPECTED[labels["outcome"]], found
            for expression in (
                "sum by (mode) (http_server_request_duration_seconds_count{mode!='refused'})",
                "histogram_quantile(0.95, sum by (le) (http_server_request_duration_seconds_bucket))",
                "sum(rate(wsgi_requests_total[30s])) > bool 0",
                "sum(wsgi_group_processes{state='ready'})",
                "sum(wsgi_process_memory_bytes) > bool 1e6",
            ):
                print(f"{expression} = {list(query(expression).values())}")
            rules = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
            wait_for("the rules to be evaluated", lambda: all(rule["health"] == "ok" for group in ask("rules")["groups"] for rule in group["rules"]))
            print("alerts:", ", ".join(f"{rule['name']} {rule['state']}" for rule in rules))
            target = ask("targets")["activeTargets"][0]
            print(f"scrape: {target['health']}, {target['lastScrapeDuration'] * 1000:.1f} ms, last error {target['lastError']!r}")
            prometheus.terminate()
            prometheus.wait(30)
            bad = [line for line in (root / "log").read_text().splitlines() if "level=error" in line or ("level=warn" in line and "SIGTERM" not in line)]
            print("\n".join(bad))
            return 1 if bad else 0
    finally:
        if prometheus and prometheus.poll() is None:
            prometheus.kill()
        httpd.remove()


if __name__ == "__main__":
    sys.exit(main())

"""Measures a command while visitors wait: run.py ROADWORKS [--times N]

One gateway and a folder's store. How much longer `run hold -- true` takes than `true`, on an idle site; and how long after the last answer of
a request of before the gateway says that it has drained, and `hold` comes back.
"""

import argparse
import http.client
import http.server
import json
import platform
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path


class App(http.server.BaseHTTPRequestHandler):
    """Answers /slow only once `go` is set."""

    protocol_version = "HTTP/1.1"
    asked, go = threading.Event(), threading.Event()

    def do_GET(self):
        if self.path == "/slow":
            App.asked.set()
            App.go.wait()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Site:
    """A served site in a folder of its own."""

    def __init__(self, roadworks, folder, app):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.roadworks, self.folder = roadworks, Path(folder)
        (self.folder / "roadworks.hcl").write_text(
            f"""site "shop" {{
  hosts = ["shop.example.com"]
  gateway {{
    listen    = ["127.0.0.1:{self.port}"]
    upstreams = ["http://127.0.0.1:{app}"]
  }}
}}
"""
        )
        self.serving = subprocess.Popen([roadworks, "serve"], cwd=folder, stderr=subprocess.DEVNULL)
        self.until(lambda beat: any(upstream["healthy"] for upstream in beat.get("upstreams", [])))

    def start(self, *words):
        quiet = subprocess.DEVNULL
        return subprocess.Popen([self.roadworks, *words], cwd=self.folder, stdout=quiet, stderr=quiet)

    def run(self, *words):
        code = self.start(*words).wait()
        if code != 0:
            raise SystemExit(f"roadworks {' '.join(words)}: exit code {code}")

    def beat(self):
        """What the gateway has told last."""
        for path in self.folder.glob(".roadworks/shop/gateways/*.json"):
            return json.loads(path.read_text())
        return {}

    def until(self, holds, pause=0.0):
        since = time.perf_counter()
        while not holds(self.beat()):
            if time.perf_counter() - since > 30:
                raise SystemExit(f"it never comes: the gateway says {self.beat()}")
            time.sleep(pause)
        return time.perf_counter()

    def ask(self, path):
        """When its answer was whole."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("GET", path, headers={"Host": "shop.example.com"})
        connection.getresponse().read()
        return time.perf_counter()


def took(words, site=None):
    began = time.perf_counter()
    site.run(*words) if site else subprocess.run(words, check=True)
    return time.perf_counter() - began


def drained(site):
    """How long after the last answer the gateway said that it has drained, and `hold` came back."""
    App.asked.clear()
    App.go.clear()
    answered = []
    visitor = threading.Thread(target=lambda: answered.append(site.ask("/slow")))
    visitor.start()
    App.asked.wait()
    hold = site.start("hold", "--yes")
    site.until(lambda beat: beat.get("mode") == "hold", 0.005)
    time.sleep(0.2)
    if site.beat()["drain"] != "draining":
        raise SystemExit("it has drained while a request runs")
    App.go.set()
    told = site.until(lambda beat: beat.get("drain") == "drained")
    hold.wait()
    back = time.perf_counter()
    visitor.join()
    site.run("open", "--yes")
    return told - answered[0], back - answered[0]


def main():
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("roadworks")
    words.add_argument("--times", type=int, default=20)
    words = words.parse_args()
    app = http.server.ThreadingHTTPServer(("127.0.0.1", 0), App)
    threading.Thread(target=app.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        site = Site(words.roadworks, folder, app.server_port)
        try:
            alone = statistics.median(took(["true"]) for _ in range(words.times))
            runs = [took(["run", "hold", "--yes", "--", "true"], site) - alone for _ in range(words.times)]
            told, back = zip(*(drained(site) for _ in range(words.times)))
        finally:
            site.serving.terminate()
            site.serving.wait()
    print(f"{words.times} times, {platform.machine()}\n\n| what | median | most |\n|---|---|---|")
    for name, seconds in [
        ("`run hold --yes -- true`, over `true`", runs),
        ("last answer to the gateway's word that it has drained", told),
        ("last answer to the end of `hold`", back),
    ]:
        print(f"| {name} | {statistics.median(seconds) * 1000:.1f} ms | {max(seconds) * 1000:.1f} ms |")


main()

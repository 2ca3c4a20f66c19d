"""Measures a fleet: fleet.py ROADWORKS S3_ENDPOINT [--gateways N] [--moves N] [--idle SECONDS]

So many gateways on one store, first a folder, then a bucket. From the log of each move: the switch was written, every gateway has
confirmed and drained. Then what one gateway costs while nothing happens.
"""

import argparse
import http.server
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from datetime import datetime
from pathlib import Path

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def note(text):
    print(text, file=sys.stderr, flush=True)


class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def configuration(store, app):
    return f"""{store}
serve {{
  admin = "127.0.0.1:0"
}}
site "shop" {{
  hosts = ["shop.example.com"]
  gateway {{
    listen    = ["127.0.0.1:0"]
    upstreams = ["http://127.0.0.1:{app}"]
    health {{
      interval = "30s"
    }}
  }}
}}
"""


def run(binary, folder, *words):
    command = [binary, "--json", *words]
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.stderr}")
    return json.loads(done.stdout)


def cpu(pid):
    """Seconds of a core that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Fleet:
    def __init__(self, binary, store, app, count):
        self.binary, self.folders, self.processes = binary, [], []
        for _ in range(count):
            folder = tempfile.TemporaryDirectory(prefix="roadworks-fleet-")
            Path(folder.name, "roadworks.hcl").write_text(configuration(store, app))
            command = [binary, "serve", "--role", "gateway"]
            null = subprocess.DEVNULL
            process = subprocess.Popen(command, cwd=folder.name, env=ENVIRONMENT, stdout=null, stderr=null)
            self.folders.append(folder)
            self.processes.append(process)
        self.here = self.folders[0].name
        until = time.monotonic() + 60
        while len(run(binary, self.here, "status")["gateways"]) < count:
            if time.monotonic() > until:
                raise SystemExit("not every gateway has told of itself within a minute")
            time.sleep(0.2)

    def moves(self, count):
        """Seconds from the switch written to all confirmed, of each move."""
        took = []
        for number in range(count):
            done = run(self.binary, self.here, ("close", "open")[number % 2], "--yes")
            entries = run(self.binary, self.here, "log")["entries"]
            at = {entry["event"]: entry["at"] for entry in entries if entry["operation"] == done["operation"]}
            moment = lambda event: datetime.fromisoformat(at[event].replace("Z", "+00:00"))
            took.append((moment("moved") - moment("asked")).total_seconds())
        return took

    def idle(self, seconds):
        """The part of a core that a gateway needs while nothing happens."""
        before = [cpu(process.pid) for process in self.processes]
        time.sleep(seconds)
        used = [cpu(process.pid) - one for process, one in zip(self.processes, before)]
        return statistics.mean(used) / seconds

    def end(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait()
        for folder in self.folders:
            folder.cleanup()


def bucket(endpoint):
    name = f"roadworks-{os.getpid()}"
    signed = "AWS4-HMAC-SHA256 Credential=test/20261123/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
    made = urllib.request.Request(f"{endpoint}/{name}", method="PUT", headers={"Authorization": signed})
    urllib.request.urlopen(made).read()
    return f'store {{\n  url      = "s3://{name}/state"\n  endpoint = "{endpoint}"\n  region   = "us-east-1"\n}}'


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("roadworks")
    parser.add_argument("endpoint")
    parser.add_argument("--gateways", type=int, default=20)
    parser.add_argument("--moves", type=int, default=20)
    parser.add_argument("--idle", type=int, default=30)
    args = parser.parse_args()
    app = http.server.ThreadingHTTPServer(("127.0.0.1", 0), App)
    threading.Thread(target=app.serve_forever, daemon=True).start()
    shared = tempfile.TemporaryDirectory(prefix="roadworks-store-")
    stores = [
        ("a folder", f'store {{\n  url = "file://{shared.name}"\n}}', "under 100 ms"),
        ("a bucket", bucket(args.endpoint), "under 2 s"),
    ]
    print(f"\nscript/bench fleet, {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores of {processor()}; {args.gateways} gateways\n")
    print("| store | switch written to all confirmed: median / worst | wanted | a gateway while nothing happens |")
    print("|---|---|---|---|")
    for name, store, wanted in stores:
        note(f"{name}: {args.gateways} gateways")
        fleet = Fleet(args.roadworks, store, app.server_address[1], args.gateways)
        try:
            took = fleet.moves(args.moves)
            idle = fleet.idle(args.idle)
        finally:
            fleet.end()
        median, worst = statistics.median(took) * 1000, max(took) * 1000
        print(f"| {name} | {median:.0f} ms / {worst:.0f} ms | {wanted} | {idle:.2%} of a core |", flush=True)
    shared.cleanup()


def processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()

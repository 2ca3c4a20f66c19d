"""Measures our nameserver beside BIND and Knot: dns.py ROADWORKS [--rounds N] [--flips N] [--seconds N]

The same client flips all three: one signed update (TSIG) by UDP with the exact old addresses as its prerequisite, and then
questions, one after another, until the first answer that has the new ones. A server has core 0 for itself, whoever asks has core 1.
The servers take turns in every round. All write to the same disk, and each keeps what it confirmed as its defaults have it.
"""

import argparse
import base64
import hashlib
import hmac
import multiprocessing
import os
import platform
import random
import re
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

SERVER_CORE, CLIENT_CORE = {0}, {min(1, os.cpu_count() - 1)}
SECRET = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
SIDES = (("192.0.2.1", "192.0.2.2"), ("198.51.100.1", "198.51.100.2"))
A, SOA, NONE, ANY, IN = 1, 6, 254, 255, 1
UPDATE = 5


def note(text):
    print(text, file=sys.stderr, flush=True)


def free_port():
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            try:
                tcp.bind(udp.getsockname())
            except OSError:
                continue
            return udp.getsockname()[1]


def name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"


ZONE, SHOP, KEY, HMAC = name("example.test"), name("shop.example.test"), name("bench"), name("hmac-sha256")


def record(kind, of, ttl, data=b""):
    return SHOP + struct.pack(">HHIH", kind, of, ttl, len(data)) + data


def question(number):
    return struct.pack(">HHHHHH", number, 0, 1, 0, 0, 0) + SHOP + struct.pack(">HH", A, IN)


def update(number, before, after):
    """One that takes exactly `before` away and puts `after` there, signed."""
    required = [record(A, IN, 0, socket.inet_aton(ip)) for ip in before]
    done = [record(A, ANY, 0)] + [record(A, IN, 5, socket.inet_aton(ip)) for ip in after]
    body = ZONE + struct.pack(">HH", SOA, IN) + b"".join(required + done)
    head = lambda more: struct.pack(">HHHHHH", number, UPDATE << 11, 1, len(required), len(done), more)
    now = struct.pack(">HI", 0, int(time.time())) + struct.pack(">H", 300)
    signed = head(0) + body + KEY + struct.pack(">HI", ANY, 0) + HMAC + now + struct.pack(">HH", 0, 0)
    mac = hmac.new(base64.b64decode(SECRET), signed, hashlib.sha256).digest()
    data = HMAC + now + struct.pack(">H", len(mac)) + mac + struct.pack(">HHH", number, 0, 0)
    return head(1) + body + KEY + struct.pack(">HHIH", 250, ANY, 0, len(data)) + data


def addresses(answer):
    """What an answer to `question` says, as a set; names in it are pointers or written out."""
    count, place = struct.unpack(">H", answer[6:8])[0], 12 + len(SHOP) + 4
    found = set()
    for _ in range(count):
        place += 2 if answer[place] >= 192 else len(SHOP)
        kind, _, _, length = struct.unpack(">HHIH", answer[place:place + 10])
        if kind == A:
            found.add(socket.inet_ntoa(answer[place + 10:place + 14]))
        place += 10 + length
    return found


def client(port):
    asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asker.connect(("127.0.0.1", port))
    asker.settimeout(5)
    return asker


def ask(asker, number):
    asker.send(question(number))
    while True:
        answer = asker.recv(4096)
        if answer[:2] == struct.pack(">H", number):
            return answer


def load(port, over, told):
    """Asks until it is over; tells how many answers came, and how many were neither of the two."""
    os.sched_setaffinity(0, CLIENT_CORE)
    asker, whole, count, torn = client(port), [set(side) for side in SIDES], 0, 0
    while not over.is_set():
        count += 1
        torn += addresses(ask(asker, count % 65536)) not in whole
    told.put((count, torn))


class Server:
    """One that is measured, in a folder of its own."""

    def __init__(self, called, folder, roadworks):
        self.called, self.folder, self.roadworks, self.side = called, f"{folder}/{called}", roadworks, 0
        self.took, self.loaded, self.queries, self.answers, self.torn = [], [], [], 0, 0
        os.makedirs(self.folder)
        with open(f"{self.folder}/zone", "w") as file:
            file.write("$ORIGIN example.test.\n$TTL 60\n@ SOA ns.example.test. ana.example.test. 1 3600 600 86400 30\n@ NS ns.example.test.\n"
                       "ns A 127.0.0.1\n" + "".join(f"shop 5 A {ip}\n" for ip in SIDES[0]))
        self.port = free_port()
        command = {"BIND": self.bind, "Knot": self.knot, "Roadworks": self.ours}[called]()
        self.log = open(f"{self.folder}/log", "w+")
        pin = lambda: os.sched_setaffinity(0, SERVER_CORE)
        self.process = subprocess.Popen(command, cwd=self.folder, stdout=self.log, stderr=self.log, preexec_fn=pin)
        self.await_answer()

    def write(self, file, text):
        with open(f"{self.folder}/{file}", "w") as out:
            out.write(text)

    def bind(self):
        self.write("named.conf", f"""
options {{ directory "{self.folder}"; listen-on port {self.port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; pid-file "{self.folder}/pid";
  session-keyfile "{self.folder}/session"; lock-file none; recursion no; dnssec-validation no; notify no; }};
controls {{ }};
logging {{ category default {{ null; }}; category update {{ null; }}; category update-security {{ null; }}; }};
key "bench" {{ algorithm hmac-sha256; secret "{SECRET}"; }};
zone "example.test" {{ type primary; file "zone"; update-policy {{ grant bench zonesub ANY; }}; }};
""")
        return ["named", "-f", "-n", "1", "-c", f"{self.folder}/named.conf"]

    def knot(self):
        self.write("knot.conf", f"""
server:
  rundir: "{self.folder}"
  listen: 127.0.0.1@{self.port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: "{self.folder}"
log:
  - target: stderr
    any: error
key:
  - id: bench
    algorithm: hmac-sha256
    secret: {SECRET}
acl:
  - id: bench
    key: bench
    action: [update, transfer]
zone:
  - domain: example.test
    storage: "{self.folder}"
    file: zone
    acl: bench
    zonefile-sync: -1
""")
        return ["knotd", "-c", f"{self.folder}/knot.conf"]

    def ours(self):
        values = ", ".join(f'"{ip}"' for ip in SIDES[0])
        self.write("roadworks.hcl", f"""
nameserver "example.test" {{
  listen = ["127.0.0.1:{self.port}"]
  record "shop" {{
    type   = "A"
    ttl    = 5
    values = [{values}]
  }}
  key "bench" {{
    secret = "{SECRET}"
  }}
}}
""")
        return [self.roadworks, "serve"]

    def await_answer(self):
        began, asker = time.monotonic(), client(self.port)
        asker.settimeout(0.1)
        while time.monotonic() - began < 20:
            try:
                if addresses(ask(asker, 1)) == set(SIDES[0]):
                    return
            except OSError:
                time.sleep(0.02)
        self.log.seek(0)
        sys.exit(f"{self.called} does not answer:\n{self.log.read()}")

    def flip(self, asker, updater):
        """Milliseconds from the sending of an update to the first answer with the new addresses."""
        number, before = random.randrange(65536), self.side
        self.side = 1 - before
        message, wanted = update(number, SIDES[before], SIDES[self.side]), set(SIDES[self.side])
        began = time.perf_counter()
        updater.send(message)
        while addresses(ask(asker, number)) != wanted:
            if time.perf_counter() - began > 10:
                sys.exit(f"{self.called} does not flip: {updater.recv(4096)[:4].hex()}")
        took = time.perf_counter() - began
        code = updater.recv(4096)[3] & 15
        if code != 0:
            sys.exit(f"{self.called} answers an update with {code}")
        return took * 1000

    def flips(self, count):
        asker, updater = client(self.port), client(self.port)
        return [self.flip(asker, updater) for _ in range(count)]

    def under_load(self, count):
        over, told = multiprocessing.Event(), multiprocessing.Queue()
        askers = [multiprocessing.Process(target=load, args=(self.port, over, told)) for _ in range(2)]
        for asker in askers:
            asker.start()
        self.loaded += self.flips(count)
        over.set()
        for _ in askers:
            answers, torn = told.get()
            self.answers, self.torn = self.answers + answers, self.torn + torn
        for asker in askers:
            asker.join()

    def per_second(self, seconds):
        self.write("questions", "shop.example.test A\n")
        command = ["dnsperf", "-s", "127.0.0.1", "-p", str(self.port), "-d", f"{self.folder}/questions", "-l", str(seconds), "-c", "4", "-T", "1"]
        pin = lambda: os.sched_setaffinity(0, CLIENT_CORE)
        text = subprocess.run(command, capture_output=True, text=True, check=True, preexec_fn=pin).stdout
        lost = int(re.search(r"Queries lost:\s+(\d+)", text)[1])
        if lost:
            note(f"{self.called} lost {lost} questions")
        self.queries.append(float(re.search(r"Queries per second:\s+([\d.]+)", text)[1]))

    def stop(self):
        self.process.kill()
        self.process.wait()


def both(took):
    """Median and p99."""
    return f"{statistics.median(took):.2f} ms / {statistics.quantiles(took, n=100)[98]:.2f} ms"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("roadworks")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--flips", type=int, default=1000, help="of each server, quiet and once more under load")
    parser.add_argument("--seconds", type=int, default=5)
    asked = parser.parse_args()
    os.sched_setaffinity(0, CLIENT_CORE)
    folder, servers = tempfile.mkdtemp(), []
    try:
        for called in ("Roadworks", "BIND", "Knot"):
            servers.append(Server(called, folder, os.path.abspath(asked.roadworks)))
        for number in range(asked.rounds):
            for server in servers:
                note(f"round {number + 1}: {server.called}")
                server.took += server.flips(asked.flips // asked.rounds)
                server.under_load(asked.flips // asked.rounds)
                server.per_second(asked.seconds)
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    processor = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    print(f"\nscript/bench dns, {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores of {processor}, one for the server; {asked.rounds} rounds in turns\n")
    print("| what | " + " | ".join(server.called for server in servers) + " | wanted |")
    print("|---" * (len(servers) + 2) + "|")
    row = lambda what, cells, wanted: print(f"| {what} | " + " | ".join(cells) + f" | {wanted} |")
    row("flip to the first new answer, median / p99", [both(server.took) for server in servers], "under 5 ms")
    row("the same while two others ask", [both(server.loaded) for server in servers], "")
    row("torn answers meanwhile", [f"{server.torn} of {server.answers:,}" for server in servers], "none")
    row("questions answered per second", [f"{statistics.median(server.queries):,.0f}" for server in servers], "")
    sys.exit(any(server.torn for server in servers))


main()

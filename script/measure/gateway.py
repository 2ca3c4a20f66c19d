"""Measures the gateway beside nginx, HAProxy and Caddy: gateway.py ROADWORKS [--rounds N] [--seconds N] [--only WORD] [--peers-only]

Whatever is measured has core 0 for itself; clients and the app behind it have core 1. The proxies take turns in every
round, and the medians of all rounds are told. CPU is utime + stime of /proc/PID/stat over the whole process tree, by the
requests that the client counted. One loopback machine: compare the columns with each other, not with other machines.
"""

import argparse
import os
import platform
import re
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TICKS = os.sysconf("SC_CLK_TCK")
PROXY_CORE, CLIENT_CORE = {0}, {min(1, os.cpu_count() - 1)}
PAGE = "<!doctype html><html lang=en><title>Maintenance</title><p>" + "We are moving to a bigger database. " * 54
PAGE = PAGE[:2042] + "</p>"
HOST = "shop.example.com"
# The folder is of whoever runs this, and so are those who read it.
AS = "user root; " if os.geteuid() == 0 else ""
NAMES = ["nginx", "HAProxy", "Caddy", "Roadworks"]


def note(text):
    print(text, file=sys.stderr, flush=True)


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def spawn(command, cores, **more):
    return subprocess.Popen(command, preexec_fn=lambda: os.sched_setaffinity(0, cores), stdout=more.pop("stdout", subprocess.DEVNULL),
                            stderr=more.pop("stderr", subprocess.DEVNULL), **more)


def tree(pid):
    pids = [pid]
    for task in os.listdir(f"/proc/{pid}/task"):
        for child in open(f"/proc/{pid}/task/{task}/children").read().split():
            pids += tree(int(child))
    return pids


def cpu(pid):
    """Seconds of CPU that the tree has used."""
    ticks = 0
    for one in tree(pid):
        fields = open(f"/proc/{one}/stat").read().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def resident(pid):
    """KiB of memory of the tree; what is shared is counted once."""
    total = 0
    for one in tree(pid):
        text = open(f"/proc/{one}/smaps_rollup").read()
        total += int(re.search(r"Pss:\s+(\d+)", text)[1])
    return total


def answers(port, path="/"):
    """The status of a first request, or None."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as client:
            client.settimeout(1)
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
            head = client.recv(4096)
            return int(head[9:12]) if head.startswith(b"HTTP/1.1 ") else None
    except OSError:
        return None


def wait_for(port, path="/", status=None, deadline=20):
    began = time.monotonic()
    while time.monotonic() - began < deadline:
        found = answers(port, path)
        if found is not None and status in (None, found):
            return time.monotonic() - began
        time.sleep(0.0005)
    sys.exit(f"nothing answers at {port}{path}")


class App:
    """The app behind the proxies: nginx, with small and large answers, and a place that takes uploads."""

    def __init__(self, folder):
        self.port, self.sink = free_port(), free_port()
        for name, size in (("64k", 65536), ("10m", 10 << 20)):
            with open(f"{folder}/{name}", "wb") as file:
                file.write(b"x" * size)
        config = f"{folder}/app.conf"
        with open(config, "w") as file:
            file.write(f"""
{AS}worker_processes 1; daemon off; pid {folder}/app.pid; error_log /dev/null;
events {{ worker_connections 12000; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600; client_max_body_size 0; client_body_buffer_size 11m;
  client_body_temp_path {folder}/app-temp; proxy_temp_path {folder}/app-proxy; sendfile on; tcp_nodelay on;
  upstream sink {{ server 127.0.0.1:{self.sink}; keepalive 64; }}
  server {{ listen 127.0.0.1:{self.port} backlog=4096; root {folder};
    location / {{ return 200 "{'a' * 72}"; }}
    location = /64k {{ }}
    location = /10m {{ }}
    location = /take {{ proxy_pass http://sink; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_pass_request_body off; proxy_set_header Content-Length ""; }}
  }}
  server {{ listen 127.0.0.1:{self.sink}; return 200 "taken"; }}
}}
""")
        self.process = spawn(["nginx", "-c", config, "-p", folder], CLIENT_CORE)
        wait_for(self.port)


class Proxy:
    """What is measured: one process tree that passes at `passing` and refuses at `refusing` (kept) and `closing` (closed each time)."""

    def __init__(self, name, folder, app, roadworks):
        self.name, self.folder, self.roadworks = name, f"{folder}/{name}", roadworks
        self.passing, self.refusing, self.closing = free_port(), free_port(), free_port()
        os.makedirs(self.folder)
        with open(f"{self.folder}/page.html", "w") as file:
            file.write(PAGE)
        self.app, self.process = app, None
        getattr(self, "write_" + name.lower())()

    def write(self, name, text):
        with open(f"{self.folder}/{name}", "w") as file:
            file.write(text)

    def write_nginx(self):
        # What the gateway adds, nginx adds too: addresses, a request id, headers of a refusal. Nothing is logged.
        refuse = "location / { return 503; } error_page 503 /page.html; location = /page.html { internal; root " + self.folder + """;
          add_header Cache-Control no-store always; add_header Vary "Accept, Accept-Language, Origin, Cookie" always; add_header X-Request-Id $request_id always; }"""
        self.write("nginx.conf", f"""
{AS}worker_processes 1; daemon off; pid {self.folder}/pid; error_log /dev/null;
events {{ worker_connections 12000; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600; client_max_body_size 0; tcp_nodelay on;
  client_body_temp_path {self.folder}/body; proxy_temp_path {self.folder}/temp; proxy_max_temp_file_size 0;
  upstream app {{ server 127.0.0.1:{self.app.port}; keepalive 128; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{self.passing} backlog=4096; location / {{
    if (-f {self.folder}/flag) {{ return 503; }}
    proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off;
    proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $host; proxy_set_header X-Request-Id $request_id; proxy_set_header Via "1.1 nginx"; }} }}
  server {{ listen 127.0.0.1:{self.refusing} backlog=4096; {refuse} }}
  server {{ listen 127.0.0.1:{self.closing} backlog=4096; keepalive_timeout 0; {refuse} }}
}}
""")
        self.command = ["nginx", "-c", f"{self.folder}/nginx.conf", "-p", self.folder]

    def write_haproxy(self):
        refuse = f"""http-request return status 503 content-type text/html file {self.folder}/page.html hdr Cache-Control no-store hdr Vary "Accept, Accept-Language, Origin, Cookie" hdr X-Request-Id %[uuid()]"""
        self.write("haproxy.cfg", f"""
global
  nbthread 1
  maxconn 9000
  tune.bufsize 32768
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  timeout http-keep-alive 60s
  http-reuse always
frontend passing
  bind 127.0.0.1:{self.passing} backlog 4096
  option forwardfor
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(Host)]
  http-request set-header X-Request-Id %[uuid()]
  http-request set-header Via "1.1 haproxy"
  default_backend app
frontend refusing
  bind 127.0.0.1:{self.refusing} backlog 4096
  {refuse}
frontend closing
  bind 127.0.0.1:{self.closing} backlog 4096
  option httpclose
  {refuse}
backend app
  server one 127.0.0.1:{self.app.port}
""")
        self.command = ["haproxy", "-f", f"{self.folder}/haproxy.cfg", "-db"]

    def write_caddy(self):
        refuse = f"""header Cache-Control no-store
  header Vary "Accept, Accept-Language, Origin, Cookie"
  header X-Request-Id {{http.request.uuid}}
  header Content-Type text/html
  respond `{PAGE}` 503"""
        self.write("Caddyfile", f"""
{{
  admin off
  auto_https off
  storage file_system {self.folder}/storage
}}
http://:{self.passing} {{
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:{self.app.port} {{
    header_up X-Request-Id {{http.request.uuid}}
    transport http {{
      keepalive_idle_conns_per_host 128
      compression off
    }}
  }}
}}
http://:{self.refusing} {{
  bind 127.0.0.1
  {refuse}
}}
http://:{self.closing} {{
  bind 127.0.0.1
  header Connection close
  {refuse}
}}
""")
        self.command = ["caddy", "run", "--adapter", "caddyfile", "--config", f"{self.folder}/Caddyfile"]

    def write_roadworks(self, app=None, places=20000):
        self.places = places
        site = lambda name, port, more="": f"""
site "{name}" {{
  hosts = ["{HOST}"]
  gateway {{
    listen    = ["127.0.0.1:{port}"]
    upstreams = ["http://127.0.0.1:{app or self.app.port}"]
    hold {{
      patience = "300s"
      places   = {places}
    }}
    health {{
      lb_path       = "/healthz"
      upstream_path = "/up"
    }}
  }}
  page {{ template = "page.html" }}
}}
"""
        self.write("roadworks.hcl", "serve {\n  admin = \"off\"\n  cores = 1\n}\n" + site("passing", self.passing) + site("refusing", self.refusing) + site("closing", self.closing))
        self.command = [self.roadworks, "serve"]

    def start(self):
        environment = dict(os.environ, GOMAXPROCS="1", HOME=self.folder)
        log = open(f"{self.folder}/log", "a")
        self.process = spawn(self.command, PROXY_CORE, env=environment, cwd=self.folder, stderr=log)
        took = wait_for(self.passing)
        if self.name == "Roadworks":
            wait_for(self.passing, "/healthz", 200)
        return took

    def verb(self, *words, cores=CLIENT_CORE):
        """Runs roadworks and gives what it took."""
        began = time.monotonic()
        done = subprocess.run([self.roadworks, *words, "--yes"], cwd=self.folder, capture_output=True, text=True, timeout=120,
                              env=dict(os.environ, HOME=self.folder, USER="bench"), preexec_fn=lambda: os.sched_setaffinity(0, cores))
        if done.returncode:
            sys.exit(f"roadworks {' '.join(words)}: {done.returncode}\n{done.stderr}\n{open(self.folder + '/log').read()[-2000:]}")
        return time.monotonic() - began

    def prepare(self):
        """The modes of the two sites that refuse; and a look whether all do what they are measured for."""
        if self.name == "Roadworks":
            self.verb("--site", "refusing", "read-only")
            self.verb("--site", "closing", "close")
        for port, method, path, status, size in ((self.refusing, "DELETE", "/", 503, len(PAGE)), (self.closing, "GET", "/", 503, len(PAGE)),
                                                 (self.passing, "GET", "/", 200, 72), (self.passing, "GET", "/64k", 200, 65536)):
            done = subprocess.run(["curl", "-sX", method, "-o", "/dev/null", "-w", "%{http_code} %{size_download}", "-H", f"Host: {HOST}",
                                   "-H", "Accept: text/html", f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True)
            if done.stdout != f"{status} {size}":
                sys.exit(f"{self.name} answers {method} {path} with {done.stdout}, not {status} {size}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def wrk(port, path, connections, seconds, script=None, folder=None):
    """Requests, p50 and p99 in milliseconds, and errors."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "30s", "-H", f"Host: {HOST}", "-H", "Accept: text/html"]
    if script:
        with open(f"{folder}/wrk.lua", "w") as file:
            file.write(script)
        command += ["-s", f"{folder}/wrk.lua"]
    done = spawn([*command, f"http://127.0.0.1:{port}{path}"], CLIENT_CORE, stdout=subprocess.PIPE, text=True)
    text = done.communicate()[0]
    if not re.search(r"(?m)^\s+99%\s+[\d.]", text):
        sys.exit(f"wrk measured nothing at port {port}{path}:\n{text}")
    milliseconds = lambda word: float(re.match(r"[\d.]+", word)[0]) * {"us": 0.001, "ms": 1, "s": 1000}[re.sub(r"[\d.]+", "", word)]
    latency = {share: milliseconds(re.search(rf"(?m)^\s+{share}%\s+(\S+)", text)[1]) for share in (50, 99)}
    requests = int(re.search(r"(\d+) requests in", text)[1])
    errors = sum(int(number) for number in re.findall(r"(?:connect|read|write|timeout) (\d+)", text))
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return requests, latency[50], latency[99], errors, int(refused[1]) if refused else 0


class Throughput:
    """CPU for each request, latency and memory of every proxy, in turns."""

    def __init__(self, what, port, path, connections, script=None, seconds=None, refused=False):
        self.what, self.port, self.path, self.connections, self.script = what, port, path, connections, script
        self.seconds, self.refused, self.found = seconds, refused, {}

    def round(self, proxy, seconds, folder):
        port = getattr(proxy, self.port)
        wrk(port, self.path, self.connections, 1, self.script, folder)
        before = cpu(proxy.process.pid)
        requests, middle, late, errors, refused = wrk(port, self.path, self.connections, self.seconds or seconds, self.script, folder)
        used = cpu(proxy.process.pid) - before
        wrong = errors + (requests - refused if self.refused else refused)
        figures = (used / max(requests, 1) * 1e6, requests / (self.seconds or seconds), middle, late, resident(proxy.process.pid) / 1024, wrong)
        self.found.setdefault(proxy.name, []).append(figures)

    def rows(self):
        base = [one[0] for one in self.found.get("nginx", [])]
        for name in NAMES:
            if name not in self.found:
                continue
            rounds = self.found[name]
            used, rate, middle, late, memory, _ = (statistics.median(column) for column in zip(*rounds))
            wrong = sum(one[5] for one in rounds)
            ratio = statistics.median(one[0] / other for one, other in zip(rounds, base)) if base else 0
            yield (self.what, name, f"{used:.1f}", f"{ratio:.2f}", f"{rate:,.0f}", f"{middle:.2f}", f"{late:.2f}", f"{memory:.1f}", str(wrong))


def post(size):
    return f'wrk.method = "POST"\nwrk.body = string.rep("x", {size})'


def suites():
    delete = 'wrk.method = "DELETE"'
    return [
        Throughput("refusing, 2 KB page, connections kept", "refusing", "/", 32, delete, refused=True),
        Throughput("refusing, 2 KB page, closed after each", "closing", "/", 32, refused=True),
        Throughput("proxying 72 bytes, keep-alive", "passing", "/", 32),
        Throughput("proxying 72 bytes, one connection", "passing", "/", 1),
        Throughput("64 KiB down", "passing", "/64k", 16),
        Throughput("64 KiB up", "passing", "/take", 16, post(65536)),
        Throughput("10 MiB down", "passing", "/10m", 4),
        Throughput("10 MiB up", "passing", "/take", 4, post(10 << 20)),
    ]


def ask(port, path="/"):
    client = socket.create_connection(("127.0.0.1", port), 30)
    client.setblocking(False)
    client.send(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    return client


def collect(clients, deadline):
    """When each was answered, and with what; in the order of `clients`."""
    poll, found, parts = select.epoll(), [None] * len(clients), [b""] * len(clients)
    numbers = {client.fileno(): number for number, client in enumerate(clients)}
    for client in clients:
        poll.register(client.fileno(), select.EPOLLIN)
    end, left = time.monotonic() + deadline, len(clients)
    while left and time.monotonic() < end:
        for descriptor, _ in poll.poll(0.1, 4096):
            number = numbers[descriptor]
            part = b""
            try:
                part = clients[number].recv(65536)
            except BlockingIOError:
                continue
            except OSError:
                pass
            parts[number] += part
            done = not part
            if b"\r\n\r\n" in parts[number]:
                head, body = parts[number].split(b"\r\n\r\n", 1)
                length = re.search(rb"(?i)content-length: *(\d+)", head)
                done = done or (length is not None and len(body) >= int(length[1]))
            if done:
                found[number] = (time.monotonic(), parts[number][9:12].decode() or "cut")
                poll.unregister(descriptor)
                left -= 1
    return found


def held_memory(proxy, count):
    """KiB for each of `count` GETs that wait, with their connections, and how they were let go."""
    proxy.start()
    for _ in range(200):
        answers(proxy.passing)
    before = resident(proxy.process.pid)
    proxy.verb("--site", "passing", "hold")
    clients = [ask(proxy.passing) for _ in range(count)]
    time.sleep(1)
    each = (resident(proxy.process.pid) - before) / count
    began = time.monotonic()
    opened = spawn([proxy.roadworks, "--site", "passing", "open", "--yes"], CLIENT_CORE, cwd=proxy.folder, env=dict(os.environ, HOME=proxy.folder, USER="bench"))
    found = collect(clients, 120)
    opened.wait()
    good = sum(one is not None and one[1] == "200" for one in found)
    last = max((one[0] for one in found if one), default=began) - began
    after = resident(proxy.process.pid)
    proxy.stop()
    for client in clients:
        client.close()
    return each, good, last, after / 1024


def herd(proxy, count, folder):
    """Seconds until the last of `count` held requests is answered by a small app, the ideal, and how many came out of turn."""
    port = free_port()
    app = spawn([sys.executable, f"{HERE}/app.py", str(port)], CLIENT_CORE)
    wait_for(port, "/up")
    proxy.write_roadworks(app=port)
    proxy.start()
    proxy.verb("--site", "passing", "hold")
    clients = [ask(proxy.passing, f"/{number}") for number in range(count)]
    time.sleep(0.5)
    began = time.monotonic()
    opened = spawn([proxy.roadworks, "--site", "passing", "open", "--yes"], CLIENT_CORE, cwd=proxy.folder, env=dict(os.environ, HOME=proxy.folder, USER="bench"))
    found = collect(clients, 120)
    opened.wait()
    times = [one[0] if one else began for one in found]
    good = sum(one is not None and one[1] == "200" for one in found)
    turns = sum(later < earlier - 0.02 for earlier, later in zip(times, times[1:]))
    proxy.stop()
    app.terminate()
    app.wait()
    proxy.write_roadworks()
    for client in clients:
        client.close()
    return max(times) - began, count * 0.005 / 4, good, turns


def flips(proxy, count, folder):
    """Milliseconds from the command's start to the last answer of before and to its return, under load; and what was lost."""
    last, back, lost = [], [], 0
    load = spawn(["wrk", "-t1", "-c16", "-d600s", "-H", f"Host: {HOST}", f"http://127.0.0.1:{proxy.passing}/"], CLIENT_CORE)
    try:
        for _ in range(count):
            time.sleep(0.3)
            flip = one_flip(proxy)
            last.append(flip[0])
            back.append(flip[1])
            lost += flip[2]
            if proxy.name == "Roadworks":
                proxy.verb("--site", "passing", "open")
            else:
                os.remove(f"{proxy.folder}/flag")
    finally:
        load.kill()
        load.wait()
    return statistics.median(last) * 1000, max(last) * 1000, statistics.median(back) * 1000, lost


def one_flip(proxy):
    """Eight visitors ask all the time while the command runs."""
    request = f"GET /probe HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
    poll, visitors, lost = select.epoll(), {}, 0

    def visit():
        client = socket.create_connection(("127.0.0.1", proxy.passing), 10)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(request)
        visitors[client.fileno()] = [client, b""]
        poll.register(client.fileno(), select.EPOLLIN)

    for _ in range(8):
        visit()
    if proxy.name == "Roadworks":
        command, where = [proxy.roadworks, "--site", "passing", "close", "--yes"], proxy.folder
    else:
        command, where = ["touch", f"{proxy.folder}/flag"], proxy.folder
    began = time.monotonic()
    child = subprocess.Popen(command, cwd=where, env=dict(os.environ, HOME=proxy.folder, USER="bench"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    last, returned, seen_new = 0.0, None, 0
    while returned is None or time.monotonic() - began < returned + 0.05:
        for descriptor, _ in poll.poll(0.001):
            client, part = visitors[descriptor]
            more = client.recv(65536)
            part += more
            if not more:
                lost += bool(part) or 1
                poll.unregister(descriptor)
                del visitors[descriptor]
                client.close()
                visit()
                continue
            visitors[descriptor][1] = part
            head, _, body = part.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            if not length or len(body) < int(length[1]):
                continue
            if b" 200 " in head[:16]:
                last = time.monotonic() - began
            elif b" 503 " not in head[:16]:
                lost += 1
            if b"connection: close" in head.lower():
                poll.unregister(descriptor)
                del visitors[descriptor]
                client.close()
                visit()
            else:
                visitors[descriptor][1] = b""
                client.sendall(request)
        if returned is None and child.poll() is not None:
            returned = time.monotonic() - began
            if child.returncode:
                sys.exit(f"{command}: {child.returncode}")
    for client, _ in visitors.values():
        client.close()
    return last, returned, lost


def notices(proxy, count):
    """Milliseconds from the moment at which the new switch is in its folder to the first answer by it, without load."""
    request, switch, took = f"GET /probe HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode(), f"{proxy.folder}/.roadworks/passing/switch.json", []
    client = socket.create_connection(("127.0.0.1", proxy.passing), 10)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for _ in range(count):
        before, seen, status = os.stat(switch).st_ino, None, b"200"
        command = subprocess.Popen([proxy.roadworks, "--site", "passing", "read-only", "--yes"], cwd=proxy.folder,
                                   env=dict(os.environ, HOME=proxy.folder, USER="bench"), stdout=subprocess.DEVNULL)
        while status == b"200":
            if not seen and os.stat(switch).st_ino != before:
                seen = time.monotonic()
            client.sendall(request.replace(b"GET", b"DELETE"))
            status = client.recv(65536)[9:12]
        took.append(time.monotonic() - (seen or time.monotonic()))
        command.wait()
        proxy.verb("--site", "passing", "open")
    client.close()
    return statistics.median(took) * 1000, max(took) * 1000


def start_and_idle(proxy, times):
    took, memory = [], []
    for _ in range(times):
        took.append(proxy.start())
        time.sleep(0.3)
        memory.append(resident(proxy.process.pid) / 1024)
        proxy.stop()
    return statistics.median(took) * 1000, statistics.median(memory)


def table(head, rows):
    if not rows:
        return
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("roadworks")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--only", default="", help="only what has this word in its name")
    parser.add_argument("--peers-only", action="store_true")
    asked = parser.parse_args()
    names = [name for name in NAMES if not (asked.peers_only and name == "Roadworks")]
    folder = tempfile.mkdtemp()
    running = []
    try:
        app = App(folder)
        running.append(app.process)
        proxies = [Proxy(name, folder, app, asked.roadworks) for name in names]
        measure(asked, folder, proxies, running)
    finally:
        for proxy in proxies:
            if proxy.process and proxy.process.poll() is None:
                proxy.stop()
        for process in running:
            process.terminate()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def measure(asked, folder, proxies, running):
    processor = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    wanted = lambda what: asked.only in what
    print(f"\nscript/bench gateway, {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores of {processor}, one for the proxy; medians of {asked.rounds} rounds in turns\n")
    throughput(asked, folder, proxies, [suite for suite in suites() if wanted(suite.what)])
    ours = next((proxy for proxy in proxies if proxy.name == "Roadworks"), None)
    rows = []
    if wanted("start"):
        note("start and idle memory")
        for proxy in proxies:
            took, memory = start_and_idle(proxy, asked.rounds)
            rows.append(("start to first answer; memory idle", proxy.name, f"{took:.0f} ms; {memory:.1f} MiB", "under 30 ms; under 15 MiB"))
    if wanted("flips"):
        for proxy in proxies:
            if proxy.name not in ("nginx", "Roadworks"):
                continue
            note(f"flips, {proxy.name}")
            proxy.start()
            middle, most, back, lost = flips(proxy, 3 * asked.rounds, folder)
            proxy.stop()
            how = "roadworks close" if proxy.name == "Roadworks" else "touch of a flag file"
            rows.append(("command to last answer of before, under load", f"{proxy.name}, {how}", f"{middle:.1f} ms (at most {most:.1f}; returns after {back:.1f}); {lost} lost", "under 12 ms, none lost"))
    if ours and wanted("notice"):
        note("change notice")
        ours.start()
        for verb in ("read-only", "open"):
            ours.verb("--site", "passing", verb)
        middle, most = notices(ours, 3 * asked.rounds)
        ours.stop()
        rows.append(("the switch in its folder to the first answer by it", "Roadworks", f"{middle:.1f} ms (at most {most:.1f})", "under 10 ms"))
    if ours and wanted("held"):
        note("9,000 held")
        found = [held_memory(ours, 9000) for _ in range(max(1, asked.rounds // 2))]
        each, good, last, after = (statistics.median(column) for column in zip(*found))
        rows.append(("9,000 waiting GETs, with their connections", "Roadworks", f"{each:.1f} KiB each; {good:.0f} let go without an error, the last after {last * 1000:.0f} ms", "16 KiB each, 12 the stretch; none lost"))
    if ours and wanted("herd"):
        note("1,000 held, let go onto a small app")
        found = [herd(ours, 1000, folder) for _ in range(max(1, asked.rounds // 2))]
        took, ideal, good, turns = (statistics.median(column) for column in zip(*found))
        rows.append(("1,000 held, released onto 4 workers of 5 ms", "Roadworks", f"{took:.2f} s, {took / ideal:.2f} of the ideal; {good:.0f} answered, {turns:.0f} out of turn", "1.15 of the ideal, in order"))
    table(("what", "who", "measured", "wanted"), rows)


def throughput(asked, folder, proxies, chosen):
    if not chosen:
        return
    for proxy in proxies:
        proxy.start()
        proxy.prepare()
    for number in range(asked.rounds):
        for suite in chosen:
            note(f"round {number + 1}: {suite.what}")
            for proxy in proxies:
                suite.round(proxy, asked.seconds, folder)
    for proxy in proxies:
        proxy.stop()
    table(("what", "who", "CPU us/request", "of nginx", "requests/s", "p50 ms", "p99 ms", "memory MiB", "wrong"), [row for suite in chosen for row in suite.rows()])


main()

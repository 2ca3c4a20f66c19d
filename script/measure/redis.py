"""Measures the guard of a Redis beside HAProxy and twemproxy: redis.py ROADWORKS [--rounds N] [--seconds N] [--threads N] [--idle N] [--keys N] [--only WORD]

One Redis, asked directly and through each proxy in turns, so that whatever else the machine does meets all alike; the medians of all
rounds are told, and ratios are medians of the rounds' ratios. Guard and HAProxy have as many threads, twemproxy has one, as always. With
four cores or more the proxies have two for themselves; with fewer, everything shares all of them. CPU is utime + stime of /proc/PID/stat.
"""

import argparse
import csv
import os
import platform
import re
import resource
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")
CORES = set(range(os.cpu_count()))
PROXY_CORES, OTHER_CORES = ({0, 1}, CORES - {0, 1}) if len(CORES) >= 4 else (CORES, CORES)
CONNECTIONS = 50
# While Redis is away. While it is well nothing may be late: a machine that has much to do makes no outage.
BUDGET = 0.05
PROXIES = ["guard", "HAProxy", "twemproxy"]
NAMES = ["direct", *PROXIES]


def note(text):
    print(text, file=sys.stderr, flush=True)


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def command(*words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class Client:
    """One connection, for short answers."""

    def __init__(self, port, timeout=30):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def line(self):
        while b"\r\n" not in self.buffer:
            part = self.socket.recv(65536)
            if not part:
                raise ConnectionError("it hung up")
            self.buffer += part
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def answer(self):
        """A value, or None; an error is given as it is."""
        line = self.line()
        if line[:1] != b"$":
            return line
        size = int(line[1:])
        if size < 0:
            return None
        while len(self.buffer) < size + 2:
            part = self.socket.recv(65536)
            if not part:
                raise ConnectionError("it hung up")
            self.buffer += part
        value, self.buffer = self.buffer[:size], self.buffer[size + 2 :]
        return value

    def ask(self, *words):
        self.socket.sendall(command(*words))
        return self.answer()

    def close(self):
        self.socket.close()


def answers(port, is_right):
    """Whether a PING is answered so, within a second."""
    try:
        client = Client(port, 1)
        try:
            return is_right(client.ask("PING"))
        finally:
            client.close()
    except OSError:
        return False


class Server:
    """A process of ours at a port, on cores of its own."""

    def __init__(self, words, port, cores, folder):
        self.words, self.port, self.cores, self.folder, self.process = words, port, cores, folder, None

    def start(self, is_right=lambda answer: answer == b"+PONG"):
        """Seconds until it answers PING as is right."""
        began = time.monotonic()
        log = open(f"{self.folder}/log", "a")
        self.process = subprocess.Popen(self.words, cwd=self.folder, stdout=log, stderr=log, preexec_fn=lambda: os.sched_setaffinity(0, self.cores))
        while not answers(self.port, is_right):
            if time.monotonic() - began > 60 or self.process.poll() is not None:
                sys.exit(f"{self.words[0]} does not answer\n{open(self.folder + '/log').read()[-2000:]}")
            time.sleep(0.005)
        return time.monotonic() - began

    def cpu(self):
        """Seconds of CPU that it has used."""
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident(self):
        """KiB of memory."""
        return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{self.process.pid}/status").read())[1])

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()


class Bench:
    """A Redis and the proxies before it, in a folder."""

    def __init__(self, roadworks, folder, threads):
        self.roadworks, self.folder, self.threads, self.servers = roadworks, folder, threads, []
        self.redis = self.server("redis", OTHER_CORES, lambda port, where: [
            "redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", where, "--save", "", "--appendonly", "no", "--maxclients", "12000", "--tcp-backlog", "511"])

    def server(self, name, cores, words):
        port = free_port()
        where = f"{self.folder}/{name}-{port}"
        os.makedirs(where)
        server = Server(words(port, where), port, cores, where)
        self.servers.append(server)
        return server

    def guard(self, budget=1.0, journal=False):
        def words(port, where):
            with open(f"{where}/roadworks.hcl", "w") as file:
                file.write(f"""serve {{
  admin = "off"
  cores = {self.threads}
}}
site "bench" {{
  redis "cache" {{
    listen   = "127.0.0.1:{port}"
    upstream = "redis://127.0.0.1:{self.redis.port}"
    role     = "cache"
    budget   = "{budget * 1000:.0f}ms"
    {f'journal {{ path = "{where}/journal" }}' if journal else ''}
  }}
}}
""")
            return [self.roadworks, "serve"]
        return self.server("guard", PROXY_CORES, words)

    def haproxy(self):
        def words(port, where):
            with open(f"{where}/haproxy.cfg", "w") as file:
                file.write(f"""global
  nbthread {self.threads}
  maxconn 9500
defaults
  mode tcp
  timeout client 1h
  timeout server 1h
  timeout connect 5s
frontend cache
  bind 127.0.0.1:{port} backlog 4096
  default_backend redis
backend redis
  server one 127.0.0.1:{self.redis.port}
""")
            return ["haproxy", "-f", f"{where}/haproxy.cfg", "-db"]
        return self.server("haproxy", PROXY_CORES, words)

    def twemproxy(self):
        def words(port, where):
            with open(f"{where}/nutcracker.yml", "w") as file:
                file.write(f"""cache:
  listen: 127.0.0.1:{port}
  redis: true
  hash: fnv1a_64
  distribution: modula
  backlog: 4096
  servers:
    - 127.0.0.1:{self.redis.port}:1
""")
            return ["nutcracker", "-c", f"{where}/nutcracker.yml", "-a", "127.0.0.1", "-s", str(free_port()), "-m", "16384"]
        return self.server("twemproxy", PROXY_CORES, words)

    def all(self):
        """What is asked, by name; started."""
        self.redis.start()
        found = {"direct": self.redis, "guard": self.guard(), "HAProxy": self.haproxy(), "twemproxy": self.twemproxy()}
        for name in PROXIES:
            found[name].start()
        return found

    def stop(self):
        for server in reversed(self.servers):
            server.stop()


# Healthy


def benchmark(port, pipeline, count):
    """Commands a second and the p99 in milliseconds, of GET and SET together and of the worse."""
    words = ["redis-benchmark", "-p", str(port), "-c", str(CONNECTIONS), "-P", str(pipeline), "-n", str(count), "-t", "set,get", "-d", "100", "-r", "10000", "--csv"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, preexec_fn=lambda: os.sched_setaffinity(0, OTHER_CORES))
    rows = [row for row in csv.DictReader(done.stdout.splitlines()) if row.get("rps")]
    if len(rows) != 2:
        sys.exit(f"redis-benchmark measured nothing at port {port}:\n{done.stdout}{done.stderr}")
    rate = len(rows) / sum(1 / float(row["rps"]) for row in rows)
    return rate, max(float(row["p99_latency_ms"]) for row in rows)


def healthy(asked, targets, pipeline):
    """For each name a list of rounds: commands a second, p99, what of it is added, microseconds of CPU for each command."""
    found, counts = {name: [] for name in NAMES}, {}
    for name in NAMES:
        rate, _ = benchmark(targets[name].port, pipeline, 10_000 * pipeline)
        counts[name] = max(int(rate * asked.seconds / 2), 10_000)
    for number in range(asked.rounds):
        note(f"P={pipeline}, round {number + 1} of {asked.rounds}")
        figures = {}
        # Each is the first in its turn.
        for name in NAMES[number % len(NAMES) :] + NAMES[: number % len(NAMES)]:
            before = targets[name].cpu()
            rate, late = benchmark(targets[name].port, pipeline, counts[name])
            figures[name] = rate, late, (targets[name].cpu() - before) / counts[name] / 2 * 1e6
        for name, (rate, late, used) in figures.items():
            found[name].append((rate, late, late - figures["direct"][1], used))
    return found


def healthy_rows(found, pipeline):
    wanted = {1: "0.95 of HAProxy's, above twemproxy's", 16: "HAProxy's, above twemproxy's"}[pipeline]
    for column, what, show, limit in [
        (0, f"commands a second, P={pipeline}", "{:,.0f}", wanted),
        (3, f"µs of CPU for each command, P={pipeline}", "{:.2f}", ""),
        (1, f"p99, P={pipeline}", "{:.2f} ms", ""),
        (2, f"added p99, P={pipeline}", "{:+.2f} ms", "at most HAProxy's"),
    ]:
        middle = {name: statistics.median(one[column] for one in rounds) for name, rounds in found.items()}
        ratio = lambda name: statistics.median(ours[column] / max(theirs[column], 1e-9) for ours, theirs in zip(found["guard"], found[name]))
        ratios = ["", ""] if column == 2 else [f"{ratio('HAProxy'):.2f}", f"{ratio('twemproxy'):.2f}"]
        yield (what, *("" if name == "direct" and column == 2 else show.format(middle[name]) for name in NAMES), *ratios, limit)


# While it is down


def percentile(times, share):
    return sorted(times)[min(int(len(times) * share), len(times) - 1)]


def down(bench, guard, count=20_000):
    """Milliseconds: median, p99 and the longest of `count` reads while Redis is killed, over fifty connections in turn."""
    clients = [Client(guard.port) for _ in range(CONNECTIONS)]
    for client in clients:
        client.ask("GET", "page:1")
    bench.redis.kill()
    while clients[0].ask("GET", "page:1") is not None:
        pass
    times = []
    for number in range(count):
        client = clients[number % len(clients)]
        began = time.monotonic()
        found = client.ask("GET", "page:1")
        times.append((time.monotonic() - began) * 1000)
        if found is not None:
            sys.exit(f"a miss is wanted, not {found}")
    for client in clients:
        client.close()
    bench.redis.start()
    back(guard)
    return statistics.median(times), percentile(times, 0.99), max(times)


def back(guard):
    """Waits until the guard asks Redis again."""
    client = Client(guard.port)
    end = time.monotonic() + 60
    while client.ask("SET", "page:1", "here") != b"+OK":
        if time.monotonic() > end:
            sys.exit("the guard does not come back")
        time.sleep(0.05)
    client.close()


def hung(bench, guard, seconds=2):
    """Fifty connections ask all the time while Redis is stopped (not killed): budgets until the guard says that it is away, and until the
    last answer to what was asked before that; how many of those took a budget, the most of one connection, and errors. What is asked
    later and answered late was kept waiting by the machine: Redis is asked no more."""
    clients = {client.socket.fileno(): client for client in (Client(guard.port) for _ in range(CONNECTIONS))}
    poll, sent, paid, last, errors = select.epoll(), {}, dict.fromkeys(clients, 0), 0.0, 0
    question, log = command("GET", "page:1"), f"{guard.folder}/log"
    for number, client in clients.items():
        client.ask("GET", "page:1")
        poll.register(number, select.EPOLLIN)
        sent[number] = time.monotonic()
        client.socket.sendall(question)
    stopped = away = None
    size = os.path.getsize(log)
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if stopped is None and time.monotonic() - began > 0.3:
            bench.redis.process.send_signal(signal.SIGSTOP)
            stopped = time.monotonic()
        for number, _ in poll.poll(0.001):
            answer = clients[number].answer()
            now = time.monotonic()
            errors += answer not in (None, b"here")
            if stopped and sent[number] < (away or now) and now > stopped:
                paid[number] += now - sent[number] > BUDGET * 0.9
                last = now - stopped
            sent[number] = now
            clients[number].socket.sendall(question)
        if stopped and not away and os.path.getsize(log) > size:
            away = time.monotonic()
    bench.redis.process.send_signal(signal.SIGCONT)
    for client in clients.values():
        client.close()
    back(guard)
    return ((away or began) - (stopped or began)) / BUDGET, last / BUDGET, sum(paid.values()), max(paid.values()), errors


# Idle


def idle(bench, server, count):
    """KiB for each of `count` idle connections, how many connections Redis has of them, and with one command."""
    control = Client(bench.redis.port)
    of_redis = lambda: int(re.search(rb"connected_clients:(\d+)", control.ask("INFO", "clients"))[1]) - 1
    # What is allocated once is no connection's.
    for client in [Client(server.port) for _ in range(200)]:
        client.close()
    time.sleep(1)
    before, known = server.resident(), of_redis()
    clients = [socket.create_connection(("127.0.0.1", server.port), 30) for _ in range(count)]
    time.sleep(2)
    each, opened = (server.resident() - before) / count, of_redis() - known
    clients[0].sendall(command("GET", "page:1"))
    clients[0].recv(100)
    with_one = of_redis() - known
    for client in clients:
        client.close()
    end = time.monotonic() + 60
    while of_redis() > known and time.monotonic() < end:
        time.sleep(0.05)
    return each, opened, with_one


def used_and_idle(server, count):
    """KiB for each connection once each of them has asked something and idles."""
    # One that has had no others: memory that is free already is not counted.
    server.start()
    before = server.resident()
    clients = [Client(server.port) for _ in range(count)]
    for _ in range(2):
        for client in clients:
            client.ask("GET", "page:1")
    time.sleep(1)
    each = (server.resident() - before) / count
    for client in clients:
        client.close()
    return each


# Recovery


def recovery(bench, keys):
    """A journal of so many keys: seconds to write it, to read it after a crash of the guard, and from Redis's start until it is read again;
    misses and errors meanwhile, and the longest answer in milliseconds."""
    redis, guard = bench.redis, bench.guard(BUDGET, journal=True)
    control = Client(redis.port)
    control.ask("FLUSHALL")
    for first in range(0, keys, 1000):
        words = [word for number in range(first, min(first + 1000, keys)) for word in (f"page:{number:07}", "stale")]
        control.ask("MSET", *words)
    control.ask("SET", "still", "here")
    if control.ask("DBSIZE") != b":%d" % (keys + 1):
        sys.exit("Redis has not what was written")
    control.ask("SAVE")
    control.close()
    guard.start()
    note(f"recovery: {keys:,} keys are deleted while Redis is killed")
    redis.kill()
    client = Client(guard.port)
    while client.ask("GET", "still") is not None:
        pass
    client.close()
    wrote = delete(guard.port, keys)
    size = os.path.getsize(f"{guard.folder}/journal")
    guard.kill()
    read = guard.start()
    prober = Prober(guard.port)
    prober.start()
    time.sleep(0.2)
    began = time.monotonic()
    redis.start()
    loaded = time.monotonic() - began
    prober.join(300)
    if prober.is_alive() or not prober.back:
        sys.exit(f"Redis is not read again\n{open(guard.folder + '/log').read()[-2000:]}")
    control = Client(redis.port)
    left = control.ask("DBSIZE")
    if left != b":1":
        sys.exit(f"Redis still has {left} keys")
    control.close()
    guard.stop()
    return wrote, size / (1 << 20), read, loaded, prober.back - began, prober.misses, prober.errors, prober.longest * 1000


def delete(port, keys, connections=16, together=100):
    """Deletes all keys by DEL of a hundred each, a hundred commands at a time on each connection; the seconds."""
    wrong = []

    def some(first):
        client = Client(port, 120)
        commands = [command("DEL", *(f"page:{number:07}" for number in range(at, min(at + together, keys))))
                    for at in range(first * together, keys, connections * together)]
        for at in range(0, len(commands), 100):
            part = commands[at : at + 100]
            client.socket.sendall(b"".join(part))
            wrong.extend(answer for answer in (client.answer() for _ in part) if answer != b":0")
        client.close()

    began = time.monotonic()
    threads = [threading.Thread(target=some, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        sys.exit(f"{len(wrong)} deletions are refused: {wrong[0]}")
    return time.monotonic() - began


class Prober(threading.Thread):
    """Asks all the time, until Redis's value comes."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.misses, self.errors, self.longest, self.back = port, 0, 0, 0.0, None

    def run(self):
        client = Client(self.port)
        while self.back is None:
            asked = time.monotonic()
            found = client.ask("GET", "still")
            now = time.monotonic()
            self.longest = max(self.longest, now - asked)
            if found is None:
                self.misses += 1
            elif found == b"here":
                self.back = now
            else:
                self.errors += 1
            time.sleep(0.001)


# The table


def measure(asked, bench):
    wanted = lambda what: asked.only in ("", what)
    rows = []
    alone = lambda what, figure, limit, peers=("", ""): rows.append((what, "", figure, *peers, "", "", limit))
    targets = bench.all()
    guard = targets["guard"]
    for pipeline in (1, 16):
        if wanted(f"P={pipeline}"):
            rows += healthy_rows(healthy(asked, targets, pipeline), pipeline)
    if wanted("idle"):
        note(f"idle: {asked.idle:,} connections")
        found = {name: idle(bench, targets[name], asked.idle) for name in PROXIES}
        memory, *peers = (f"{found[name][0]:.1f}" for name in PROXIES)
        alone(f"KiB for each of {asked.idle:,} idle connections", memory, "under 20", peers)
        opened, *peers = ("{1:,} / {2:,}".format(*found[name]) for name in PROXIES)
        alone("connections that Redis has of them, and with one command", opened, "0 / 1", peers)
        alone(f"KiB for each of {asked.idle // 2:,} that have asked and idle", f"{used_and_idle(bench.guard(), asked.idle // 2):.1f}", "under 20")
    if wanted("down"):
        note("down: killed, and stopped")
        guard.stop()
        guard = bench.guard(BUDGET)
        guard.start()
        back(guard)
        killed = [down(bench, guard) for _ in range(asked.rounds)]
        middle, late, longest = (statistics.median(column) for column in zip(*killed))
        alone("answer while Redis is killed: median / p99 / longest", f"{middle:.2f} / {late:.2f} / {longest:.1f} ms", "p99 under 1 ms")
        stopped = [hung(bench, guard) for _ in range(asked.rounds)]
        known, last, paid, most, errors = zip(*stopped)
        middle = statistics.median
        alone(f"Redis is stopped, {CONNECTIONS} connections ask on: budgets until it counts as away, most", f"{middle(known):.2f}, {max(known):.2f}", "at most 3")
        alone("the same until the last answer to what was asked before, most", f"{middle(last):.2f}, {max(last):.2f}", "at most 3")
        alone("of these answers late, all / the most of one connection; errors", f"{middle(paid):.0f} / {max(most)}; {sum(errors)}", "")
    if wanted("recovery"):
        wrote, size, read, loaded, took, misses, errors, longest = recovery(bench, asked.keys)
        alone(f"{asked.keys:,} keys deleted into the journal ({size:.0f} MiB)", f"{wrote:.1f} s", "")
        alone("the journal is read after a crash of the guard", f"{read:.2f} s", "")
        alone(f"from Redis's start to the first read of it (its own loading: {loaded:.1f} s)", f"{took:.1f} s", "under 30 s")
        alone("misses / errors / longest answer meanwhile", f"{misses:,} / {errors} / {longest:.1f} ms", "no error")
    return rows


def main():
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("roadworks")
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--seconds", type=int, default=4)
    words.add_argument("--threads", type=int, default=2, help="of guard and HAProxy")
    words.add_argument("--idle", type=int, default=9_000)
    words.add_argument("--keys", type=int, default=1_000_000)
    words.add_argument("--only", default="", help="only what has this word in its name: P=1, P=16, idle, down, recovery")
    asked = words.parse_args()
    # Nine thousand clients, and as many connections of a proxy to Redis, want files.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    folder = tempfile.mkdtemp()
    bench = Bench(asked.roadworks, folder, asked.threads)
    try:
        rows = measure(asked, bench)
    finally:
        bench.stop()
        shutil.rmtree(folder, ignore_errors=True)
    processor = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    print(f"\nscript/bench redis, {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores of {processor}, {asked.threads} threads; medians of {asked.rounds} rounds in turns\n")
    head = ("what", *NAMES, "to HAProxy", "to twemproxy", "wanted")
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()

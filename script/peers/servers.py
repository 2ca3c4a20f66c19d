"""A real Redis and a guard before it, each in a folder of its own and on loopback only, ended with their handles."""

import os
import pathlib
import signal
import socket
import subprocess
import time

PATIENCE = 20
# What was started and has not ended: its ids, each the first of a group.
RUNNING = set()


def end_all(*_):
    """Ends what was started here, by its id: what is told to end leaves nothing behind."""
    for group in list(RUNNING):
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            pass
    if _:
        os._exit(143)


signal.signal(signal.SIGTERM, end_all)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until(look, what):
    """Looks again and again until there is something."""
    over = time.monotonic() + PATIENCE
    while time.monotonic() < over:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise TimeoutError(f"{what}: not within {PATIENCE} s")


def says_pong(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as stream:
            stream.sendall(b"PING\r\n")
            return stream.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False


class Process:
    """What is ended with its handle, by its own id."""

    cores = None

    def __init__(self, folder, words, env=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.words, self.env, self.process = words, env, None

    def start(self):
        log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(self.words, cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                        start_new_session=True, preexec_fn=self.settle)
        log.close()
        RUNNING.add(self.process.pid)
        return self

    def settle(self):
        if self.cores:
            os.sched_setaffinity(0, self.cores)

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def signal(self, number):
        self.process.send_signal(number)

    def end(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            RUNNING.discard(self.process.pid)
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.end()


class Redis(Process):
    """A Redis that keeps what it was told to, in its folder; also at a socket there."""

    def __init__(self, folder, *more):
        self.port, self.socket = free_port(), f"{folder}/redis.sock"
        super().__init__(folder, [
            "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", self.socket, "--save", "",
            "--enable-debug-command", "yes", "--enable-protected-configs", "yes", "--enable-module-command", "yes", *more])

    def start(self):
        super().start()
        until(lambda: says_pong(self.port), "redis-server")
        return self


class Guard(Process):
    """`roadworks serve` before a Redis; `lines` go into its block. It has a thread for each of `cores`."""

    def __init__(self, folder, roadworks, upstream, lines, cores=None):
        self.port, self.socket = free_port(), f"{folder}/guard.sock"
        super().__init__(folder, [roadworks, "serve"], env={"PATH": os.environ["PATH"], "HOME": str(folder)})
        self.cores = cores
        (self.folder / "roadworks.hcl").write_text(f"""serve {{
  admin = "127.0.0.1:0"
}}
site "peers" {{
  redis "cache" {{
    listen   = ["127.0.0.1:{self.port}", "unix:{self.socket}"]
    upstream = "{upstream}"
    {lines}
  }}
}}
""")

    def start(self):
        super().start()
        until(lambda: " ready " in self.log() or self.process.poll() is not None, "roadworks serve")
        if self.process.poll() is not None:
            raise RuntimeError(self.log())
        return self

"""Runs suites that others wrote for Redis and its clients, against Redis itself and through a guard, and compares what each test came to:
suites.py ROADWORKS TOOLS [--day] [--only SUITE] [--keep FOLDER]

A test whose outcome differs is tried again on both sides, alone: what differs each time is a difference, and a failure of this script
where script/peers/known does not say why it is meant. What did not differ again is printed too.
"""

import argparse
import collections
import concurrent.futures
import fnmatch
import functools
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from ast import literal_eval

from servers import RUNNING, Guard, Redis, end_all

HERE = pathlib.Path(__file__).parent
# A machine that has much to do makes no outage of it.
LINES = 'role   = "cache"\n    budget = "10s"'
TRIES = 3


def note(text):
    print(text, file=sys.stderr, flush=True)


def copied(tree, folder, instead):
    """A copy of a suite in which it finds its Redis: some have their port in their source."""
    shutil.copytree(tree, folder, dirs_exist_ok=True)
    for path in pathlib.Path(folder).rglob("*.py"):
        before = path.read_text(errors="surrogateescape")
        after = before
        for old, new in instead.items():
            after = after.replace(old, new)
        if after != before:
            path.write_text(after, errors="surrogateescape")


def run(words, folder, within, **more):
    """What it printed; a suite that hangs is ended with all that it started, and has the outcomes that it came to."""
    with open(folder / "printed", "wb") as printed:
        process = subprocess.Popen(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.STDOUT,
                                   start_new_session=True, **more)
        RUNNING.add(process.pid)
        try:
            process.wait(timeout=within)
        except subprocess.TimeoutExpired:
            note(f"  it did not end within {within} s: {' '.join(map(str, words))[:150]}")
        try:
            os.killpg(process.pid, 9)
        except ProcessLookupError:
            pass
        process.wait()
        RUNNING.discard(process.pid)
    return (folder / "printed").read_text(errors="replace")


class Tcl:
    """One unit of Redis's own suite, in its mode for a server that it did not start. It counts on what is sent on one connection after
    another to come in that order, though nothing was answered between: a guard of one thread keeps that, as Redis does."""

    cores = {0}

    def __init__(self, tools, unit):
        self.tree, self.unit, self.name, self.part = tools / "redis-suite", unit, "redis", unit

    def run(self, port, _socket, folder, _only):
        shutil.copytree(self.tree, folder, dirs_exist_ok=True)
        (folder / "tests/tmp").mkdir(exist_ok=True)
        (folder / "src").mkdir(exist_ok=True)
        for program in ("redis-cli", "redis-benchmark"):
            (folder / "src" / program).symlink_to(shutil.which(program))
        words = ["tclsh", "tests/test_helper.tcl", "--host", "127.0.0.1", "--port", str(port), "--clients", "1",
                 "--tags", "-needs:repl", "--skipfile", str(HERE / "skipped"), "--single", self.unit, "--timeout", "300", "--baseport", str(random.randrange(20_000, 30_000, 64))]
        printed = re.sub(r"\x1b\[[0-9;]*m", "", run(words, folder, 900))
        found = collections.Counter()
        for word, name in re.findall(r"^\[(ok|err|skip|ignore|exception|TIMEOUT)\]: (.*)$", printed, re.M):
            name = re.sub(r" \(\d+ ms\)$", "", name) if word == "ok" else name
            name = re.sub(r" in tests/\S+\.tcl$", "", name) if word == "err" else name
            name = "(the unit ends here)" if word in ("exception", "TIMEOUT") else name
            status = {"ok": "passed", "skip": "skipped", "ignore": "skipped"}.get(word, "failed")
            found[f"{self.unit}: {name}", status] += 1
        if "The End" not in printed:
            found[f"{self.unit}: (it did not come to its end)", "failed"] += 1
        return found


class Pytest:
    """A suite of a client that is written in Python, as its PyPI source archive has it."""

    cores = None

    def __init__(self, name, part, tree, python, words, instead):
        self.name, self.part, self.tree, self.python, self.words, self.instead = name, part, tree, python, words, instead

    def run(self, port, socket, folder, only):
        places = {"PORT": str(port), "SOCKET": socket}
        placed = lambda text: functools.reduce(lambda text, place: text.replace(*place), places.items(), text)
        copied(self.tree, folder, {old: placed(new) for old, new in self.instead.items()})
        outcomes = folder / "outcomes"
        env = {**os.environ, "PYTHONPATH": f"{folder}:{HERE}", "PYTHONDONTWRITEBYTECODE": "1", "PEERS_OUTCOMES": str(outcomes)}
        # What is no test's name is of the whole run.
        if only and all(name.startswith(("'", '"')) for name in only):
            (folder / "only").write_text("\n".join(map(literal_eval, only)))
            env["PEERS_ONLY"] = str(folder / "only")
        words = [self.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "outcomes", "--timeout", "120"]
        printed = run(words + [placed(word) for word in self.words], folder, 2400, env=env)
        if not outcomes.exists():
            note(printed[-3000:])
            return collections.Counter({("(it ran no test)", "failed"): 1})
        lines = [line.split(" ", 1) for line in outcomes.read_text().splitlines()]
        return collections.Counter((name, status) for status, name in lines)


def pair(suite, roadworks, folder, only=None, together=True):
    """The outcomes directly and through the guard, each with a Redis of its own."""

    def side(name):
        where = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder))
        with Redis(where / "redis") as redis:
            if name == "direct":
                return suite.run(redis.port, redis.socket, where / "suite", only)
            with Guard(where / "guard", roadworks, f"redis://127.0.0.1:{redis.port}", LINES, suite.cores) as guard:
                found = suite.run(guard.port, guard.socket, where / "suite", only)
                if "redis is away" in guard.log():
                    note(f"  the guard took Redis for away:\n{guard.log()}")
                    found["(the guard took Redis for away)", "failed"] += 1
                return found

    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(2 if together else 1) as both:
        asked = [both.submit(side, name) for name in ("direct", "through")]
        return [one.result() for one in asked]


def differing(direct, through):
    """The names of the tests that came to something else."""
    return {name for name, _ in (direct - through) + (through - direct)}


def known(suite, name):
    """Why it is meant, where somebody wrote that down."""
    for line in (HERE / "known").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            of, pattern, reason = (part.strip() for part in line.split(" | ", 2))
            if of == suite and fnmatch.fnmatchcase(name, pattern.replace("[", "[[]")):
                return reason
    return None


class Outcome:
    """What all parts of a suite came to."""

    def __init__(self):
        self.direct, self.through = collections.Counter(), collections.Counter()
        self.differs, self.meant, self.unsteady, self.took = [], [], [], 0.0


def compare(suite, roadworks, folder, outcome):
    began = time.monotonic()
    direct, through = pair(suite, roadworks, folder)
    for own, of in ((outcome.direct, direct), (outcome.through, through)):
        for (_, status), count in of.items():
            own[status] += count
    left, tried = differing(direct, through), 1
    shown = {name: (statuses(direct, name), statuses(through, name)) for name in left}
    meant = {name for name in left if known(suite.name, name)}
    outcome.meant += [(name, known(suite.name, name)) for name in sorted(meant)]
    left -= meant
    while left and tried < TRIES:
        again = differing(*pair(suite, roadworks, folder, only=left, together=False))
        outcome.unsteady += [(name, *shown[name]) for name in sorted(left - again)]
        left &= again
        tried += 1
    outcome.differs += [(name, *shown[name]) for name in sorted(left)]
    outcome.took += time.monotonic() - began
    note(f"{suite.name} {suite.part}: {sum(direct.values())} tests, {len(left)} differences, {time.monotonic() - began:.0f} s")


def statuses(found, name):
    each = [f"{count} {status}" if count > 1 else status for (of, status), count in sorted(found.items()) if of == name]
    return ", ".join(each) or "not run"


def suites(tools, day):
    """All of them, or the part that is run by day."""
    python = str(tools / "peers/venv/bin/python")
    units = (HERE / "units").read_text().split("\n\n")
    units = [line for line in "\n".join(units[:1] if day else units).splitlines() if line and not line.startswith("#")]
    for unit in units:
        yield Tcl(tools, unit)
    of_server = "not onlycluster and not redismod and not ssl and not experimental and not cp_integration and not multidb_integration"
    # Those that ask a server; the rest of its tests are about clusters, Sentinels and what it mocks.
    places = ["commands", "pipeline", "pubsub", "scripting", "lock"]
    at_night = ["cache", "client", "connect", "connection", "connection_pool", "encoding", "function", "hash", "keyspace_notifications",
                "monitor", "multiprocessing", "retry"]
    of_asyncio = ["commands", "pipeline", "pubsub", "scripting", "lock", "client", "connect", "connection", "connection_pool", "cwe_404",
                  "encoding", "hash", "keyspace_notifications", "monitor", "retry"]
    files = [f"tests/test_{place}.py" for place in places + (at_night if not day else [])]
    files += [f"tests/test_asyncio/test_{place}.py" for place in of_asyncio if not day]
    for protocol in ("2", "3"):
        words = ["--redis-url", "redis://localhost:PORT/9", "--protocol", protocol, "-m", of_server, *files]
        yield Pytest("redis-py", f"RESP{protocol}", tools / "peers/redis", python, words, {})
    words = ["-o", "addopts=", "-k", "not sentinel" if not day else "sqlite- or sqlite_usock or sqlite_herd", "tests"]
    yield Pytest("django-redis", "", tools / "peers/django-redis", python, words,
                 {"127.0.0.1:6379": "127.0.0.1:PORT", "/tmp/redis.sock": "SOCKET"})
    of_keys = [f"test/test_mixins/test_{of}_commands.py" for of in ("string", "hash", "pubsub", "transactions")]
    words = ["-m", "real", *(of_keys if day else ["test/test_mixins", "test/test_hypothesis", "test/test_async"])]
    yield Pytest("fakeredis", "", tools / "peers/fakeredis", python, words,
                 {"localhost:6390": "localhost:PORT", '"localhost", 6390': '"localhost", PORT', "port=6390": "port=PORT"})


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument("roadworks", type=os.path.abspath)
    asked.add_argument("tools", type=pathlib.Path)
    asked.add_argument("--day", action="store_true")
    asked.add_argument("--only", default="")
    asked.add_argument("--keep")
    asked = asked.parse_args()
    folder = asked.keep or tempfile.mkdtemp(prefix="peers-")
    outcomes = {}
    try:
        for suite in suites(asked.tools.absolute(), asked.day):
            if asked.only in f"{suite.name} {suite.part}":
                compare(suite, asked.roadworks, folder, outcomes.setdefault(suite.name, Outcome()))
                if not asked.keep:
                    shutil.rmtree(folder)
    finally:
        end_all()
        if not asked.keep:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(told(outcomes))


def told(outcomes):
    print("\n| suite | directly: passed | failed | skipped | through a guard: passed | failed | skipped | differ | meant | not again | took |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name, outcome in outcomes.items():
        counts = [side[word] for side in (outcome.direct, outcome.through) for word in ("passed", "failed", "skipped")]
        rest = [len(outcome.differs), len(outcome.meant), len(outcome.unsteady), f"{outcome.took:.0f} s"]
        print("| " + " | ".join(map(str, [name, *counts, *rest])) + " |")
    for name, outcome in outcomes.items():
        for test, direct, through in outcome.differs:
            print(f"DIFFERS {name}: {test}: {direct} directly, {through} through the guard")
        for test, direct, through in outcome.unsteady:
            print(f"once only, {name}: {test}: {direct} directly, {through} through the guard, and not again")
        for test, reason in outcome.meant:
            print(f"meant, {name}: {test}: {reason}")
    differs = sum(len(outcome.differs) for outcome in outcomes.values())
    passed = sum(outcome.through["passed"] for outcome in outcomes.values())
    print(f"\n{passed} tests of others pass through the guard, {differs} differ")
    return 1 if differs or not passed else 0


main()

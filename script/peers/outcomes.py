"""A plugin of pytest: writes what each test came to into PEERS_OUTCOMES as it ends, and runs only those that PEERS_ONLY lists."""

import os
import pathlib

TOLD = {}


def pytest_collection_modifyitems(config, items):
    only = os.environ.get("PEERS_ONLY")
    if only:
        names = set(pathlib.Path(only).read_text().splitlines())
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in names])
        items[:] = [item for item in items if item.nodeid in names]


def pytest_runtest_logreport(report):
    if report.failed:
        TOLD[report.nodeid] = "failed"
    elif report.skipped:
        TOLD.setdefault(report.nodeid, "skipped")
    if report.when == "teardown":
        with open(os.environ["PEERS_OUTCOMES"], "a") as outcomes:
            outcomes.write(f"{TOLD.pop(report.nodeid, 'passed')} {ascii(report.nodeid)}\n")

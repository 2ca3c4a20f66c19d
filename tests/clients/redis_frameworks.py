"""Has a framework do what it does with its own defaults, so that its keys are seen: `celery` or `rq`, and the port of a Redis."""

import sys

import redis

framework, port = sys.argv[1], int(sys.argv[2])
url = f"redis://127.0.0.1:{port}/0"


def celery():
    from celery import Celery, chord
    from celery.contrib.testing.worker import start_worker

    app = Celery("shop", broker=url, backend=url)

    @app.task(name="shop.add")
    def add(one, other):
        return one + other

    @app.task(name="shop.total")
    def total(all):
        return sum(all)

    with start_worker(app, pool="solo", perform_ping_check=False, loglevel="error"):
        assert add.delay(1, 2).get(timeout=60) == 3
        assert add.apply_async((1, 2), priority=5).get(timeout=60) == 3
        assert chord([add.s(1, 1), add.s(2, 2)])(total.s()).get(timeout=60) == 6
        add.apply_async((1, 2), countdown=3_600)
        add.apply_async((1, 2), expires=3_600).revoke()
        app.control.ping(timeout=1)


def rq():
    from datetime import timedelta

    from rq import Queue, SimpleWorker

    connection = redis.Redis(port=port)
    queue = Queue(connection=connection)
    jobs = [queue.enqueue(len, "abc"), queue.enqueue("math.factorial", -1)]
    queue.enqueue(len, "abc", depends_on=jobs[0])
    queue.enqueue_in(timedelta(hours=1), len, "abc")
    SimpleWorker([queue], connection=connection).work(burst=True, with_scheduler=False)
    assert jobs[0].return_value() == 3


{"celery": celery, "rq": rq}[framework]()

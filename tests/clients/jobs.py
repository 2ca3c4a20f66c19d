"""A queue as an app has it, with its client's own defaults: jobs.py KIND PORT enqueue | jobs.py KIND PORT work FILE

Each job writes its number into FILE. `enqueue` makes one of each line of standard input and prints a line for it: `accepted`, or what was
raised.
"""

import os
import sys

KIND, PORT, WHAT = sys.argv[1:4]
URL = f"redis://127.0.0.1:{PORT}/0"


def job(number):
    with open(sys.argv[4], "a") as done:
        done.write(f"{number}\n")


def celery():
    from celery import Celery

    app = Celery("jobs", broker=URL)
    app.conf.broker_connection_retry_on_startup = True
    task = app.task(job, name="job")
    if WHAT == "work":
        app.worker_main(["worker", "--pool=threads", "--concurrency=2", "--loglevel=INFO"])
    return task.delay


def rq():
    import redis
    from rq import Queue, Worker

    connection = redis.Redis.from_url(URL)
    queue = Queue("default", connection=connection)
    if WHAT == "work":
        # A module of its own name, as rq asks for one.
        Worker([queue], connection=connection).work()
    return lambda number: queue.enqueue("jobs.job", number)


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    enqueue = {"celery": celery, "rq": rq}[KIND]()
    for line in sys.stdin:
        try:
            enqueue(int(line))
            print("accepted", flush=True)
        except Exception as error:
            print(f"{type(error).__name__}: {error}".replace("\n", " "), flush=True)

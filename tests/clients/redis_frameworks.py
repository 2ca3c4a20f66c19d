"""Has a framework do what it does with its own defaults, so that its keys are seen: `celery`, `rq` or `django`, and the port of a Redis."""

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


def django():
    import django
    from django.conf import settings

    def backend(of, database):
        return {"BACKEND": of, "LOCATION": f"redis://127.0.0.1:{port}/{database}"}

    own, other = "django.core.cache.backends.redis.RedisCache", "django_redis.cache.RedisCache"
    settings.configure(
        CACHES={"default": backend(own, 0), "other": backend(other, 1)},
        SECRET_KEY="secret",
        ALLOWED_HOSTS=["testserver"],
        INSTALLED_APPS=["django.contrib.sessions"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        REST_FRAMEWORK={"DEFAULT_THROTTLE_RATES": {"anon": "9/min", "logins": "9/min"}, "UNAUTHENTICATED_USER": None},
    )
    django.setup()

    from django.contrib.sessions.backends import cache as sessions, cached_db
    from django.core.cache import caches
    from django.core.management import call_command
    from django.http import HttpResponse
    from django.template import engines
    from django.test import RequestFactory
    from django.views.decorators.cache import cache_page
    from django_ratelimit.decorators import ratelimit
    from rest_framework.throttling import AnonRateThrottle, ScopedRateThrottle
    from rest_framework.views import APIView

    call_command("migrate", verbosity=0)
    fragment = engines["django"].from_string("{% load cache %}{% cache 60 blocks user %}{{ user }}{% endcache %}")

    class Logins(APIView):
        throttle_classes = [AnonRateThrottle, ScopedRateThrottle]
        throttle_scope = "logins"

        def get(self, request):
            return HttpResponse()

    for name in caches:
        cache = caches[name]
        cache.set("price:7", 5)
        cache.add("price:8", 5, timeout=60)
        cache.get_or_set("price:9", lambda: 9)
        cache.set_many({"price:7": 1, "price:8": 2})
        cache.get_many(["price:7", "price:8"])
        cache.touch("price:7")
        cache.set("hits", 1)
        cache.incr("hits")
        cache.delete_many(["price:8", "price:9"])
        fragment.render({"user": 7})
    with cache.lock("lock:import", timeout=9):
        list(cache.iter_keys("price:*"))
        cache.delete_pattern("price:*")
    for store in sessions.SessionStore, cached_db.SessionStore:
        session = store()
        session["user"] = 7
        session.save()
        assert store(session.session_key)["user"] == 7
        session.flush()
    page = cache_page(60)(ratelimit(key="ip", rate="9/m")(lambda request: HttpResponse("page")))
    for view in page, Logins.as_view():
        for visit in range(2):
            assert view(RequestFactory().get("/blocks/sessions")).status_code == 200


{"celery": celery, "rq": rq, "django": django}[framework]()

"""A cache as an app has it, with its client's own defaults: cached.py KIND PORT

For each line of standard input one round of what apps ask of a cache: prints how many calls it were, how many milliseconds the slowest
took, and then what each call that raised raised. A line `whole` also writes many keys in one transaction, and `kept` only looks whether what
is written is read.
"""

import sys
import time

KIND, PORT = sys.argv[1], int(sys.argv[2])
RAISED, SLOWEST, CALLS = [], 0, 0


def call(what, *arguments, **options):
    global SLOWEST, CALLS
    began = time.monotonic()
    CALLS += 1
    try:
        return what(*arguments, **options)
    except Exception as error:
        name = getattr(what, "__name__", "?")
        RAISED.append(f"{name}: {type(error).__name__}: {error}".replace("\n", " "))
        return None
    finally:
        SLOWEST = max(SLOWEST, time.monotonic() - began)


def kept(write, read):
    write()
    if read() not in (10, b"10"):
        raise LookupError("what was written is not read")


def of_django(backend):
    import django
    from django.conf import settings

    settings.configure(CACHES={"default": {"BACKEND": backend, "LOCATION": f"redis://127.0.0.1:{PORT}/1"}})
    django.setup()
    from django.core.cache import cache

    def one_round(asked):
        if asked == "kept":
            return call(kept, lambda: cache.set("price", 10, 60), lambda: cache.get("price"))
        call(cache.get, "price")
        call(cache.set, "price", 10, 60)
        call(cache.get_many, ["price", "name"])
        call(cache.add, "lock", 1, 60)
        call(cache.get_or_set, "name", lambda: "ana", 60)
        call(cache.has_key, "price")
        call(cache.touch, "price", 60)
        call(cache.delete, "price")
        call(cache.delete_many, ["name", "price"])
        if asked == "whole":
            call(cache.set_many, {"price": 10, "name": "ana"}, 60)

    return one_round


def of_redis(protocol):
    import redis

    client = redis.Redis(host="127.0.0.1", port=PORT, db=1, **({"protocol": protocol} if protocol else {}))

    def pipeline(transaction, writes):
        pipe = client.pipeline(transaction=transaction)
        pipe.get("price").hgetall("cart").mget("price", "name")
        if writes:
            pipe.set("price", 10, ex=60).delete("name")
        return pipe.execute()

    def one_round(asked):
        if asked == "kept":
            return call(kept, lambda: client.set("price", 10), lambda: client.get("price"))
        call(client.get, "price")
        call(client.set, "price", 10, ex=60)
        call(client.mget, "price", "name")
        call(client.mset, {"price": 10, "name": "ana"})
        call(client.set, "lock", 1, nx=True, ex=60)
        call(client.hset, "cart", mapping={"a": 1, "b": 2})
        call(client.hgetall, "cart")
        call(client.smembers, "tags")
        call(client.zrange, "top", 0, 9, withscores=True)
        call(client.exists, "price")
        call(client.expire, "price", 60)
        call(pipeline, False, True)
        call(pipeline, True, False)
        call(lambda: list(client.scan_iter("cart*")))
        call(client.delete, "price", "name", "cart")
        if asked == "whole":
            call(pipeline, True, True)

    return one_round


KINDS = {
    "redis-py": lambda: of_redis(None),
    "redis-py-resp2": lambda: of_redis(2),
    "django": lambda: of_django("django.core.cache.backends.redis.RedisCache"),
    "django-redis": lambda: of_django("django_redis.cache.RedisCache"),
}
one_round = KINDS[KIND]()
for line in sys.stdin:
    RAISED, SLOWEST, CALLS = [], 0, 0
    one_round(line.strip())
    print(CALLS, round(SLOWEST * 1000), " ; ".join(RAISED), flush=True)

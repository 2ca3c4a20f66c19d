"""A Redis client with its own defaults: for each line of standard input what it gives, or the error, and in how many milliseconds."""

import sys
import time

import redis

client = redis.Redis(host="127.0.0.1", port=int(sys.argv[1]), protocol=int(sys.argv[2]))
for line in sys.stdin:
    words = line.split()
    began = time.monotonic()
    try:
        if words[0] == "pipeline":
            pipe = client.pipeline(transaction=True)
            for key in words[1:]:
                pipe.get(key)
            said = repr(pipe.execute())
        else:
            said = repr(getattr(client, words[0])(*words[1:]))
    except redis.RedisError as error:
        said = f"{type(error).__name__}: {error}"
    print(f"{round((time.monotonic() - began) * 1000)} {said}", flush=True)

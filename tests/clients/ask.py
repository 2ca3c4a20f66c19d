# One request by a library that people use: ask.py LIBRARY URL METHOD
#
# What it got is told as `STATUS RETRY-AFTER LENGTH`, an empty line, and the body. An answer that a library gives up on is
# told by its exception.
import sys

library, url, method = sys.argv[1:]
body = b"hi" if method == "POST" else None

if library == "requests":
    import requests

    answer = requests.request(method, url, data=body, timeout=20)
    content = answer.content
elif library in ("httpx", "httpx2"):
    import httpx

    second = library == "httpx2"
    with httpx.Client(http1=not second, http2=second, timeout=20) as client:
        answer = client.request(method, url, content=body)
        assert answer.http_version == ("HTTP/2" if second else "HTTP/1.1"), answer.http_version
        content = answer.content
elif library == "retry":
    # Three tries, each after what Retry-After says: a POST too, because the header says that it was not executed.
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util.retry import Retry

    retry = Retry(total=3, status_forcelist=[503], allowed_methods=None, backoff_factor=0)
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=retry))
        answer = session.request(method, url, data=body, timeout=20)
    content = answer.content
    tries = answer.raw.retries.history
    assert len(tries) >= 1 and all(one.status == 503 for one in tries), tries

print(answer.status_code, answer.headers.get("retry-after", "-"), answer.headers.get("content-length", "-"))
print()
sys.stdout.flush()
sys.stdout.buffer.write(content)

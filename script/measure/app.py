"""An app that is easily overrun, for the release of held requests: PORT [WORKERS [MILLISECONDS]].

WORKERS processes (4), each with one request at a time, MILLISECONDS (5) of work each, one request for each connection,
and a queue of 128 connections. Prints nothing; ends with its parent.
"""

import os
import signal
import socket
import sys
import time

port, workers, work = (int(word) for word in (sys.argv[1:] + ["4", "5"][len(sys.argv) - 2:])[:3])
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", port))
listener.listen(128)
parent = os.getpid()
children = []
for _ in range(workers):
    child = os.fork()
    if child == 0:
        break
    children.append(child)
else:
    def end(*_):
        for child in children:
            os.kill(child, signal.SIGKILL)
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    signal.pause()

while os.getppid() == parent:
    connection, _ = listener.accept()
    with connection:
        asked = b""
        while b"\r\n\r\n" not in asked:
            part = connection.recv(65536)
            if not part:
                break
            asked += part
        if not asked:
            continue
        if not asked.startswith(b"GET /up "):
            time.sleep(work / 1000)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\ndone\n")

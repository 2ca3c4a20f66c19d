# Visits that are more than one request: visit.py SCENARIO ADDRESS. A scenario throws where something is wrong. `ready` on
# standard output means that the test may go on; a line on standard input, that it has.
import asyncio
import sys

scenario, address = sys.argv[1:]


def ready():
    print("ready", flush=True)
    sys.stdin.readline()


async def websocket():
    import aiohttp

    async with aiohttp.ClientSession() as session:
        url = f"ws://{address}/echo"
        if scenario == "websocket-refused":
            try:
                await session.ws_connect(url)
            except aiohttp.WSServerHandshakeError as error:
                assert error.status == 503, error
                return
            raise AssertionError("it was let in")
        async with session.ws_connect(url) as socket:

            async def echoes(word):
                await socket.send_str(word)
                assert await socket.receive_str(timeout=10) == f"echo {word}"

            await echoes("one")
            ready()
            if scenario == "websocket-closes":
                last = await socket.receive(timeout=15)
                assert last.type == aiohttp.WSMsgType.CLOSE and last.data == 1012, last
            else:
                await echoes("two")


async def events():
    import aiohttp

    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://{address}/events") as stream:
            assert stream.headers["content-type"] == "text/event-stream"
            first = await asyncio.wait_for(stream.content.readuntil(b"\n\n"), 10)
            assert first == b"data: one\n\n", first
            # Only now the answer may go on, so that what came was not waiting for its end.
            async with session.get(f"http://{address}/on") as on:
                assert on.status == 200
            rest = await asyncio.wait_for(stream.content.read(), 10)
            assert rest == b"data: two\n\n", rest


def grpc_visit():
    import grpc

    with grpc.insecure_channel(address) as channel:
        add = channel.unary_unary("/shop.Cart/Add")
        if scenario == "grpc-refused":
            try:
                add(b"a", timeout=10)
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.UNAVAILABLE, error
                assert error.details().endswith("This request was not carried out."), error
                pushback = dict(error.trailing_metadata() or ()) | dict(error.initial_metadata() or ())
                assert 240_000 <= int(pushback["grpc-retry-pushback-ms"]) <= 300_000, pushback
                return
            raise AssertionError("it was let in")
        answer, call = add.with_call(b"a", timeout=15)
        assert answer == b"added a", answer
        assert dict(call.trailing_metadata())["x-count"] == "1"
        watch = channel.unary_stream("/shop.Cart/Watch")
        assert list(watch(b"", timeout=10)) == [b"one", b"two"]
        large = b"x" * (1 << 20)
        assert add(large, timeout=15) == b"added " + large


if scenario.startswith("websocket"):
    asyncio.run(websocket())
elif scenario == "events":
    asyncio.run(events())
else:
    grpc_visit()

# An app with what a plain one lacks, on a port that it tells: a WebSocket that echoes, events that come when they are
# asked for, and in `grpc` two methods of gRPC, by HTTP/2 without TLS.
import asyncio
import sys
from concurrent import futures


async def web():
    from aiohttp import web, WSMsgType

    goes_on = asyncio.Event()

    async def echo(request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type == WSMsgType.TEXT:
                await socket.send_str("echo " + message.data)
        return socket

    async def events(request):
        answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await answer.prepare(request)
        await answer.write(b"data: one\n\n")
        await goes_on.wait()
        await answer.write(b"data: two\n\n")
        return answer

    async def on(_):
        goes_on.set()
        return web.Response()

    async def well(_):
        return web.Response()

    app = web.Application()
    app.add_routes([web.get("/up", well), web.get("/echo", echo), web.get("/events", events), web.get("/on", on)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


def grpc_app():
    import grpc

    def add(request, context):
        context.set_trailing_metadata((("x-count", str(len(request))),))
        return b"added " + request

    def watch(request, context):
        for piece in (b"one", b"two"):
            yield piece

    handlers = {
        "Add": grpc.unary_unary_rpc_method_handler(add),
        "Watch": grpc.unary_stream_rpc_method_handler(watch),
    }
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Cart", handlers),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    server.wait_for_termination()


if sys.argv[1] == "grpc":
    grpc_app()
else:
    asyncio.run(web())

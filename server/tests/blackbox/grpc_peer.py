"""A gRPC server, and a client that checks what it gets: grpcio's, nothing of ours.

    grpc_peer.py server                      prints the port it listens on
    grpc_peer.py client TARGET PREFIX KEY    ends with 0 when all was well
"""

import faulthandler
import os
import sys
import threading
from concurrent import futures

import grpc

LARGE = bytes(range(256)) * 12_000


def unary(request, context):
    if request == b"fail":
        context.set_trailing_metadata((("x-why", "asked"),))
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "as asked: ä")
    context.set_trailing_metadata((("x-length", str(len(request))),))
    return request


def client_stream(requests, context):
    return str(sum(len(request) for request in requests)).encode()


def server_stream(request, context):
    for number in range(int(request)):
        yield b"%d" % number


def bidi(requests, context):
    yield from requests


class Service(grpc.GenericRpcHandler):
    def service(self, details):
        return {
            "/test.Echo/Unary": grpc.unary_unary_rpc_method_handler(unary),
            "/test.Echo/ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
            "/test.Echo/ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
            "/test.Echo/Bidi": grpc.stream_stream_rpc_method_handler(bidi),
        }.get(details.method)


def serve():
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((Service(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


def refused(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except grpc.RpcError as error:
        return error
    raise AssertionError("it was not refused")


def check(target, prefix, key):
    channel = grpc.insecure_channel(target)
    name = lambda method: f"{prefix}/test.Echo/{method}"
    metadata = (("x-api-key", key), ("x-apiverse-api", "echo"))
    limits = {"metadata": metadata, "timeout": 30}

    call = channel.unary_unary(name("Unary"))
    answer, info = call.with_call(b"hello", **limits)
    assert answer == b"hello"
    assert ("x-length", "5") in [(k, v) for k, v in info.trailing_metadata()], info.trailing_metadata()
    assert call(LARGE, **limits) == LARGE
    assert call(b"", **limits) == b""

    error = refused(call, b"fail", **limits)
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error
    assert error.details() == "as asked: ä", error.details()
    assert ("x-why", "asked") in [(k, v) for k, v in error.trailing_metadata()]

    error = refused(channel.unary_unary(name("Nothing")), b"", **limits)
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error
    error = refused(call, b"hello", metadata=metadata[1:], timeout=30)
    assert error.code() == grpc.StatusCode.UNAUTHENTICATED, error
    assert "API key" in error.details(), error.details()

    total = channel.stream_unary(name("ClientStream"))(iter([b"abc"] * 1000), **limits)
    assert total == b"3000", total
    numbers = list(channel.unary_stream(name("ServerStream"))(b"1000", **limits))
    assert numbers == [b"%d" % number for number in range(1000)]

    # Each message is sent when the one before has come back.
    back = threading.Semaphore(1)

    def messages():
        for number in range(200):
            assert back.acquire(timeout=30)
            yield b"%d" % number

    count = 0
    for message in channel.stream_stream(name("Bidi"))(messages(), **limits):
        assert message == b"%d" % count
        count += 1
        back.release()
    assert count == 200

    # A caller that goes away.
    call = channel.stream_stream(name("Bidi"))(iter([b"x"]), **limits)
    assert next(call) == b"x"
    call.cancel()
    channel.close()


if __name__ == "__main__":
    if sys.argv[1] == "server":
        serve()
    else:
        # Whatever waits for more than a minute says where.
        faulthandler.dump_traceback_later(60, exit=True)
        check(*sys.argv[2:])
        # grpcio's own threads do not always end with the interpreter.
        os._exit(0)

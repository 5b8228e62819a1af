"""Latency at a low rate: what a proxy adds to a call when nothing waits for anything.

One connection straight to the upstream and one through the proxy, asked in turn at fixed times, so that both meet the
same machine in the same seconds. Blocking sockets and one clock reading before the send and one after the last byte:
what the interpreter adds is small, and the same for both, so that it falls out of the difference."""

import gc
import socket
import statistics
import time
from dataclasses import dataclass

from .load import KEYS_IN_TURN
from .scenarios import SMALL

WARM_UP = 100  # calls of each side that are not counted


@dataclass
class Added:
    peer: str
    repeat: int
    fault: str | None
    direct_p50: float = 0.0  # microseconds
    direct_p99: float = 0.0
    p50: float = 0.0
    p99: float = 0.0
    late: int = 0  # calls sent more than half an interval after their time

    @property
    def added(self):
        return self.p50 - self.direct_p50


class Side:
    def __init__(self, peer):
        self.socket = socket.create_connection(("127.0.0.1", peer.port), timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.requests = [
            f"GET {peer.prefix}/1k HTTP/1.1\r\nHost: 127.0.0.1:{peer.port}\r\nX-API-Key: {key}\r\n\r\n".encode()
            for key in peer.keys[:KEYS_IN_TURN]
        ]
        self.calls = 0
        self.times = []

    def call(self):
        """Asks once; returns what is wrong with the answer, or None. The checks come after the clock."""
        request = self.requests[self.calls % len(self.requests)]
        begin = time.perf_counter_ns()
        self.socket.sendall(request)
        answer = self.socket.recv(65536)
        while not answer.endswith(SMALL):
            more = self.socket.recv(65536)
            if not more:
                return "the connection was closed"
            answer += more
        taken = time.perf_counter_ns() - begin
        if not answer.startswith(b"HTTP/1.1 200 "):
            return f"answers {answer[:40]!r}"
        self.calls += 1
        if self.calls > WARM_UP:
            self.times.append(taken / 1000)
        return None


def latency(peer, repeat, run):
    sides = []
    gc.disable()
    try:
        sides = [Side(run.upstream), Side(peer)]
        pause = 1 / run.rate / len(sides)
        late = 0
        begin = time.perf_counter()
        for turn in range((int(run.rate * run.seconds) + WARM_UP) * len(sides)):
            due = begin + turn * pause
            wait = due - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            elif wait < -pause / 2:
                late += 1
            fault = sides[turn % 2].call()
            if fault:
                return Added(peer.name, repeat, fault)
    except OSError as error:
        return Added(peer.name, repeat, str(error) or type(error).__name__)
    finally:
        gc.enable()
        for side in sides:
            side.socket.close()
    cuts = [statistics.quantiles(side.times, n=100, method="inclusive") for side in sides]
    return Added(peer.name, repeat, None, cuts[0][49], cuts[0][98], cuts[1][49], cuts[1][98], late)

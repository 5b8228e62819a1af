"""What is asked and what must come back."""

import json
from dataclasses import dataclass

from .http import ask


def padded(length):
    """A JSON document of exactly `length` bytes."""
    return json.dumps({"data": "x" * (length - len('{"data": ""}'))}).encode()


SMALL, BIG, POSTED = padded(1024), padded(100 * 1024), padded(10 * 1024)


@dataclass(frozen=True)
class Scenario:
    method: str
    path: str
    answer: bytes
    title: str
    body: bytes | None = None
    paused: bool = False  # callers wait between calls, so that nginx is half busy


SCENARIOS = {
    "full": Scenario("GET", "/1k", SMALL, "GET, 1 KiB back"),
    "half": Scenario("GET", "/1k", SMALL, "GET, 1 KiB back, at half of what nginx can take", paused=True),
    "big": Scenario("GET", "/100k", BIG, "GET, 100 KiB back"),
    "post": Scenario("POST", "/post", SMALL, "POST, 10 KiB there, 1 KiB back", POSTED),
}


def wrong(peer, scenario):
    """What is wrong with the peer's answer, or None: status, every byte of the body, the request's body passed on, a
    key that nobody made refused."""
    headers = {"X-API-Key": peer.keys[0]}
    if scenario.body is not None:
        headers["Content-Type"] = "application/json"
    status, answered, body = ask(peer.port, scenario.method, peer.prefix + scenario.path, headers, scenario.body)
    if status != 200:
        return f"status {status}: {body[:200].decode(errors='replace')}"
    if body != scenario.answer:
        return f"a body of {len(body)} bytes that is not the upstream's"
    if scenario.body is not None and answered["X-Body"] not in (str(len(scenario.body)), "chunked"):
        return "the request's body did not reach the upstream"
    if peer.checks_keys:
        for other in ({}, {"X-API-Key": peer.keys[0][:-4] + "0000"}):
            status, _, _ = ask(peer.port, "GET", peer.prefix + "/1k", other)
            if status != 401:
                return f"status {status} without a valid key"
    return None

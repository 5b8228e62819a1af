"""What a cache hit costs beside the same call forwarded: one node, two APIs on one upstream, loaded in turn.

    PYTHONPATH=bench python3 -m harness.hit --binary PATH [--rounds 6] [--seconds 4]

Prints a table. Each round loads both, the second in reverse, and gives one ratio; the median counts.
"""

import argparse
import os
import shutil
import signal
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .http import ask, ask_json
from .load import wrk
from .peers import Apiverse, Upstream
from .process import LOAD_CORE, Unable, free_ports
from .scenarios import SCENARIOS

# Longer than the record is put off.
PUT_OFF = 1.5
POLICY = {"default_ttl_seconds": 3600, "shared_between_keys": True}


@dataclass
class Place:
    """What `harness.load` needs of a run."""

    bench: Path
    folder: Path
    binary: Path
    nice: int
    limits: bool = True
    pause: int = 0
    upstream: object = None


def add_cached(peer):
    """A second API, whose answers are kept."""
    upstream = f"http://127.0.0.1:{peer.run.upstream.port}"
    api = {"name": "Cached", "slug": "cached", "base_url": upstream, "auth_type": "none"}
    made = ask_json(peer.port, "POST", "/api/v1/apis", peer.token, api)
    ask_json(peer.port, "PUT", f"/api/v1/policies/api/{made['id']}/cache", peer.token, POLICY)

    def is_hit():
        headers = {"X-API-Key": peer.keys[0]}
        return "; hit" in (ask(peer.port, "GET", "/proxy/cached/1k", headers)[1].get("cache-status") or "")

    peer.server.wait_until(is_hit)


def sample(peer, prefix, scenario, seconds, run):
    """CPU microseconds for each call, with what is done afterwards, and calls a second."""
    peer.prefix = prefix
    before = sum(peer.server.cpu())
    numbers, _ = wrk(peer, scenario, seconds, run)
    calls, duration, _, refused, broken, _, _ = numbers
    if refused or broken or not calls:
        raise Unable(f"{prefix}: {refused} refused and {broken} broken of {calls} calls")
    peer.server.settle(PUT_OFF)
    return (sum(peer.server.cpu()) - before) / calls * 1e6, calls / duration * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--scenarios", default="full,big")
    args = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    signal.signal(signal.SIGTERM, lambda *_: exit(1))
    folder = Path(tempfile.mkdtemp(prefix="apiverse-hit."))
    # The upstream's workers are another user's.
    folder.chmod(0o755)
    ports = free_ports(2)
    run = Place(Path(__file__).resolve().parent.parent, folder, args.binary.resolve(), args.nice)
    run.upstream = Upstream(run, ports[0])
    peer = Apiverse(run, ports[1])
    print("| | forwarded: µs of CPU a call | hit | hit / forwarded | calls/s forwarded | hit |")
    print("| --- | --- | --- | --- | --- | --- |")
    try:
        run.upstream.start()
        peer.start()
        add_cached(peer)
        both = ["/proxy/bench", "/proxy/cached"]
        for name in args.scenarios.split(","):
            scenario = SCENARIOS[name]
            for prefix in both:
                sample(peer, prefix, scenario, 1, run)
            rounds = []
            for number in range(args.rounds):
                order = both if number % 2 == 0 else both[::-1]
                rounds.append({prefix: sample(peer, prefix, scenario, args.seconds, run) for prefix in order})
            cost = [statistics.median(round[prefix][0] for round in rounds) for prefix in both]
            rate = [max(round[prefix][1] for round in rounds) for prefix in both]
            ratios = sorted(round[both[1]][0] / round[both[0]][0] for round in rounds)
            print(
                f"| {name} | {cost[0]:.1f} | {cost[1]:.1f} | {statistics.median(ratios):.2f} "
                f"({ratios[0]:.2f} to {ratios[-1]:.2f}) | {rate[0]:.0f} | {rate[1]:.0f} |",
                flush=True,
            )
    finally:
        peer.stop()
        run.upstream.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

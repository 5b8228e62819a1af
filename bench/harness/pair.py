"""What a call costs in two builds: each serves the same API on the same core, loaded in turn (A B, B A, …).

    PYTHONPATH=bench python3 -m harness.pair --before PATH --binary PATH [--rounds 6] [--seconds 4]

Prints a table. Each round loads both, the second in reverse, and gives one ratio; the median counts.
"""

import argparse
import os
import shutil
import signal
import statistics
import tempfile
from pathlib import Path

from .hit import Place, sample
from .peers import Apiverse, Upstream
from .process import LOAD_CORE, free_ports
from .scenarios import SCENARIOS


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--scenarios", default="full,big,post")
    args = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    signal.signal(signal.SIGTERM, lambda *_: exit(1))
    folder = Path(tempfile.mkdtemp(prefix="apiverse-pair."))
    # The upstream's workers are another user's.
    folder.chmod(0o755)
    ports = free_ports(3)
    bench = Path(__file__).resolve().parent.parent
    peers, runs = [], []
    upstream = None
    print("| | before: µs of CPU a call | now | now / before |")
    print("| --- | --- | --- | --- |")
    try:
        for name, binary, port in zip(("before", "now"), (args.before, args.binary), ports[1:]):
            (folder / name).mkdir(mode=0o755)
            run = Place(bench, folder / name, binary.resolve(), args.nice)
            if upstream is None:
                upstream = Upstream(run, ports[0])
                upstream.start()
            run.upstream = upstream
            peer = Apiverse(run, port)
            peers.append(peer)
            runs.append(run)
            peer.start()
        for name in args.scenarios.split(","):
            scenario = SCENARIOS[name]
            both = list(zip(peers, runs))
            for peer, run in both:
                sample(peer, "/proxy/bench", scenario, 1, run)
            rounds = []
            for number in range(args.rounds):
                order = both if number % 2 == 0 else both[::-1]
                costs = {peer: sample(peer, "/proxy/bench", scenario, args.seconds, run)[0] for peer, run in order}
                rounds.append([costs[peer] for peer in peers])
            ratios = sorted(now / before for before, now in rounds)
            before, now = (statistics.median(round[at] for round in rounds) for at in (0, 1))
            print(
                f"| {name} | {before:.1f} | {now:.1f} | "
                f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) |",
                flush=True,
            )
    finally:
        for peer in peers:
            peer.stop()
        if upstream is not None:
            upstream.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

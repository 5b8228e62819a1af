"""Measures APIverse, nginx and HAProxy side by side, and without a proxy (direct).

Prints a table and writes it into bench/results/YYYY-MM-DD.md."""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from . import report
from .load import CONNECTIONS, sample
from .pacer import latency
from .peers import PEERS, Upstream, versions
from .process import LOAD_CORE, PROXY_CORE, Unable, free_ports
from .scenarios import SCENARIOS


@dataclass
class Run:
    """The settings of this run, and what is shared by its parts."""

    root: Path
    bench: Path
    binary: Path
    given: bool  # the binary is not what this checkout builds
    scenarios: list
    repeats: int
    seconds: int
    warm: int
    rate: int
    nice: int
    limits: bool
    folder: Path
    bare: Path = None
    pause: float = 2.0  # milliseconds between the calls of a caller in `half`
    upstream: Upstream = field(default=None)


def names(allowed):
    def parse(text):
        found = list(dict.fromkeys(name for name in text.split(",") if name))
        for name in found:
            if name not in allowed:
                raise argparse.ArgumentTypeError(f"{name}: choose from {', '.join(allowed)}")
        return found

    return parse


def number(least):
    def parse(text):
        if not text.isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"a whole number from {least}")
        return int(text)

    return parse


def arguments():
    scenarios = [*SCENARIOS, "latency"]
    parser = argparse.ArgumentParser(prog="bench/run.sh", description=__doc__, allow_abbrev=False)
    parser.add_argument("--peers", type=names(PEERS), default=list(PEERS), help="of " + ",".join(PEERS))
    parser.add_argument("--scenarios", type=names(scenarios), default=scenarios, help="of " + ",".join(scenarios))
    parser.add_argument("--repeats", type=number(1), default=2, help="each with new processes (2)")
    parser.add_argument("--seconds", type=number(1), default=4, help="length of a sample (4)")
    parser.add_argument("--warm", type=number(1), default=1, help="seconds of load before a sample (1)")
    parser.add_argument("--rate", type=number(1), default=200, help="requests a second in `latency` (200)")
    parser.add_argument("--no-limits", dest="limits", action="store_false", help="nobody limits the rate per key")
    parser.add_argument("--bare", type=Path, help="the program behind the peers `hyper` and `plain`")
    parser.add_argument("--nice", type=int, default=0, help="niceness; below 0, as root, where others compile (0)")
    parser.add_argument("--at-most", type=number(1), default=900, metavar="SECONDS", help="stop after so long (900)")
    parser.add_argument("--binary", type=Path, help="measure this apiverse; otherwise it is built when needed")
    parser.add_argument("--print-only", action="store_true", help="write no file")
    parser.add_argument("--root", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--dist", type=Path, required=True, help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(run, chosen):
    """Every sample of every repeat. What was found before a stop is lost: half a comparison is none."""
    samples, added = [], []
    for repeat in range(run.repeats):
        try:
            for peer in chosen:
                if peer is not run.upstream:
                    peer.start()
            order = chosen if repeat % 2 == 0 else chosen[::-1]
            for name in run.scenarios:
                for peer in order:
                    if name == "latency":
                        if peer is not run.upstream:
                            one = latency(peer, repeat, run)
                            added.append(one)
                            print(progress(one, name, f"{one.added:6.1f} µs added"), flush=True)
                    else:
                        one = sample(peer, name, repeat, run)
                        samples.append(one)
                        if name == "full" and peer.name == "nginx" and one.rate:
                            # Half of that rate, by 64 callers of whom none is under way for long.
                            run.pause = CONNECTIONS / (one.rate / 2) * 1000
                        cpu = "" if peer is run.upstream else f"{one.cpu:6.1f} µs of CPU a request"
                        print(progress(one, name, f"{one.rate:6.0f} requests/s  {cpu}"), flush=True)
        finally:
            for peer in chosen:
                if peer is not run.upstream:
                    peer.stop()
    return samples, added


def progress(one, name, result):
    if one.fault:
        result = f"not counted: {one.fault}"
    return f"   repeat {one.repeat + 1}  {name:8}{one.peer:9} {result}"


def stopped(kind, _):
    raise SystemExit(128 + kind)


def out_of_time(_, __):
    raise Unable("the time is over; --at-most gives more")


def main():
    args = arguments()
    if not {LOAD_CORE, PROXY_CORE} <= os.sched_getaffinity(0):
        raise Unable("two cores are needed: one for the proxy, one for the load")
    for name in [name for name in args.peers if name in ("hyper", "plain") and not args.bare]:
        raise Unable(f"{name} needs --bare; bench/run.sh builds it")
    binary = (args.binary or args.dist / "apiverse").resolve()
    if "apiverse" in args.peers and not os.access(binary, os.X_OK):
        raise Unable(f"{binary} is not there")
    # Otherwise our own waiting would be on the proxy's core.
    os.sched_setaffinity(0, {LOAD_CORE})
    for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(kind, stopped)
    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(args.at_most)

    folder = Path(tempfile.mkdtemp(prefix="apiverse-bench."))
    # nginx's worker is another user when we are root.
    folder.chmod(0o755)
    run = Run(args.root, args.root / "bench", binary, args.binary is not None, args.scenarios, args.repeats,
              args.seconds, args.warm, args.rate, args.nice, args.limits, folder)
    run.bare = args.bare
    ports = free_ports(len(PEERS))
    run.upstream = Upstream(run, ports.pop())
    try:
        run.upstream.start()
        chosen = [run.upstream if name == "direct" else PEERS[name](run, ports.pop()) for name in args.peers]
        samples, added = measure(run, chosen)
    finally:
        signal.alarm(0)
        for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(kind, signal.SIG_IGN)
        run.upstream.stop()
        shutil.rmtree(folder, ignore_errors=True)

    text = report.report(run, versions(args.peers, binary), samples, added, args.peers)
    print(f"\n{text}")
    if not args.print_only:
        print(f"written to {report.write(run, text).relative_to(args.root)}")
    return 1 if any(one.fault for one in [*samples, *added]) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Unable, OSError) as error:
        sys.exit(f"error: {error}")

"""One sample: wrk against one peer, and what the proxy used for it."""

import os
import subprocess
import time
from dataclasses import dataclass

from .process import LOAD_CORE, Unable, machine_cpu, prepare
from .scenarios import SCENARIOS, wrong
from .witness import Witness

CONNECTIONS = 64
KEYS_IN_TURN = 32
# Longer than the flush interval of any peer's log, so that what is put off is counted too.
PUT_OFF = 1.5


@dataclass
class Sample:
    peer: str
    scenario: str
    repeat: int
    fault: str | None  # why it does not count
    rate: float = 0.0  # requests a second
    p50: int = 0  # microseconds
    p99: int = 0
    user: float = 0.0  # CPU microseconds of the proxy a request
    system: float = 0.0
    busy: float = 0.0  # share of its core the proxy used
    pss: int = 0  # bytes
    rss: int = 0
    recorded: float | None = None  # calls written down, of those answered
    others: float = 0.0  # cores that programs outside the benchmark used

    @property
    def cpu(self):
        return self.user + self.system


def wrk(peer, scenario, seconds, run):
    """The seven numbers of wrk.lua's line, and the CPU seconds wrk used."""
    body = ""
    if scenario.body is not None:
        body = str(run.folder / "body.json")
        (run.folder / "body.json").write_bytes(scenario.body)
    env = os.environ | {
        "BENCH_METHOD": scenario.method,
        "BENCH_PATH": peer.prefix + scenario.path,
        "BENCH_BODY": body,
        "BENCH_KEYS": " ".join(peer.keys[:KEYS_IN_TURN]),
        "BENCH_PAUSE": str(run.pause if scenario.paused else 0),
    }
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "5s", "-s", str(run.bench / "wrk.lua"),
               f"http://127.0.0.1:{peer.port}"]
    process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, preexec_fn=prepare(LOAD_CORE, run.nice))
    try:
        text = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        if process.returncode is None:
            process.kill()
    for line in text.splitlines():
        if line.startswith("bench "):
            return [int(word) for word in line.split()[1:]], usage.ru_utime + usage.ru_stime
    raise Unable(f"wrk says nothing of use:\n{text}")


def drive(peer, scenario, seconds, run):
    """wrk with a witness beside it: wrk's numbers, its CPU seconds, the requests of both, and what was wrong."""
    witness = Witness(peer, scenario, peer.keys[:KEYS_IN_TURN])
    witness.start()
    try:
        numbers, cpu = wrk(peer, scenario, seconds, run)
    finally:
        witness.stop()
    return numbers, cpu, numbers[0] + witness.calls, witness.fault or fault_of(numbers, witness.length)


def fault_of(numbers, length):
    requests, _, received, refused, broken, _, _ = numbers
    if requests == 0:
        return "no answers"
    if refused:
        return f"{refused} answers with status 400 or above"
    if broken:
        return f"{broken} connections that failed or timed out"
    # wrk does not look into answers, but other answers have another length. Those under way when it stops are in
    # the bytes and not in the count.
    under_way = CONNECTIONS * length / requests
    if not 0.997 * length < received / requests < 1.003 * length + under_way:
        return f"{received / requests:.0f} bytes an answer where a right one has {length}"
    return None


def counted(peer, expected):
    """The calls the peer has written down, once they are as many as expected or five seconds have passed."""
    end = time.monotonic() + 5
    while (seen := peer.recorded()) is not None and seen < expected and time.monotonic() < end:
        time.sleep(0.3)
    return seen


def sample(peer, name, repeat, run):
    scenario = SCENARIOS[name]
    direct = peer is run.upstream
    fault = wrong(peer, scenario)
    if fault:
        return Sample(peer.name, name, repeat, fault)
    _, _, warm, fault = drive(peer, scenario, run.warm, run)
    if fault:
        return Sample(peer.name, name, repeat, f"{fault}, while warming up")
    before = 0
    if not direct:
        peer.server.settle(PUT_OFF)
        before = counted(peer, warm)
        peer.server.settle(0)

    user, system = peer.server.cpu()
    upstream, machine, ours = sum(run.upstream.server.cpu()), machine_cpu(), sum(os.times()[:2])
    numbers, load, requests, fault = drive(peer, scenario, run.seconds, run)
    wall = numbers[1] / 1e6
    used = sum(peer.server.cpu()) - user - system
    others = machine_cpu() - machine - load - (sum(os.times()[:2]) - ours)
    others -= sum(run.upstream.server.cpu()) - upstream
    if not direct:
        others -= used
    pss, rss = peer.server.memory()

    recorded = None
    if not direct:
        peer.server.settle(PUT_OFF)
    after_user, after_system = peer.server.cpu()
    if not direct and not fault:
        recorded = (counted(peer, before + requests) - before) / requests
    fault = fault or wrong(peer, scenario)
    if fault:
        return Sample(peer.name, name, repeat, fault)
    return Sample(
        peer.name, name, repeat, None,
        rate=numbers[0] / wall, p50=numbers[5], p99=numbers[6],
        user=(after_user - user) / requests * 1e6, system=(after_system - system) / requests * 1e6,
        busy=used / wall, pss=pss, rss=rss, recorded=recorded, others=max(0.0, others / wall),
    )

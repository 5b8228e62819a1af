"""Starting, stopping and measuring processes. Linux only: it reads /proc."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
LOAD_CORE, PROXY_CORE = 0, 1
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class Unable(Exception):
    """The benchmark cannot go on; the message says why."""


def prepare(core, nice=0):
    """What a child does before exec: a session of its own, by which it and its children are found; one core; an
    end when we end, even by SIGKILL. Where the kernel groups sessions for scheduling, nice counts only inside
    one, so the group's own value is set too."""

    def before_exec():
        os.setsid()
        os.sched_setaffinity(0, {core})
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if nice:
            os.nice(nice)
            try:
                Path("/proc/self/autogroup").write_text(str(nice))
            except OSError:
                pass

    return before_exec


class Server:
    """A process that runs until it is stopped."""

    def __init__(self, name, command, folder, core, nice=0, env=None, output=None):
        self.name = name
        self.log = folder / f"{name}.log"
        with open(self.log, "ab") as log, open(output or self.log, "ab") as out:
            self.process = subprocess.Popen(
                command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=log,
                preexec_fn=prepare(core, nice),
            )

    def wait_until(self, ready, seconds=30):
        """Calls `ready` until it is true. OSError counts as not yet."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if ready():
                    return
            except OSError:
                pass
            time.sleep(0.05)
        tail = self.log.read_text(errors="replace").strip()[-2000:]
        raise Unable(f"{self.name} does not come up; its log ends with:\n{tail}")

    def stop(self):
        """SIGTERM to the whole session, SIGKILL after five seconds."""
        for kind in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, kind)
            except ProcessLookupError:
                pass
            end = time.monotonic() + 5
            while time.monotonic() < end:
                self.process.poll()
                if not members(self.process.pid):
                    return
                time.sleep(0.02)

    def cpu(self):
        return cpu(self.process.pid)

    def memory(self):
        return memory(self.process.pid)

    def settle(self, at_least, at_most=10.0):
        """Waits until work put off is done: at least so long, then until nearly nothing is used for 0.4 s."""
        time.sleep(at_least)
        end = time.monotonic() + at_most
        while time.monotonic() < end:
            before = sum(self.cpu())
            time.sleep(0.4)
            if sum(self.cpu()) - before < 0.015:
                return


def stat(pid):
    """The fields of /proc/PID/stat after the name: state, ppid, pgrp, session, …"""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def members(session):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = stat(entry)
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] not in "ZX":
                found.append(int(entry))
    return found


def cpu(session):
    """Seconds of user and of system time of a session's processes."""
    user = system = 0
    for pid in members(session):
        try:
            fields = stat(pid)
        except OSError:
            continue
        user += int(fields[11])
        system += int(fields[12])
    return user / TICKS, system / TICKS


def memory(session):
    """Bytes of PSS (shared pages divided among their users) and RSS of a session's processes."""
    pss = rss = 0
    for pid in members(session):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            if line.startswith("Pss:"):
                pss += int(line.split()[1]) * 1024
            elif line.startswith("Rss:"):
                rss += int(line.split()[1]) * 1024
    return pss, rss


def machine_cpu():
    """Seconds that all cores together have worked since the machine started."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle, waiting = fields[3], fields[4]
    return (sum(fields) - idle - waiting) / TICKS


def free_ports(count, first=21000):
    """Ports on loopback that nobody listens on, below those the kernel gives to clients."""
    found = []
    for port in range(first, 32000):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise Unable("no free ports on 127.0.0.1")

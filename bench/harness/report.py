"""The table, and the facts of the machine it was made on."""

import os
import platform
import subprocess
import time
from pathlib import Path
from statistics import median

from .load import CONNECTIONS, KEYS_IN_TURN
from .peers import KEYS
from .scenarios import SCENARIOS

BASE = "nginx"
MIB = 1 << 20


def facts(run, versions):
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            model = line.split(":", 1)[1].strip()
            break

    def git(*words):
        done = subprocess.run(["git", "-C", str(run.root), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    commit = git("rev-parse", "--short=12", "HEAD") or "unknown"
    if git("status", "--porcelain", "--untracked-files=no"):
        commit += " with uncommitted changes"
    if run.given:
        commit += "; the binary was given by --binary and may be of another"
    return [
        f"- date: {time.strftime('%Y-%m-%d %H:%M %Z')}; commit: {commit}",
        f"- machine: {model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        f"- versions: {', '.join(f'{name} {version}' for name, version in versions.items())}",
        f"- repeats: {run.repeats} of {run.seconds} s after {run.warm} s of warm-up, new processes each time, in turn "
        "and in reverse; load generator and upstream on core 0, the proxy alone on core 1; "
        f"{CONNECTIONS} connections, {KEYS_IN_TURN} of {KEYS} keys"
        + (f"; niceness {run.nice}" if run.nice else ""),
    ]


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 1)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def spread(values, digits):
    text = f"{median(values):.{digits}f}"
    return text if len(values) == 1 else f"{text} [{min(values):.{digits}f}–{max(values):.{digits}f}]"


def ratio(mine, base, figure):
    """Median over the repeats of this peer's figure by the base's in the same repeat."""
    of_base = {one.repeat: figure(one) for one in base}
    found = [figure(one) / of_base[one.repeat] for one in mine if of_base.get(one.repeat)]
    return f"{median(found):.2f}" if found else "–"


def load_table(name, samples, order):
    good = [one for one in samples if one.scenario == name and not one.fault]
    base = [one for one in good if one.peer == BASE]
    rows = []
    for peer in order:
        mine = [one for one in good if one.peer == peer]
        if not mine:
            continue
        best = max(mine, key=lambda one: one.rate)
        row = [peer, f"{best.rate:.0f}", str(best.p50), str(best.p99)]
        if peer == "direct":
            row += ["–"] * 7
        else:
            row += [
                spread([one.cpu for one in mine], 1),
                f"{median(one.user for one in mine):.1f} + {median(one.system for one in mine):.1f}",
                ratio(mine, base, lambda one: one.cpu),
                f"{median(one.busy for one in mine):.0%}",
                f"{max(one.pss for one in mine) / MIB:.0f}",
                f"{max(one.rss for one in mine) / MIB:.0f}",
                # Calls under way when wrk stops are recorded and not counted by it: a little above 100 % is whole.
                f"{min(1, min(one.recorded for one in mine)):.2%}",
            ]
        rows.append(row + [f"{median(one.others for one in mine):.2f}", str(len(mine))])
    heads = ["", "requests/s", "p50 µs", "p99 µs", "CPU µs/request", "user + system", "× nginx", "core used",
             "PSS MiB", "RSS MiB", "recorded", "others' cores", "repeats"]
    return table(heads, rows)


def latency_table(added, order):
    good = [one for one in added if not one.fault]
    base = [one for one in good if one.peer == BASE]
    rows = []
    for peer in order:
        mine = [one for one in good if one.peer == peer]
        if mine:
            rows.append([
                peer, f"{median(one.direct_p50 for one in mine):.0f}", f"{median(one.p50 for one in mine):.0f}",
                spread([one.added for one in mine], 0), ratio(mine, base, lambda one: one.added),
                ratio(mine, [one for one in good if one.peer == "hyper"], lambda one: one.added),
                f"{median(one.direct_p99 for one in mine):.0f}", f"{median(one.p99 for one in mine):.0f}",
                str(sum(one.late for one in mine)), str(len(mine)),
            ])
    heads = ["", "direct p50 µs", "p50 µs", "added p50 µs", "× nginx", "× hyper", "direct p99 µs", "p99 µs", "late",
             "repeats"]
    return table(heads, rows)


def report(run, versions, samples, added, order):
    work = "key check, a record of the call, upstream connections kept"
    limits = "and a rate limit per key, far above the load" if run.limits else "no rate limit anywhere"
    lines = ["# Benchmark", "", *facts(run, versions), f"- the same work for each: {work} (APIverse: a usage event in "
             f"SQLite; the others: an access log); {limits}", "",
             "How to read it: [../README.md](../README.md).", ""]
    for name in run.scenarios:
        if name in SCENARIOS:
            lines += [f"## {name}: {SCENARIOS[name].title}", "", *load_table(name, samples, order), ""]
    if "latency" in run.scenarios:
        lines += [f"## latency: {run.rate} requests a second on one connection", "", *latency_table(added, order), ""]
    faults = [f"- {one.peer}, {getattr(one, 'scenario', 'latency')}, repeat {one.repeat + 1}: {one.fault}"
              for one in [*samples, *added] if one.fault]
    if faults:
        lines += ["## Not counted", "", *faults, ""]
    lost = sorted({f"{one.peer} in {one.scenario}" for one in samples
                   if not one.fault and one.recorded is not None and one.recorded < 1})
    if lost:
        lines += [f"Calls that were answered and are missing in the record: {', '.join(lost)}.", ""]
    if any(one.others > 0.25 for one in samples):
        lines += ["Other programs used more than a quarter of a core during some samples: read the ratios only.", ""]
    return "\n".join(lines)


def write(run, text):
    """Into results/YYYY-MM-DD.md: the day's last run."""
    folder = run.bench / "results"
    folder.mkdir(exist_ok=True)
    path = folder / f"{time.strftime('%Y-%m-%d')}.md"
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(text)
    unfinished.replace(path)
    return path

#!/usr/bin/env python3
"""Holds the workspace to its layers: who may depend on whom, and which library stays in which crate.

Only direct dependencies count. Dev-dependencies are free of the library rules, and may use `testkit` and every
layer below, as tests put the real parts together; a layer above stays out of reach for them too.
"""

import json
import pathlib
import re
import subprocess
import sys

# Arrows point one way: a crate may depend on these crates of ours, and on no others.
LAYERS = {
    "contract": [],
    "settings": ["contract"],
    # What is unusual in a series: numbers in, findings out.
    "insight": [],
    # Usage as sums: calls in, counts and percentiles out.
    "rollup": ["contract"],
    "store": ["contract", "rollup"],
    # Knows nothing of what it keeps.
    "journal": [],
    # Counters alone: numbers in, verdicts out.
    "limits": [],
    # Decisions about stored answers, and the memory they are in.
    "cache": [],
    # Which target gets a call: the same, for what happens upstream.
    "balance": [],
    # Spans and metrics in, what receivers take out.
    "telemetry": [],
    # Bodies and heads in, bodies and heads out.
    "transform": ["contract"],
    "cluster": ["contract", "limits"],
    "guards": ["contract"],
    "connectors": ["contract"],
    "platform": ["contract", "settings", "store", "rollup", "insight", "cluster", "limits", "transform", "guards", "connectors"],
    "gateway": ["contract", "settings", "store", "journal", "cache", "cluster", "limits", "transform", "balance", "guards", "connectors", "telemetry"],
    "rest": ["contract", "platform", "gateway", "telemetry"],
    "app": ["contract", "platform"],
    "frontend": ["app"],
    "server": [
        "contract", "settings", "store", "cluster", "limits", "guards", "connectors", "platform", "gateway", "rest",
        "app", "telemetry", "transform",
    ],
    # The test application stands beside the product, and nothing of the product depends on it.
    "testkit": ["contract", "settings", "store", "cluster", "limits", "guards", "connectors", "platform", "gateway", "rest"],
}

# A library and the crates that may name it.
LIBRARIES = {
    "sqlx": ["store"],
    "rusqlite": ["store"],
    "leptos": ["app", "frontend", "server"],
    "axum": ["rest", "gateway", "server", "app"],
    "redis": ["cluster"],
    "reqwest": ["connectors", "testkit"],
    "object_store": ["connectors"],
    "figment": ["settings"],
}

# The browser gets none of these, not even by a feature that unification switches on.
SERVER_ONLY_IN_APP = ["axum", "leptos_axum", "apiverse-platform", "tokio", "tower-sessions"]

# The environment is read in one place, so that every variable is documented, validated and redacted there.
ENVIRONMENT = re.compile(r"\benv::(vars?|vars?_os)\b")
ENVIRONMENT_IN = ["crates/settings/", "crates/testkit/", "server/tests/"]


def short(name: str) -> str:
    return "server" if name == "apiverse" else name.removeprefix("apiverse-")


def below(crate: str) -> set[str]:
    """Every layer that `crate` stands on."""
    found = set()
    for layer in LAYERS[crate]:
        found |= {layer} | below(layer)
    return found


def main() -> int:
    root = pathlib.Path(__file__).resolve().parent.parent
    metadata = json.loads(
        subprocess.run(
            ["cargo", "metadata", "--format-version", "1", "--no-deps"],
            cwd=root, check=True, stdout=subprocess.PIPE,
        ).stdout
    )
    problems = []
    ours = {package["name"] for package in metadata["packages"]}

    for package in metadata["packages"]:
        crate = short(package["name"])
        if crate not in LAYERS:
            problems.append(f"{crate} has no layer; give it one in scripts/check-layers.py and say why in the commit")
            continue
        for dependency in package["dependencies"]:
            name, kind = dependency["name"], dependency["kind"]
            if name in ours:
                allowed = below(crate) | {"testkit"} if kind == "dev" else LAYERS[crate]
                if short(name) not in allowed and name != package["name"]:
                    problems.append(f"{crate} may not depend on {short(name)}")
            elif kind != "dev" and crate not in LIBRARIES.get(name, [crate]):
                problems.append(f"{name} stays in {', '.join(LIBRARIES[name])}; {crate} depends on it")
            if crate == "app" and name in SERVER_ONLY_IN_APP and not dependency["optional"]:
                problems.append(f"app's dependency on {name} must be optional, for the ssr feature only")

    for path in sorted(root.glob("**/*.rs")):
        relative = path.relative_to(root).as_posix()
        if relative.startswith(("target/", "node_modules/", *ENVIRONMENT_IN)) or "/tests/" in relative or "/benches/" in relative:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if ENVIRONMENT.search(line) and not line.lstrip().startswith("//"):
                problems.append(f"{relative}:{number} reads the environment; that is crates/settings' job")

    for problem in problems:
        print(f"error: {problem}")
    if not problems:
        print(f"{len(ours)} crates keep to their layers")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

"""What is measured. A peer is started with `start`, has `port`, `prefix` and `keys`, and counts in `recorded` the calls
it has written down."""

import os
import random
import re
import secrets
import shutil
import string
import subprocess
from pathlib import Path

from .http import ask, ask_json
from .process import LOAD_CORE, PROXY_CORE, Server
from .scenarios import BIG, SMALL

CONFIGS = Path(__file__).resolve().parent.parent / "peers"
KEYS = 100


def render(name, folder, **values):
    """Fills the {{places}} of a configuration and returns the file's path."""
    text = (CONFIGS / name).read_text()
    for key, value in {"folder": folder, **values}.items():
        text = text.replace("{{" + key + "}}", str(value))
    path = folder / name
    path.write_text(text)
    return str(path)


def nginx_command(folder, name, config):
    # -e: without it nginx opens the log of the system's own nginx before it reads its configuration.
    return ["nginx", "-e", str(folder / f"{name}.log"), "-c", config]


class Peer:
    name = ""
    prefix = "/proxy/bench"
    checks_keys = True

    def __init__(self, run, port):
        self.run, self.port, self.server = run, port, None
        alphabet = string.ascii_letters + string.digits
        # As long as a key of APIverse.
        self.keys = ["apv_live_" + "".join(random.choices(alphabet, k=49)) for _ in range(KEYS)]

    def launch(self, command, **more):
        self.server = Server(self.name, command, self.run.folder, PROXY_CORE, self.run.nice, **more)

    def start(self):
        raise NotImplementedError

    def stop(self):
        if self.server:
            self.server.stop()
            self.server = None

    def answers(self):
        return ask(self.port, "GET", self.prefix + "/1k", {"X-API-Key": self.keys[0]})[0] == 200

    def write_keys(self, form):
        lines = (form.format(key=key, consumer=f"consumer-{number}") for number, key in enumerate(self.keys))
        (self.run.folder / f"{self.name}.keys").write_text("\n".join(lines) + "\n")

    def values(self):
        return {"port": self.port, "upstream": self.run.upstream.port, "limit": "" if self.run.limits else "# "}

    def recorded(self):
        try:
            with open(self.run.folder / f"{self.name}.usage", "rb") as file:
                return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
        except FileNotFoundError:
            return 0


class Upstream(Peer):
    """The upstream; as the peer `direct` it is the floor: no proxy at all."""

    name = "direct"
    prefix = ""
    checks_keys = False

    def start(self):
        folder = self.run.folder
        (folder / "www").mkdir(exist_ok=True)
        (folder / "www" / "100k.json").write_bytes(BIG)
        config = render("upstream.conf", folder, upstream=self.port, small=SMALL.decode())
        command = nginx_command(folder, "upstream", config)
        self.server = Server("upstream", command, folder, LOAD_CORE, self.run.nice)
        self.server.wait_until(self.answers)

    def recorded(self):
        return None


class Nginx(Peer):
    name = "nginx"

    def start(self):
        self.write_keys('"{key}" {consumer};')
        config = render("nginx.conf", self.run.folder, **self.values())
        self.launch(nginx_command(self.run.folder, self.name, config))
        self.server.wait_until(self.answers)


class Haproxy(Peer):
    name = "haproxy"

    def start(self):
        self.write_keys("{key} {consumer}")
        config = render("haproxy.cfg", self.run.folder, **self.values())
        self.launch(["haproxy", "-f", config], output=self.run.folder / "haproxy.usage")
        self.server.wait_until(self.answers)


class Bare(Peer):
    """A proxy in Rust that does the same and nothing else, see bench/bare."""

    def start(self):
        self.write_keys("{key} {consumer}")
        folder = self.run.folder
        files = [str(folder / f"{self.name}.keys"), str(folder / f"{self.name}.usage")]
        self.launch([str(self.run.bare), self.name, str(self.port), str(self.run.upstream.port), *files])
        self.server.wait_until(self.answers)


class Hyper(Bare):
    name = "hyper"


class Plain(Bare):
    name = "plain"


class Apiverse(Peer):
    name = "apiverse"

    def start(self):
        data = self.run.folder / "apiverse.data"
        shutil.rmtree(data, ignore_errors=True)
        password = secrets.token_urlsafe(24)
        # The caller's environment stays out: it may hold settings of another installation.
        env = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ} | {
            "APIVERSE_ADDR": f"127.0.0.1:{self.port}",
            "APIVERSE_DATA_DIR": str(data),
            "APIVERSE_ADMIN_EMAIL": "bench@example.com",
            "APIVERSE_ADMIN_PASSWORD": password,
            "APIVERSE_WORKER_THREADS": "1",
            "ALLOW_PRIVATE_UPSTREAMS": "127.0.0.0/8",
            "LOG_LEVEL": "warn",
        }
        self.launch([str(self.run.binary), "serve"], env=env)
        self.server.wait_until(lambda: ask(self.port, "GET", "/health/ready")[0] == 200)
        login = {"email": "bench@example.com", "password": password}
        self.token = ask_json(self.port, "POST", "/api/v1/auth/login", value=login)["access_token"]
        upstream = f"http://127.0.0.1:{self.run.upstream.port}"
        api = {"name": "Bench", "slug": "bench", "base_url": upstream, "auth_type": "none"}
        ask_json(self.port, "POST", "/api/v1/apis", self.token, api)
        self.keys = [
            ask_json(self.port, "POST", "/api/v1/api-keys", self.token, {"name": f"consumer {number}"})["key"]
            for number in range(KEYS)
        ]
        if self.run.limits:
            # Far above the load: what counts is that it is asked.
            limit = {"name": "each", "limit": 1_000_000, "window_seconds": 1, "per": "key"}
            ask_json(self.port, "PUT", "/api/v1/organization/limits", self.token, {"rate_limits": [limit]})
        self.server.wait_until(self.answers)

    def recorded(self):
        return ask_json(self.port, "GET", "/api/v1/usage?granularity=day", self.token)["totals"]["calls"]


PEERS = {peer.name: peer for peer in (Upstream, Nginx, Haproxy, Hyper, Plain, Apiverse)}


def versions(names, binary):
    """Name and version of each program that takes part."""
    commands = {"nginx": ["nginx", "-v"], "haproxy": ["haproxy", "-v"], "wrk": ["wrk", "-v"]}
    wanted = ["nginx", *(name for name in names if name in ("haproxy", "apiverse")), "wrk"]
    found = {}
    for name in wanted:
        command = commands.get(name) or [str(binary), "--version"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        match = re.search(r"\d+\.\d+[^\s\[]*", done.stdout + done.stderr)
        found[name] = match[0] if match else "unknown"
    return found

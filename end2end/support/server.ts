// Starts `apiverse serve` from the release build on a free port with an empty data folder, and stops it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const ADMIN = { email: "admin@example.com", password: "correct horse battery staple" };

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** The address of the sample upstream, which is registered with the first account. */
async function sampleAddress(url: string): Promise<string> {
  const headers = { "content-type": "application/json" };
  const login = await fetch(`${url}/api/v1/auth/login`, { method: "POST", headers, body: JSON.stringify(ADMIN) });
  if (login.status !== 200) throw new Error(`the administrator cannot sign in: ${login.status} ${await login.text()}`);
  const { access_token } = (await login.json()) as { access_token: string };
  const list = await fetch(`${url}/api/v1/apis`, { headers: { authorization: `Bearer ${access_token}` } });
  const { data } = (await list.json()) as { data: { is_sample: boolean; base_url: string }[] };
  const sample = data.find((api) => api.is_sample);
  if (sample === undefined) throw new Error("the sample upstream is not registered");
  return sample.base_url;
}

export default async function start(): Promise<() => Promise<void>> {
  const root = resolve(import.meta.dirname, "../..");
  const binary = resolve(process.env.APIVERSE_BIN ?? join(root, "dist/apiverse"));
  const site = resolve(process.env.APIVERSE_SITE_ROOT ?? join(root, "dist/site"));
  if (!existsSync(binary)) throw new Error(`${binary} is not there; run \`make build\``);

  const folder = mkdtempSync(join(tmpdir(), "apiverse-e2e-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const arguments_ = ["serve", "--admin-email", ADMIN.email, "--admin-password", ADMIN.password];
  const child = spawn(binary, arguments_, {
    cwd: folder,
    // Nothing of this shell's environment: a DATABASE_URL in it must not be met by tests.
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      APIVERSE_ADDR: `127.0.0.1:${port}`,
      APIVERSE_DATA_DIR: join(folder, "data"),
      APIVERSE_SITE_ROOT: site,
      // Other organizations than the first account's call the sample too; it listens on loopback.
      ALLOW_PRIVATE_UPSTREAMS: "127.0.0.0/8",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-20_000);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);

  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      const late = setTimeout(() => child.kill("SIGKILL"), 30_000);
      await ended;
      clearTimeout(late);
    }
    rmSync(folder, { recursive: true, force: true });
    if (child.exitCode !== 0) {
      throw new Error(`apiverse ended with ${child.exitCode ?? child.signalCode} instead of 0:\n${output}`);
    }
  };

  const deadline = Date.now() + 60_000;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`apiverse ended at once with ${child.exitCode}:\n${output}`);
    const ready = await fetch(`${url}/health`).then((answer) => answer.ok).catch(() => false);
    if (ready) break;
    if (Date.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`apiverse did not answer on ${url}/health within a minute:\n${output}`);
    }
    await pause(50);
  }

  // The tests' processes inherit these.
  process.env.E2E_URL = url;
  process.env.E2E_ADMIN = JSON.stringify(ADMIN);
  process.env.E2E_SAMPLE = await sampleAddress(url);
  return stop;
}

// The test every test is written with: it watches each page for errors, and has an account with data.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type BrowserContext, expect, type Page, test as base } from "@playwright/test";
import { type Account, type Api, call, createApi, createKey, type Key, newAccount, register, unique, url } from "./account";

/** An account with an API, a key and calls of every status class. */
export interface Owner {
  account: Account;
  api: Api;
  key: Key;
  /** Id of a route of the API. */
  route: string;
  /** Id of a version of the API. */
  version: string;
  /** Id of an alert rule. */
  rule: string;
  /** Request id of a call that failed. */
  failed: string;
  /** Cookies to be signed in with. */
  state: Awaited<ReturnType<BrowserContext["storageState"]>>;
}

/** What a page did that it should not have. */
export class Watch {
  readonly problems: string[] = [];
  // The test runner tries to run its own script in every frame; in that of a mail nothing may run.
  #expected: RegExp[] = [/^console error: Blocked script execution in '[^']*\/console\/outbox\/[^']*\/html'/];

  /** Something the test provokes: an answer of 404, say. */
  expectProblem(pattern: RegExp): void {
    this.#expected.push(pattern);
  }

  attach(page: Page): void {
    // Errors, and warnings too: a hydration mismatch is one.
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") {
        this.problems.push(`console ${message.type()}: ${message.text()} (${message.location().url})`);
      }
    });
    page.on("pageerror", (error) => this.problems.push(`uncaught: ${error.message}`));
    page.on("requestfailed", (request) => {
      const reason = request.failure()?.errorText ?? "";
      // Leaving a page aborts what it was still loading.
      if (reason !== "net::ERR_ABORTED") this.problems.push(`failed: ${request.method()} ${request.url()} ${reason}`);
    });
    page.on("response", (response) => {
      if (response.status() >= 400) {
        this.problems.push(`answer ${response.status()}: ${response.request().method()} ${response.url()}`);
      }
    });
  }

  check(): void {
    const unexpected = this.problems.filter((problem) => !this.#expected.some((pattern) => pattern.test(problem)));
    expect(unexpected, "console errors, failed requests").toEqual([]);
  }
}

interface TestFixtures {
  watch: Watch;
  /** A page signed in as `owner`. */
  console: Page;
}

interface WorkerFixtures {
  owner: Owner;
}

export const test = base.extend<TestFixtures, WorkerFixtures>({
  baseURL: async ({}, use) => {
    await use(url());
  },

  watch: [
    async ({ context }, use) => {
      const watch = new Watch();
      context.on("page", (page) => watch.attach(page));
      await use(watch);
      watch.check();
    },
    { auto: true },
  ],

  owner: [
    async ({ browser }, use) => {
      const context = await browser.newContext({ baseURL: url() });
      const page = await context.newPage();
      const account = newAccount();
      await register(page, account);
      const api = await createApi(page, unique("Weather"));
      const key = await createKey(page, unique("Mobile app"));
      for (const path of ["forecast", "forecast?city=Oslo", "status/302", "status/404", "status/500"]) {
        await fetch(`${url()}/proxy/${api.slug}/${path}`, { headers: { "x-api-key": key.key }, redirect: "manual" });
      }
      await call(api.slug, "alerts", key.key, "POST");
      const made = await page.request.post(`${url()}/api/v1/apis/${api.id}/routes`, {
        data: {
          name: "Forecasts",
          methods: ["GET"],
          path: "/forecast/*",
          policy: { rate_limits: [{ name: "burst", limit: 1000, window_seconds: 1 }] },
        },
        headers: { origin: url() },
      });
      expect(made.status(), await made.text()).toBe(201);
      const route = ((await made.json()) as { id: string }).id;
      const versioned = await page.request.post(`${url()}/api/v1/apis/${api.id}/versions`, {
        data: { name: "v2", base_url: "https://v2.example.com" },
        headers: { origin: url() },
      });
      expect(versioned.status(), await versioned.text()).toBe(201);
      const version = ((await versioned.json()) as { id: string }).id;
      const ruled = await page.request.post(`${url()}/api/v1/alerts/rules`, {
        data: { name: unique("Quiet"), condition: { kind: "absence", minutes: 10080 } },
        headers: { origin: url() },
      });
      expect(ruled.status(), await ruled.text()).toBe(201);
      const rule = ((await ruled.json()) as { id: string }).id;
      // Usage is fresh within two seconds; the pages shall have it from the first test on.
      await expect
        .poll(async () => {
          const usage = await page.request.get(`${url()}/api/v1/usage`);
          return ((await usage.json()) as { totals: { calls: number } }).totals.calls;
        })
        .toBe(6);
      const failed = await failedCall(page);
      const state = await context.storageState();
      await context.close();
      await use({ account, api, key, route, version, rule, failed, state });
    },
    { scope: "worker", timeout: 60_000 },
  ],

  console: async ({ owner, context, page }, use) => {
    await context.addCookies(owner.state.cookies);
    await use(page);
  },
});

/** The request id of the call that ended with 500, once its explanation is kept. */
async function failedCall(page: Page): Promise<string> {
  const calls = await page.request.get(`${url()}/api/v1/usage/calls?status=5xx`);
  const { data } = (await calls.json()) as { data: { request_id: string }[] };
  const failed = data[0]?.request_id;
  if (failed === undefined) throw new Error("the failed call is not listed");
  await expect
    .poll(async () => (await page.request.get(`${url()}/api/v1/explain/${failed}`)).status())
    .toBe(200);
  return failed;
}

/** Waits until the page's own code runs: the frontend says so on <html>. */
export async function hydrated(page: Page): Promise<void> {
  await page.waitForFunction(() => document.documentElement.hasAttribute("data-hydrated"));
}

export interface Place {
  name: string;
  path: string;
  heading: RegExp;
  signedIn: boolean;
}

/** Every page there is. */
export function places(owner: Owner): Place[] {
  return [
    { name: "landing", path: "/", heading: /./, signedIn: false },
    { name: "register", path: "/register", heading: /./, signedIn: false },
    { name: "login", path: "/login", heading: /./, signedIn: false },
    { name: "forgot-password", path: "/forgot-password", heading: /./, signedIn: false },
    { name: "verify-email", path: "/verify-email?token=x", heading: /./, signedIn: false },
    { name: "reset-password", path: "/reset-password?token=x", heading: /./, signedIn: false },
    { name: "overview", path: "/console", heading: /^Overview$/, signedIn: true },
    { name: "apis", path: "/console/apis", heading: /^APIs$/, signedIn: true },
    { name: "new-api", path: "/console/apis/new", heading: /^New API$/, signedIn: true },
    { name: "api", path: `/console/apis/${owner.api.id}`, heading: /^Weather-/, signedIn: true },
    { name: "keys", path: "/console/keys", heading: /^Keys$/, signedIn: true },
    { name: "new-key", path: "/console/keys/new", heading: /^New key$/, signedIn: true },
    { name: "key", path: `/console/keys/${owner.key.id}`, heading: /^Mobile app-/, signedIn: true },
    { name: "limits", path: "/console/limits", heading: /^Limits$/, signedIn: true },
    { name: "new-limit", path: "/console/limits?limit=", heading: /^Limits$/, signedIn: true },
    { name: "new-route", path: `/console/apis/${owner.api.id}/routes/new`, heading: /^New route$/, signedIn: true },
    {
      name: "route",
      path: `/console/apis/${owner.api.id}/routes/${owner.route}`,
      heading: /^Forecasts$/,
      signedIn: true,
    },
    {
      name: "new-version",
      path: `/console/apis/${owner.api.id}/versions/new`,
      heading: /^New version$/,
      signedIn: true,
    },
    {
      name: "version",
      path: `/console/apis/${owner.api.id}/versions/${owner.version}`,
      heading: /^v2$/,
      signedIn: true,
    },
    { name: "policies", path: "/console/policies", heading: /^Policies$/, signedIn: true },
    {
      name: "policy",
      path: `/console/policies/upstream?on=api&id=${owner.api.id}`,
      heading: /^Upstream of Weather-/,
      signedIn: true,
    },
    { name: "live", path: "/console/live", heading: /^Live$/, signedIn: true },
    { name: "costs", path: "/console/costs", heading: /^Costs$/, signedIn: true },
    { name: "new-price-rule", path: "/console/costs/rules/new", heading: /^New price rule$/, signedIn: true },
    { name: "new-budget", path: "/console/costs/budgets/new", heading: /^New budget$/, signedIn: true },
    { name: "alerts", path: "/console/alerts", heading: /^Alerts$/, signedIn: true },
    { name: "new-alert", path: "/console/alerts/new", heading: /^New alert rule$/, signedIn: true },
    { name: "reports", path: "/console/reports", heading: /^Reports$/, signedIn: true },
    { name: "new-report-schedule", path: "/console/reports/new", heading: /^New schedule$/, signedIn: true },
    { name: "alert", path: `/console/alerts/${owner.rule}/edit`, heading: /^Edit alert rule$/, signedIn: true },
    { name: "objectives", path: "/console/slos", heading: /^Objectives$/, signedIn: true },
    { name: "new-objective", path: "/console/slos/new", heading: /^New objective$/, signedIn: true },
    { name: "insights", path: "/console/insights", heading: /^Insights$/, signedIn: true },
    {
      name: "plan",
      path: "/console/plan?at=%2Fconsole%2Fpolicies%2Fcache&fields=form%3Dpolicy%26enabled%3Dtrue%26default_ttl_seconds%3D60",
      heading: /^Plan$/,
      signedIn: true,
    },
    { name: "targets", path: `/console/targets/${owner.api.id}`, heading: /^Targets of Weather-/, signedIn: true },
    { name: "members", path: "/console/members", heading: /^Members$/, signedIn: true },
    { name: "organization", path: "/console/organization", heading: /^Organization$/, signedIn: true },
    { name: "new-organization", path: "/console/organization/new", heading: /^New organization$/, signedIn: true },
    { name: "service-accounts", path: "/console/service-accounts", heading: /^Service accounts$/, signedIn: true },
    { name: "audit", path: "/console/audit?verify=1", heading: /^Audit log$/, signedIn: true },
    { name: "outbox", path: "/console/outbox", heading: /^Outbox$/, signedIn: true },
    { name: "templates", path: "/console/outbox/templates?event=invitation", heading: /^Templates$/, signedIn: true },
    { name: "notifications", path: "/console/notifications", heading: /^Notifications$/, signedIn: true },
    { name: "security", path: "/console/settings/security", heading: /^Security$/, signedIn: true },
    { name: "explain", path: "/console/explain", heading: /^Explain$/, signedIn: true },
    {
      name: "explained",
      path: `/console/explain?method=GET&api=${owner.api.id}&path=forecast&key=${owner.key.id}`,
      heading: /^Explain$/,
      signedIn: true,
    },
    { name: "call", path: `/console/calls/${owner.failed}`, heading: /^One call$/, signedIn: true },
    { name: "call-not-kept", path: "/console/calls/nothing", heading: /^One call$/, signedIn: true },
    { name: "usage", path: "/console/usage", heading: /^Usage$/, signedIn: true },
    { name: "explorer", path: "/console/explorer", heading: /^Explorer$/, signedIn: true },
    { name: "settings", path: "/console/settings", heading: /^Settings$/, signedIn: true },
  ];
}

/** Goes to a page and waits until it shows what it is. */
export async function visit(page: Page, place: Place): Promise<void> {
  const answer = await page.goto(place.path);
  expect(answer?.status(), place.path).toBe(200);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(place.heading);
}

/** The folder of the screenshots. */
export function screenshotFolder(): string {
  const folder = join(import.meta.dirname, "..", "screenshots");
  mkdirSync(folder, { recursive: true });
  return folder;
}

export { expect };

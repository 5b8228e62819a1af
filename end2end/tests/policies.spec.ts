// Policies: set by their form, inherited, changed as JSON, restored and removed; and what calls get.
import { call, createApi, newAccount, register, unique, url } from "../support/account";
import { expect, hydrated, test } from "../support/test";

test("a cache policy is set, answers calls, and is undone", async ({ console: page, owner, watch }) => {
  // A word where a number belongs, and a document that is not understood, are refused.
  watch.expectProblem(/422/);
  const api = await createApi(page, unique("Cached"));
  await page.goto(`/console/apis/${api.id}`);
  await hydrated(page);
  await page.getByRole("region", { name: "Policies" }).getByRole("link", { name: "Set up: Cache" }).click();
  await expect(page.getByRole("heading", { level: 1, name: /^Cache of Cached-/ })).toBeVisible();
  const form = page.getByRole("form", { name: "Policy", exact: true });
  const fresh = form.getByLabel("Fresh where the answer does not say");
  await fresh.fill("soon");
  await form.getByRole("button", { name: "Save policy" }).click();
  await expect(fresh).toHaveAttribute("aria-invalid", "true");
  await fresh.fill("600");
  await form.getByLabel("All keys share answers").check();
  await form.getByRole("button", { name: "Save policy" }).click();
  await expect(page.getByText("Keeps answers as they say, else for 600 s, shared between keys.")).toBeVisible();

  const first = await call(api.slug, "forecast", owner.key.key);
  expect(first.headers.get("cache-status")).toContain("stored");
  const second = await call(api.slug, "forecast", owner.key.key);
  expect(second.headers.get("cache-status")).toContain("hit");

  // What has no field is changed as JSON; the form shows it then.
  await page.getByText("As JSON", { exact: true }).click();
  const whole = page.getByRole("form", { name: "Policy as JSON" });
  await whole.getByLabel("Document").fill('{"default_ttl_seconds": "x"}');
  await whole.getByRole("button", { name: "Save document" }).click();
  await expect(whole.getByLabel("Document")).toHaveAttribute("aria-invalid", "true");
  await whole.getByLabel("Document").fill('{"default_ttl_seconds": 30}');
  await whole.getByRole("button", { name: "Save document" }).click();
  await expect(page.getByText("Keeps answers as they say, else for 30 s.")).toBeVisible();
  await expect(fresh).toHaveValue("30");

  const history = page.getByRole("region", { name: "History" });
  await history.getByRole("listitem").filter({ hasText: "600 s" }).getByRole("button", { name: "Restore" }).click();
  await expect(fresh).toHaveValue("600");

  await page.getByRole("button", { name: "Remove policy" }).click();
  await expect(page.getByText("Nothing is set for the API")).toBeVisible();
  const stored = await page.request.get(`${url()}/api/v1/policies/api/${api.id}/cache`);
  expect(stored.status()).toBe(404);
});

test("a route shows what it inherits, and can switch it off", async ({ console: page, owner }) => {
  const put = await page.request.put(`${url()}/api/v1/policies/api/${owner.api.id}/compression`, {
    data: { codings: ["gzip"], min_bytes: 2000 },
    headers: { origin: url() },
  });
  expect(put.ok(), await put.text()).toBe(true);
  await page.goto(`/console/apis/${owner.api.id}/routes/${owner.route}`);
  await hydrated(page);
  const card = page.getByRole("region", { name: "Policies" }).getByRole("listitem").filter({ hasText: "Compression" });
  await expect(card).toContainText("on, from the API Weather-");
  await expect(card).toContainText("gzip, from 2000 bytes");
  await card.getByRole("link", { name: "Change: Compression" }).click();
  const form = page.getByRole("form", { name: "Policy", exact: true });
  await expect(form.getByLabel("From", { exact: true })).toHaveValue("2000");
  await form.getByLabel("On", { exact: true }).uncheck();
  await form.getByRole("button", { name: "Save policy" }).click();
  await expect(page.getByText("Switched off. It is set for the route Forecasts.")).toBeVisible();
  await page.goto(`/console/apis/${owner.api.id}/routes/${owner.route}`);
  await expect(card).toContainText("off");
});

test("a part of a policy is there when its box is ticked", async ({ console: page }) => {
  const api = await createApi(page, unique("Circuit"));
  await page.goto(`/console/policies/upstream?on=api&id=${api.id}`);
  await hydrated(page);
  const form = page.getByRole("form", { name: "Policy", exact: true });
  await expect(form.getByLabel("Opens at")).toBeHidden();
  await form.getByLabel("Refuse calls while most of them fail").check();
  await form.getByLabel("Opens at").fill("75");
  await form.getByLabel("Targets", { exact: true }).first().fill("https://a.example.com 3\nhttps://b.example.com");
  await form.getByRole("button", { name: "Save policy" }).click();
  await expect(page.getByText("2 targets, 2 retries, circuit breaker.")).toBeVisible();
  const stored = await page.request.get(`${url()}/api/v1/policies/api/${api.id}/upstream`);
  expect(await stored.json()).toMatchObject({
    document: {
      targets: [{ url: "https://a.example.com", weight: 3 }, { url: "https://b.example.com", weight: 1 }],
      breaker: { failure_percent: 75 },
    },
  });
});

test("another's change meanwhile is not overwritten", async ({ console: page, watch }) => {
  watch.expectProblem(/412/);
  const api = await createApi(page, unique("Shared"));
  await page.goto(`/console/policies/cache?on=api&id=${api.id}`);
  await hydrated(page);
  const put = await page.request.put(`${url()}/api/v1/policies/api/${api.id}/cache`, {
    data: { default_ttl_seconds: 7 },
    headers: { origin: url() },
  });
  expect(put.status(), await put.text()).toBe(201);
  await page.getByRole("button", { name: "Save policy" }).click();
  await expect(page.getByRole("alert")).toBeVisible();
  const stored = await page.request.get(`${url()}/api/v1/policies/api/${api.id}/cache`);
  expect(await stored.json()).toMatchObject({ document: { default_ttl_seconds: 7 } });
});

test("a transform is tried on a call before it is saved", async ({ console: page, watch }) => {
  // Lines that are no header fields are refused.
  watch.expectProblem(/422/);
  const api = await createApi(page, unique("Tried"));
  await page.goto(`/console/policies/request_transform?on=api&id=${api.id}`);
  await hydrated(page);
  await page.getByRole("form", { name: "Policy", exact: true }).getByLabel("Put before").fill("/internal");
  const form = page.getByRole("form", { name: "Try it" });
  await form.getByLabel("Request", { exact: true }).fill("GET /orders?page=2");
  await form.getByLabel("Request headers").fill("nonsense");
  await form.getByRole("button", { name: "Try", exact: true }).click();
  await expect(form.getByLabel("Request headers")).toHaveAttribute("aria-invalid", "true");
  await form.getByLabel("Request headers").fill("Accept: text/plain");
  await form.getByRole("button", { name: "Try", exact: true }).click();
  const diff = form.locator("pre");
  await expect(diff).toContainText("/internal/orders?page=2");
  await expect(diff.locator("span").filter({ hasText: /^\+ / }).first()).toContainText("/internal/orders");
  await expect(diff.locator("span").filter({ hasText: /^- / }).first()).not.toContainText("/internal");
  // Nothing was saved.
  const stored = await page.request.get(`${url()}/api/v1/policies/api/${api.id}/request_transform`);
  expect(stored.status()).toBe(404);

  await page.goto(`/console/policies/response_transform?on=api&id=${api.id}`);
  await hydrated(page);
  await page.getByRole("form", { name: "Policy", exact: true }).getByLabel("New status").fill("203");
  const answer = page.getByRole("form", { name: "Try it" });
  await answer.getByLabel("Answer's body").fill('{"a": 1}');
  await answer.getByRole("button", { name: "Try", exact: true }).click();
  await expect(answer.locator("pre")).toContainText("203");
});

test.describe("without a script", () => {
  test.use({ javaScriptEnabled: false });

  test("a policy is set and removed by its form", async ({ page, watch }) => {
    watch.expectProblem(/ csp$|preloaded using link preload/);
    watch.expectProblem(/answer 4\d\d|Failed to load resource/);
    await register(page, newAccount());
    await page.goto("/console/policies");
    await page.getByRole("link", { name: "Set up: Calls from other sites" }).click();
    await page.getByRole("button", { name: "Save policy" }).click();
    await expect(page.getByLabel("Origins")).toHaveAttribute("aria-invalid", "true");
    await page.getByLabel("Origins").fill("https://app.example.com");
    await page.getByRole("button", { name: "Save policy" }).click();
    await expect(page.getByText("Pages of https://app.example.com may call.")).toBeVisible();
    await page.getByRole("button", { name: "Remove policy" }).click();
    await expect(page.getByText("Nothing is set for the organization yet.")).toBeVisible();
  });
});

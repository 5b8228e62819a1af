// One call: how it went, and what would happen to one.
import { call, createApi, unique, url } from "../support/account";
import { expect, hydrated, test } from "../support/test";

test("a refused call says which limit was used up, and what to do", async ({ console: page, owner }) => {
  const api = await createApi(page, unique("Tight"));
  const put = await page.request.put(`${url()}/api/v1/apis/${api.id}/limits`, {
    data: { rate_limits: [{ name: "burst", limit: 1, window_seconds: 3600 }] },
    headers: { origin: url() },
  });
  expect(put.status(), await put.text()).toBe(200);
  // The gateway follows within a second.
  let refused = "";
  await expect
    .poll(async () => {
      const answer = await fetch(`${url()}/proxy/${api.slug}/forecast`, { headers: { "x-api-key": owner.key.key } });
      refused = answer.headers.get("x-request-id") ?? "";
      return answer.status;
    })
    .toBe(429);
  await expect.poll(async () => (await page.request.get(`${url()}/api/v1/explain/${refused}`)).status()).toBe(200);
  await expect
    .poll(async () => (await page.request.get(`${url()}/api/v1/usage/calls?api_id=${api.id}`)).text())
    .toContain(refused);

  await page.goto(`/console/apis/${api.id}`);
  await hydrated(page);
  const row = page.getByRole("row").filter({ hasText: "429" }).first();
  await row.click();
  await page.getByRole("dialog").getByRole("link", { name: "How it went" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "One call" })).toBeVisible();
  const verdict = page.getByRole("region", { name: "Verdict" });
  await expect(verdict).toContainText("rate_limited");
  await expect(verdict).toContainText("Retry-After");
  const limits = page.getByRole("region", { name: "Limits" });
  const limit = limits.getByRole("row").filter({ hasText: "burst" });
  await expect(limit).toContainText("used up");
  const phases = page.getByRole("region", { name: "Phases" });
  await expect(phases.getByRole("row").filter({ hasText: "The upstream" })).toContainText("skipped");
  await expect(phases.getByRole("row").filter({ hasText: "Limits" })).toContainText("refused");
});

test("a call that went through shows its tries and microseconds", async ({ console: page, owner }) => {
  await page.goto(`/console/calls/${owner.failed}`);
  const upstream = page.getByRole("region", { name: "Upstream" });
  await expect(upstream.getByRole("row").filter({ hasText: "sample.apiverse.internal" })).toContainText("500");
  await expect(page.getByRole("region", { name: "Phases" })).toContainText("µs");
  await expect(page.getByRole("region", { name: "Verdict" })).toContainText("the answer is the upstream's");
});

test("nothing kept is said with the rule, not as an error", async ({ console: page }) => {
  await page.goto("/console/calls/nothing");
  await expect(page.getByText("Nothing was kept of this call")).toBeVisible();
  await expect(page.getByText("the first few of each second, are kept for three days")).toBeVisible();
});

test("asking what would happen sends nothing", async ({ console: page, owner }) => {
  const api = await createApi(page, unique("Asked"));
  await page.goto("/console/explain");
  await hydrated(page);
  const form = page.getByRole("form", { name: "The call" });
  await form.getByRole("combobox", { name: "API", exact: true }).selectOption(api.id);
  await form.getByRole("textbox", { name: /^Path below the API/ }).fill("forecast?city=Oslo");
  await form.getByRole("combobox", { name: "Key", exact: true }).selectOption(owner.key.id);
  await form.getByRole("button", { name: "Explain" }).click();
  const verdict = page.getByRole("region", { name: "Verdict" });
  await expect(verdict).toContainText("would pass this call on");
  await expect(page.getByRole("region", { name: "Phases" })).toContainText("reaches no upstream");

  await form.getByRole("combobox", { name: "Key", exact: true }).selectOption("");
  await form.getByRole("button", { name: "Explain" }).click();
  await expect(verdict).toContainText("missing_api_key");
  await expect(verdict).toContainText("Send a key");

  // A real call is the first that is counted.
  const answer = await call(api.slug, "forecast", owner.key.key);
  expect(answer.status).toBe(200);
  await expect
    .poll(async () => {
      const usage = await page.request.get(`${url()}/api/v1/usage?api_id=${api.id}`);
      return ((await usage.json()) as { totals: { calls: number } }).totals.calls;
    })
    .toBe(1);
});

// A change tried on the calls of late before it is saved, and the targets of an API.
import { call, createApi, createKey, newAccount, register, unique, url } from "../support/account";
import { expect, hydrated, test } from "../support/test";

/** Waits until calls to an API are stored: plans are made of what is. */
async function stored(page: import("@playwright/test").Page, api: string, count: number): Promise<void> {
  await expect
    .poll(async () => {
      const answer = await page.request.get(`${url()}/api/v1/usage/calls?api_id=${api}`);
      return ((await answer.json()) as { data: unknown[] }).data.length;
    })
    .toBe(count);
}

test("a cache policy is planned, and saved from there", async ({ console: page }) => {
  const api = await createApi(page, unique("Planned"));
  const key = await createKey(page, unique("Planner"));
  for (const path of ["a", "a", "b"]) await call(api.slug, path, key.key);
  await call(api.slug, "a", key.key, "POST");
  await stored(page, api.id, 4);
  await page.goto(`/console/policies/cache?on=api&id=${api.id}`);
  await hydrated(page);
  const form = page.getByRole("form", { name: "Policy", exact: true });
  await form.getByLabel("Fresh where the answer does not say").fill("600");
  await form.getByRole("button", { name: "Plan" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Plan" })).toBeVisible();
  await hydrated(page);
  const plan = page.getByRole("region", { name: "Plan", exact: true });
  await expect(plan.getByRole("heading", { name: /^Cache of the API Planned-/ })).toBeVisible();
  await expect(plan.getByRole("row").filter({ hasText: "Looked up in the cache first" })).toContainText("+3");
  const noticed = page.getByRole("region", { name: "Who would notice" });
  await expect(noticed.getByRole("row").filter({ hasText: key.name })).toContainText("cache");
  const nothing = await page.request.get(`${url()}/api/v1/policies/api/${api.id}/cache`);
  expect(nothing.status()).toBe(404);

  await plan.getByRole("button", { name: "Save the change" }).click();
  await expect(page.getByRole("heading", { level: 1, name: /^Cache of Planned-/ })).toBeVisible();
  await expect(page.getByText("Keeps answers as they say, else for 600 s.")).toBeVisible();
  const saved = await page.request.get(`${url()}/api/v1/policies/api/${api.id}/cache`);
  expect(await saved.json()).toMatchObject({ document: { default_ttl_seconds: 600 } });
});

test("a limit is planned: who would be over it", async ({ console: page }) => {
  const api = await createApi(page, unique("Tight"));
  const key = await createKey(page, unique("Eager"));
  const name = unique("daily");
  for (let i = 0; i < 3; i += 1) await call(api.slug, "a", key.key);
  await stored(page, api.id, 3);
  await page.goto(`/console/apis/${api.id}`);
  await hydrated(page);
  const limits = page.getByRole("region", { name: "Limits" });
  await limits.getByRole("link", { name: "Add limit" }).click();
  await limits.getByText("Quota", { exact: true }).click();
  await limits.getByLabel("Name", { exact: true }).fill(name);
  await limits.getByLabel("Calls", { exact: true }).fill("2");
  await limits.getByLabel("In a calendar").selectOption("Day");
  await limits.getByRole("button", { name: "Plan" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Plan" })).toBeVisible();
  const row = page.getByRole("region", { name: "Who would notice" }).getByRole("row").filter({ hasText: key.name });
  await expect(row).toContainText("limited");
  await expect(row).toContainText(`apis.${api.slug}.limits.${name}`);
  await page.getByRole("link", { name: "Leave it" }).click();
  await expect(page.getByRole("heading", { level: 1, name: /^Tight-/ })).toBeVisible();
  await expect(page.getByRole("region", { name: "Limits" }).getByRole("row").filter({ hasText: name })).toHaveCount(0);
});

test("what cannot be planned says so", async ({ console: page, watch }) => {
  watch.expectProblem(/422|404/);
  const api = await createApi(page, unique("Wrong"));
  await page.goto("/console/plan");
  await hydrated(page);
  await expect(page.getByText("No change to plan")).toBeVisible();
  await page.goto(`/console/policies/cache?on=api&id=${api.id}`);
  await hydrated(page);
  const form = page.getByRole("form", { name: "Policy", exact: true });
  await form.getByLabel("Fresh where the answer does not say").fill("soon");
  await form.getByRole("button", { name: "Plan" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Plan" })).toBeVisible();
  await expect(page.getByRole("alert")).toBeVisible();
});

test("targets are shown with their health", async ({ console: page, owner }) => {
  const api = await createApi(page, unique("Fleet"));
  await page.goto(`/console/apis/${api.id}`);
  await hydrated(page);
  await page.getByRole("link", { name: "How they are" }).click();
  await expect(page.getByRole("heading", { level: 1, name: /^Targets of Fleet-/ })).toBeVisible();
  await expect(page.getByText("One address, and nothing watched")).toBeVisible();
  const put = await page.request.put(`${url()}/api/v1/policies/api/${api.id}/upstream`, {
    data: { targets: [{ url: process.env.E2E_SAMPLE, weight: 3 }], breaker: { min_calls: 10 } },
    headers: { origin: url() },
  });
  expect(put.status(), await put.text()).toBe(201);
  await call(api.slug, "a", owner.key.key);
  // The page asks again by itself.
  const group = page.getByRole("region", { name: /^Targets by the API Fleet-/ });
  await expect(group.getByText("circuit closed")).toBeVisible();
  await expect(group.getByRole("row").filter({ hasText: process.env.E2E_SAMPLE ?? "" })).toContainText("healthy");
  await group.getByRole("link", { name: "Upstream policy" }).click();
  await expect(page.getByRole("heading", { level: 1, name: /^Upstream of Fleet-/ })).toBeVisible();
});

test.describe("without a script", () => {
  test.use({ javaScriptEnabled: false });

  test("a policy is planned and saved by its forms", async ({ page, watch }) => {
    watch.expectProblem(/ csp$|preloaded using link preload/);
    await register(page, newAccount());
    await page.goto("/console/policies/mock");
    const form = page.getByRole("form", { name: "Policy", exact: true });
    await form.getByLabel("Status", { exact: true }).fill("204");
    await form.getByRole("button", { name: "Plan" }).click();
    await expect(page.getByRole("heading", { level: 2, name: "Mock of the organization" })).toBeVisible();
    await expect(page.getByText("No calls to try it on")).toBeVisible();
    await page.getByRole("button", { name: "Save the change" }).click();
    await expect(page.getByRole("heading", { level: 1, name: "Mock" })).toBeVisible();
    await expect(form.getByLabel("Status", { exact: true })).toHaveValue("204");
  });
});

// The first thing a newcomer does: register, create an API and a key, call it, see the call.
import { call, newAccount, register, sample, unique, url } from "../support/account";
import { expect, hydrated, test } from "../support/test";

test("from registration to a call that is seen", async ({ page }) => {
  await register(page, newAccount());

  const name = unique("Echo");
  const slug = name.toLowerCase();
  await page.goto("/console/apis/new");
  await hydrated(page);
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Base URL").fill(sample());
  await page.getByLabel("Slug").fill(slug);
  await page.getByRole("button", { name: "Create API" }).click();
  await expect(page.getByRole("heading", { level: 1, name })).toBeVisible();

  await page.goto("/console/keys/new");
  await hydrated(page);
  await page.getByLabel("Name", { exact: true }).fill("First key");
  await page.getByRole("button", { name: "Create key" }).click();
  const shown = page.getByText(/apv_live_[0-9A-Za-z]{49}/).first();
  await expect(shown).toBeVisible();
  const key = (await shown.textContent())?.match(/apv_live_[0-9A-Za-z]{49}/)?.[0] ?? "";

  // Shown once: neither Escape nor a careless click ends it, and afterwards nothing has it.
  const dialog = page.getByRole("dialog");
  await page.keyboard.press("Escape");
  await expect(dialog.getByRole("link", { name: "Done" })).toHaveAttribute("aria-disabled", "true");
  await dialog.getByRole("link", { name: "Done" }).click({ force: true });
  await expect(shown).toBeVisible();
  await dialog.getByLabel("I have stored it").check();
  await dialog.getByRole("link", { name: "Done" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "First key" })).toBeVisible();
  expect(await page.content()).not.toContain(key);
  await page.goto("/console/keys");
  await expect(page.getByText("First key")).toBeVisible();
  expect(await page.content()).not.toContain(key);

  const answer = await call(slug, "hello?city=Oslo", key);
  expect(answer.status).toBe(200);
  expect(answer.headers.get("x-request-id")).toBeTruthy();
  const echo = (await answer.json()) as { path: string; query: string; headers: Record<string, string> };
  expect(echo.path).toBe("/hello");
  expect(echo.query).toBe("city=Oslo");
  // The consumer's key never reaches the upstream.
  expect(JSON.stringify(echo.headers)).not.toContain(key);

  // Usage is fresh within two seconds.
  const calls = async (): Promise<string> => (await page.request.get(`${url()}/api/v1/usage/calls`)).text();
  await expect.poll(calls, { timeout: 2_000, intervals: [100] }).toContain("/hello");
  await page.goto("/console/usage");
  await expect(page.getByRole("row").filter({ hasText: "/hello" }).first()).toBeVisible();

  await page.goto("/console");
  await expect(page.getByText("/hello").first()).toBeVisible();
  await expect(page.getByText(name).first()).toBeVisible();
});

test("a refused call is seen with its reason", async ({ console: page, owner }) => {
  const answer = await call(owner.api.id, "refused", "apv_live_garbled");
  expect(answer.status).toBe(401);
  expect(answer.headers.get("x-apiverse-error")).toBe("invalid_api_key");
  expect(answer.headers.get("content-type")).toContain("application/problem+json");

  await expect(async () => {
    await page.goto("/console/usage");
    await expect(page.getByRole("row").filter({ hasText: "/refused" }).first()).toContainText("401", { timeout: 500 });
  }).toPass({ timeout: 10_000 });
});

test("a revoked key stops working", async ({ console: page, owner }) => {
  const name = unique("Doomed");
  await page.goto("/console/keys/new");
  await hydrated(page);
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByRole("button", { name: "Create key" }).click();
  const text = await page.getByText(/apv_live_[0-9A-Za-z]{49}/).first().textContent();
  const key = text?.match(/apv_live_[0-9A-Za-z]{49}/)?.[0] ?? "";
  expect((await call(owner.api.slug, "before", key)).status).toBe(200);

  await page.goto("/console/keys");
  await hydrated(page);
  const row = page.getByRole("row").filter({ hasText: name });
  await row.getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await expect(row).toContainText(/revoked/i);

  await expect.poll(async () => (await call(owner.api.slug, "after", key)).status, { timeout: 3_000 }).toBe(401);
});

// Live calls, costs, insights.
import { call, createApi, createKey, unique, url } from "../support/account";
import { expect, hydrated, test } from "../support/test";

test("a call is on the live page as soon as it is answered, and pausing holds the page", async ({ console: page, owner }) => {
  await page.goto(`/console/live?api=${owner.api.id}`);
  await hydrated(page);
  await expect(page.getByRole("status").filter({ hasText: "Live" })).toBeVisible();
  const calls = page.getByRole("region", { name: "Calls" });
  const path = unique("live");
  await call(owner.api.slug, path, owner.key.key);
  const row = calls.getByRole("row").filter({ hasText: path });
  await expect(row).toContainText(owner.key.name);
  await row.click();
  const dialog = page.getByRole("dialog", { name: "One call" });
  await expect(dialog.getByText(`/${path}`)).toBeVisible();
  await page.keyboard.press("Escape");

  await page.getByRole("button", { name: "Pause" }).click();
  await expect(page.getByRole("status").filter({ hasText: "Paused" })).toBeVisible();
  const later = unique("later");
  await call(owner.api.slug, later, owner.key.key);
  await expect
    .poll(async () => (await page.request.get(`${url()}/api/v1/usage/calls?api_id=${owner.api.id}`)).text())
    .toContain(later);
  await expect(calls.getByRole("row").filter({ hasText: later })).toHaveCount(0);
});

test("the live page shows what its address asks for", async ({ console: page, owner }) => {
  await page.goto(`/console/live?api=${owner.api.id}`);
  await hydrated(page);
  await page.locator("select[name=status]").selectOption("4xx");
  await expect(page).toHaveURL(/status=4xx/);
  await expect(page.getByRole("status").filter({ hasText: "Live" })).toBeVisible();
  const calls = page.getByRole("region", { name: "Calls" });
  const good = unique("good");
  await call(owner.api.slug, good, owner.key.key);
  await call(owner.api.slug, "status/404", owner.key.key);
  await expect(calls.getByRole("row").filter({ hasText: "/status/404" }).first()).toBeVisible();
  await expect(calls.getByRole("row").filter({ hasText: good })).toHaveCount(0);
});

test("prices make calls cost, and a budget says how far it is spent", async ({ console: page, watch }) => {
  watch.expectProblem(/422/);
  const apiName = unique("Priced");
  const api = await createApi(page, apiName);
  const key = await createKey(page, unique("Payer"));
  for (const path of ["a", "b", "c", "d"]) await call(api.slug, path, key.key);
  await page.goto("/console/costs/rules/new");
  await hydrated(page);
  const rule = page.getByRole("form", { name: "Price rule" });
  const name = unique("Geocoder");
  await rule.getByLabel("Name").fill(name);
  await rule.getByLabel("API", { exact: true }).selectOption({ label: apiName });
  await rule.getByLabel("Prices").fill("free");
  await rule.getByRole("button", { name: "Add price rule" }).click();
  await expect(rule.getByLabel("Prices")).toHaveAttribute("aria-invalid", "true");
  await rule.getByLabel("Prices").fill("0 1\n0.5");
  await rule.getByLabel("Currency").fill("EU");
  await rule.getByRole("button", { name: "Add price rule" }).click();
  await expect(rule.getByLabel("Currency")).toHaveAttribute("aria-invalid", "true");
  await rule.getByLabel("Currency").fill("eur");
  await rule.getByRole("button", { name: "Add price rule" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Costs" })).toBeVisible();
  await expect(page.getByRole("region", { name: "Price rules" })).toContainText("0.00 EUR up to 1, then 0.50 EUR a call");

  // The first is free, three cost half a euro each. Usage is fresh within two seconds.
  await expect(async () => {
    await page.reload();
    await expect(page.getByRole("region", { name: "Total" })).toContainText("1.50 EUR", { timeout: 1_000 });
  }).toPass({ timeout: 15_000 });
  const rows = page.getByRole("region", { name: "Who and what it was for" });
  await hydrated(page);
  await rows.getByRole("link", { name: "Key" }).click();
  await expect(rows.getByRole("row").filter({ hasText: key.name })).toContainText("1.50 EUR");

  await page.getByRole("region", { name: "Budgets" }).getByRole("link", { name: "Add a budget" }).click();
  const budget = page.getByRole("form", { name: "Budget" });
  await budget.getByLabel("Name").fill("All of it");
  await budget.getByLabel("Amount a month").fill("3");
  await budget.getByLabel("API", { exact: true }).selectOption({ label: apiName });
  await budget.getByRole("button", { name: "Add budget" }).click();
  const budgets = page.getByRole("region", { name: "Budgets" });
  await expect(budgets).toContainText("1.50 EUR of 3.00 EUR");
  await expect(budgets).toContainText("50.0 %");

  await budgets.getByRole("button", { name: "Delete" }).click();
  await expect(budgets).toContainText("A budget says what a month may cost");
  const line = page.getByRole("region", { name: "Price rules" }).getByRole("listitem").filter({ hasText: name });
  await line.getByRole("button", { name: "Delete" }).click();
  await expect(line).toHaveCount(0);
});

test("without a script a price rule is made by its form", async ({ browser, owner }) => {
  const context = await browser.newContext({ baseURL: url(), javaScriptEnabled: false, storageState: owner.state });
  const page = await context.newPage();
  await page.goto("/console/costs/rules/new");
  const rule = page.getByRole("form", { name: "Price rule" });
  const name = unique("Plain");
  await rule.getByLabel("Name").fill(name);
  await rule.getByLabel("Prices").fill("much");
  await rule.getByRole("button", { name: "Add price rule" }).click();
  await expect(rule.getByLabel("Prices")).toHaveAttribute("aria-invalid", "true");
  // What was typed is still there.
  await expect(rule.getByLabel("Name")).toHaveValue(name);
  await rule.getByLabel("Prices").fill("0.25");
  await rule.getByRole("button", { name: "Add price rule" }).click();
  const line = page.getByRole("region", { name: "Price rules" }).getByRole("listitem").filter({ hasText: name });
  await expect(line).toContainText("0.25 EUR a call");
  await line.getByRole("button", { name: "Delete" }).click();
  await expect(line).toHaveCount(0);
  await context.close();
});

test("insights say that nothing is unusual, and what they look at", async ({ console: page }) => {
  await page.goto("/console/insights");
  await hydrated(page);
  await expect(page.getByText("Nothing unusual")).toBeVisible();
  await page.getByRole("navigation", { name: "State" }).getByRole("link", { name: "Open" }).click();
  await expect(page).toHaveURL(/state=open/);
  await expect(page.getByText("No finding is in this state.")).toBeVisible();
});

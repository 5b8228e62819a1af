// Reports: made now, looked at, and schedules of them.
import { call, createApi, createKey, unique, url } from "../support/account";
import { expect, hydrated, test } from "../support/test";

test("a report is made, opened and deleted", async ({ console: page, watch }) => {
  watch.expectProblem(/reports\/make|status of 422/);
  const apiName = unique("Told");
  const api = await createApi(page, apiName);
  const key = await createKey(page, unique("Caller"));
  for (const path of ["a", "b", "c"]) await call(api.slug, path, key.key);
  await page.goto("/console/reports");
  await hydrated(page);
  const form = page.getByRole("form", { name: "Make a report now" });
  await form.getByLabel("To", { exact: true }).fill("2020-01-01");
  await form.getByRole("button", { name: "Make the report" }).click();
  await expect(form.getByLabel("From", { exact: true })).toHaveAttribute("aria-invalid", "true");
  // Yesterday is there already; today as far as it is over.
  await form.getByLabel("To", { exact: true }).fill(new Date().toISOString().slice(0, 10));
  await form.getByLabel("API", { exact: true }).selectOption({ label: apiName });
  await form.getByRole("button", { name: "Make the report" }).click();

  const list = page.getByRole("region", { name: "Reports" });
  const line = list.getByRole("row").filter({ hasText: "Usage report" }).first();
  await expect(line).toBeVisible();
  const href = await line.getByRole("link", { name: /^Open/ }).getAttribute("href");
  const answer = await page.request.get(href ?? "");
  expect(answer.headers()["content-security-policy"]).toContain("sandbox");
  expect(await answer.text()).toContain(apiName);
  const csv = await page.request.get((href ?? "").replace(/html$/, "csv"));
  expect(await csv.text()).toContain("section,item,measure,value,before");
  await line.getByRole("button", { name: "Delete" }).click();
  await expect(page.locator(`a[href="${href}"]`)).toHaveCount(0);
});

test("a schedule is made, switched off, changed and deleted", async ({ console: page, watch }) => {
  watch.expectProblem(/reports\/schedules\/add|status of 422/);
  await page.goto("/console/reports/new");
  await hydrated(page);
  const form = page.getByRole("form", { name: "Schedule" });
  await form.getByLabel("Time zone").fill("Mars/Olympus");
  await form.getByRole("button", { name: "Add schedule" }).click();
  await expect(form.getByLabel("Name")).toHaveAttribute("aria-invalid", "true");
  const name = unique("Weekly");
  await form.getByLabel("Name").fill(name);
  await form.getByLabel("Time zone").fill("Europe/Berlin");
  await form.getByRole("button", { name: "Add schedule" }).click();

  await expect(page.getByRole("heading", { level: 1, name: "Reports" })).toBeVisible();
  const line = page.getByRole("region", { name: "Schedules" }).getByRole("listitem").filter({ hasText: name });
  await expect(line).toContainText("Every week from 8:00 Europe/Berlin, all APIs, mailed to 1 member, next");
  await line.getByRole("button", { name: "Switch off" }).click();
  await expect(line.getByRole("button", { name: "Switch on" })).toBeVisible();
  await line.getByRole("link", { name: /^Edit/ }).click();
  await expect(form.getByLabel("Name")).toHaveValue(name);
  await form.getByLabel("Made", { exact: true }).selectOption({ label: "Every month" });
  await form.getByRole("button", { name: "Save schedule" }).click();
  await expect(line).toContainText("Every month");
  await line.getByRole("button", { name: "Delete" }).click();
  await expect(line).toHaveCount(0);
});

test("without a script a schedule is made by its form", async ({ browser, owner }) => {
  const context = await browser.newContext({ baseURL: url(), javaScriptEnabled: false, storageState: owner.state });
  const page = await context.newPage();
  await page.goto("/console/reports/new");
  const form = page.getByRole("form", { name: "Schedule" });
  const name = unique("Plain");
  await form.getByLabel("Name").fill(name);
  await form.getByRole("button", { name: "Add schedule" }).click();
  const line = page.getByRole("region", { name: "Schedules" }).getByRole("listitem").filter({ hasText: name });
  await expect(line).toContainText("Every week");
  await line.getByRole("link", { name: /^Edit/ }).click();
  await form.getByLabel("Made", { exact: true }).selectOption({ label: "Every day" });
  await form.getByRole("button", { name: "Save schedule" }).click();
  await expect(line).toContainText("Every day");
  await line.getByRole("button", { name: "Delete" }).click();
  await expect(line).toHaveCount(0);
  await context.close();
});

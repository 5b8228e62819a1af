// Alert rules, silences, objectives.
import { call, createApi, createKey, unique, url } from "../support/account";
import { expect, hydrated, test } from "../support/test";

test("a rule is previewed, made, silenced and deleted", async ({ console: page }) => {
  const apiName = unique("Watched");
  await createApi(page, apiName);
  await page.goto("/console/alerts/new");
  await hydrated(page);
  const rule = page.getByRole("form", { name: "Alert rule" });
  const name = unique("Too many errors");
  await rule.getByLabel("Value").fill("much");
  await rule.getByRole("button", { name: "Add alert rule" }).click();
  await expect(rule.getByLabel("Value")).toHaveAttribute("aria-invalid", "true");
  await rule.getByLabel("Name").fill(name);
  await rule.getByLabel("Value").fill("5");
  await rule.getByLabel("API", { exact: true }).selectOption({ label: apiName });
  const preview = page.getByRole("form", { name: "Preview" });
  await preview.getByRole("button", { name: "Preview" }).click();
  await expect(preview).toContainText("It would not have fired.");
  await rule.getByRole("button", { name: "Add alert rule" }).click();

  await expect(page.getByRole("heading", { level: 1, name: "Alerts" })).toBeVisible();
  const line = page.getByRole("region", { name: "Rules" }).getByRole("listitem").filter({ hasText: name });
  await expect(line).toContainText(`error rate of ${apiName} above 5 % over 5 minutes`);
  await line.getByLabel(`Why ${name} is silenced`).fill("moving");
  await line.getByRole("button", { name: "Silence for an hour" }).click();
  const silence = page.getByRole("region", { name: "Silences" }).getByRole("listitem").filter({ hasText: name });
  await expect(silence).toContainText("moving");
  await silence.getByRole("button", { name: "Tell again" }).click();
  await expect(silence).toHaveCount(0);
  await line.getByRole("button", { name: "Delete" }).click();
  await expect(line).toHaveCount(0);
});

test("a rule is changed, switched off and on, and everything is silenced", async ({ console: page, watch }) => {
  watch.expectProblem(/alerts\/silence|status of 422/);
  await page.goto("/console/alerts/new?kind=ratio");
  await hydrated(page);
  const rule = page.getByRole("form", { name: "Alert rule" });
  const name = unique("Twice as many");
  await rule.getByLabel("Name").fill(name);
  await rule.getByLabel("Times").fill("2.5");
  await rule.getByRole("button", { name: "Add alert rule" }).click();
  const line = page.getByRole("region", { name: "Rules" }).getByRole("listitem").filter({ hasText: name });
  await line.getByRole("link", { name: `Edit ${name}` }).click();

  await expect(page).toHaveURL(/\/console\/alerts\/[^/]+\/edit$/);
  await expect(page.getByRole("heading", { level: 1, name: "Edit alert rule" })).toBeVisible();
  await expect(rule.getByLabel("Times")).toHaveValue("2.5");
  await rule.getByLabel("Times").fill("x");
  await rule.getByRole("button", { name: "Save changes" }).click();
  await expect(rule.getByLabel("Times")).toHaveAttribute("aria-invalid", "true");
  await rule.getByLabel("Times").fill("4");
  await rule.getByRole("button", { name: "Save changes" }).click();
  await expect(line).toContainText("4");
  await line.getByRole("button", { name: "Switch off" }).click();
  await expect(line).toContainText("off");
  await line.getByRole("button", { name: "Switch on" }).click();
  await expect(line.getByRole("button", { name: "Switch off" })).toBeVisible();

  const silences = page.getByRole("region", { name: "Silences" });
  const all = page.getByRole("form", { name: "Silence all rules" });
  await all.getByRole("button", { name: "Silence all rules" }).click();
  await expect(all.getByLabel("Why")).toHaveAttribute("aria-invalid", "true");
  const reason = unique("moving");
  await all.getByLabel("Why").fill(reason);
  await all.getByRole("button", { name: "Silence all rules" }).click();
  const silence = silences.getByRole("listitem").filter({ hasText: reason });
  await expect(silence).toContainText("All rules, until");
  await expect(line).toContainText("silenced until");
  await silence.getByRole("button", { name: "Tell again" }).click();
  await expect(silence).toHaveCount(0);
  await line.getByRole("button", { name: "Delete" }).click();
  await expect(line).toHaveCount(0);
});

test("an objective says what is left of its budget", async ({ console: page }) => {
  const apiName = unique("Promised");
  const api = await createApi(page, apiName);
  const key = await createKey(page, unique("Caller"));
  for (const path of ["a", "b", "c"]) await call(api.slug, path, key.key);
  await page.goto("/console/slos/new");
  await hydrated(page);
  const slo = page.getByRole("form", { name: "Objective" });
  const name = unique("Is up");
  await slo.getByLabel("Name").fill(name);
  await slo.getByLabel("API", { exact: true }).selectOption({ label: apiName });
  await slo.getByRole("button", { name: "Add objective" }).click();
  const card = page.getByRole("region", { name });
  await expect(card).toContainText(`99.9 % of calls of ${apiName}`);
  await expect(card).toContainText("100.0 %");
  await card.getByRole("button", { name: "Delete" }).click();
  await expect(card).toHaveCount(0);
});

test("without a script a rule is made by its form", async ({ browser, owner }) => {
  const context = await browser.newContext({ baseURL: url(), javaScriptEnabled: false, storageState: owner.state });
  const page = await context.newPage();
  await page.goto("/console/alerts/new?kind=absence");
  const rule = page.getByRole("form", { name: "Alert rule" });
  const name = unique("Silent");
  await rule.getByLabel("Name").fill(name);
  await rule.getByRole("button", { name: "Add alert rule" }).click();
  const line = page.getByRole("region", { name: "Rules" }).getByRole("listitem").filter({ hasText: name });
  await expect(line).toContainText("no calls for 15 minutes");
  await line.getByRole("link", { name: `Edit ${name}` }).click();
  await rule.getByLabel("No calls for, minutes").fill("20");
  await rule.getByRole("button", { name: "Save changes" }).click();
  await expect(line).toContainText("no calls for 20 minutes");
  await line.getByRole("button", { name: "Switch off" }).click();
  await expect(line.getByRole("button", { name: "Switch on" })).toBeVisible();
  const all = page.getByRole("form", { name: "Silence all rules" });
  const reason = unique("moving");
  await all.getByLabel("Why").fill(reason);
  await all.getByRole("button", { name: "Silence all rules" }).click();
  const silence = page.getByRole("region", { name: "Silences" }).getByRole("listitem").filter({ hasText: reason });
  await silence.getByRole("button", { name: "Tell again" }).click();
  await expect(silence).toHaveCount(0);
  await line.getByRole("button", { name: "Delete" }).click();
  await expect(line).toHaveCount(0);
  await context.close();
});

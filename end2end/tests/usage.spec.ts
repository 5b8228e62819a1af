// Usage: broken down, narrowed, zoomed into, exported.
import { call, createApi, createKey, newAccount, register, unique, url } from "../support/account";
import { expect, hydrated, test } from "../support/test";

test("calls are broken down, narrowed by a row, and the address says so", async ({ console: page, owner }) => {
  await page.goto(`/console/usage?api=${owner.api.id}&by=status`);
  await hydrated(page);
  const rows = page.getByRole("region", { name: "Breakdown" }).getByRole("row");
  await expect(rows.filter({ hasText: "404" })).toContainText("100 %");
  await rows.getByRole("link", { name: "404", exact: true }).click();
  await expect(page).toHaveURL(/[?&]code=404/);
  await expect(page.getByRole("link", { name: "Status 404: take this filter away" })).toBeVisible();
  const totals = page.getByRole("region", { name: /^Totals/ });
  await expect(totals.getByText("100 %", { exact: true })).toBeVisible();

  // Another filter goes beside it, the chip takes it away.
  await page.getByRole("navigation", { name: "Broken down by" }).getByRole("link", { name: "Method" }).click();
  await expect(rows.filter({ hasText: "GET" })).toHaveCount(1);
  await expect(rows.filter({ hasText: "POST" })).toHaveCount(0);
  await page.getByRole("link", { name: "Status 404: take this filter away" }).click();
  await expect(page).not.toHaveURL(/code=/);
  await expect(rows.filter({ hasText: "POST" })).toHaveCount(1);

  // Choosing in the form keeps what the form does not show.
  await page.locator("select[name=status]").selectOption("2xx");
  await expect(page).toHaveURL(/by=method/);
  await expect(page).toHaveURL(/status=2xx/);
});

test("routes of an API are learned from its calls and sorted as asked", async ({ console: page }) => {
  const api = await createApi(page, unique("Learned"));
  const key = await createKey(page, unique("Robot"));
  for (const path of ["users/1", "users/2", "users/3", "health"]) await call(api.slug, path, key.key);
  await expect
    .poll(async () => {
      const usage = await page.request.get(`${url()}/api/v1/usage?api_id=${api.id}`);
      return ((await usage.json()) as { totals: { calls: number } }).totals.calls;
    })
    .toBe(4);
  await page.goto(`/console/usage?api=${api.id}`);
  await hydrated(page);
  const breakdown = page.getByRole("region", { name: "Breakdown" });
  await expect(breakdown.getByRole("columnheader", { name: "Route" })).toBeVisible();
  await expect(breakdown.getByRole("row").filter({ hasText: "/health" })).toContainText("1");
  await breakdown.getByRole("columnheader", { name: "p95" }).getByRole("link").click();
  await expect(page).toHaveURL(/sort=p95/);
  await expect(breakdown.locator("th[aria-sort=descending]")).toHaveText("p95");
});

test("a part of the chart is drawn over and becomes the range", async ({ console: page, owner }) => {
  await page.goto(`/console/usage?api=${owner.api.id}`);
  await hydrated(page);
  const chart = page.getByRole("region", { name: "Calls and latency" });
  const plot = chart.getByRole("img", { name: /^Calls by status/ });
  const box = await plot.boundingBox();
  if (!box) throw new Error("the chart is not drawn");
  await page.mouse.move(box.x + box.width * 0.5, box.y + 60);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.7, box.y + 60, { steps: 4 });
  await page.mouse.up();
  await expect(page).toHaveURL(/from=.+to=/);
  const zoomed = new URL(page.url()).searchParams;
  const hours = (Date.parse(zoomed.get("to") ?? "") - Date.parse(zoomed.get("from") ?? "")) / 3_600_000;
  expect(hours).toBeGreaterThan(3);
  expect(hours).toBeLessThan(8);
  const again = await plot.boundingBox();
  if (!again) throw new Error("the chart is not drawn");
  await page.mouse.dblclick(again.x + again.width / 2, again.y + 60);
  await expect(page).not.toHaveURL(/from=/);
});

test("what is shown can be had as files", async ({ console: page, owner }) => {
  await page.goto(`/console/usage?api=${owner.api.id}&by=status`);
  const breakdown = page.getByRole("region", { name: "Breakdown" });
  const [file] = await Promise.all([
    page.waitForEvent("download"),
    breakdown.getByRole("link", { name: "CSV" }).click(),
  ]);
  const stream = await file.createReadStream();
  let text = "";
  for await (const chunk of stream) text += String(chunk);
  expect(text).toContain("status,404,404");
  const json = await breakdown.getByRole("link", { name: "JSON" }).getAttribute("href");
  const answer = await page.request.get(`${url()}${json ?? ""}`);
  expect(answer.status()).toBe(200);
  expect(((await answer.json()) as { data: unknown[] }).data.length).toBeGreaterThan(2);
});

test("thirteen months are shown without a jump", async ({ console: page, owner }) => {
  await page.goto(`/console/usage?api=${owner.api.id}&span=13mo`);
  await hydrated(page);
  await expect(page.getByRole("region", { name: /^Totals/ })).toBeVisible();
  await expect(page.getByRole("link", { name: "13mo: the last 13 months" })).toHaveAttribute("aria-current", "true");
});

test("the Overview says what fails", async ({ console: page }) => {
  await page.goto("/console");
  await hydrated(page);
  const attention = page.locator("section", { has: page.getByRole("heading", { name: "Look at this" }) });
  await attention.getByRole("row").filter({ hasText: "500" }).getByRole("link").click();
  await expect(page).toHaveURL(/\/console\/usage\?.*code=500/);
});

test("without a script the page is all there", async ({ browser, owner }) => {
  const context = await browser.newContext({ baseURL: url(), javaScriptEnabled: false, storageState: owner.state });
  const page = await context.newPage();
  await page.goto(`/console/usage?api=${owner.api.id}&by=status`);
  await page.getByRole("region", { name: "Breakdown" }).getByRole("link", { name: "500", exact: true }).click();
  await expect(page).toHaveURL(/code=500/);
  await expect(page.getByRole("img", { name: /calls took at most/ })).toBeVisible();
  await context.close();
});

test("a view is saved, opened by default, renamed and deleted", async ({ browser }) => {
  const context = await browser.newContext({ baseURL: url() });
  const page = await context.newPage();
  await register(page, newAccount());
  await page.goto("/console/usage?status=5xx&span=7d");
  await hydrated(page);
  const menu = page.locator("summary").filter({ hasText: "Saved views:" });
  await menu.click();
  const save = page.getByRole("form", { name: "Save this view" });
  const name = unique("Failures");
  await save.getByLabel("Save what is shown as").fill(name);
  await save.getByRole("button", { name: "Save view" }).click();
  await expect(menu).toContainText(name);
  await expect(page.getByRole("link", { name: "Without the view" })).toBeVisible();
  await menu.click();
  const views = page.getByRole("list", { name: "Saved views" });
  await views.getByText("Change").click();
  await views.getByRole("button", { name: "Make it my default" }).click();
  await expect(page.getByText("Usage opens with this view")).toBeVisible();

  // Opened anew, and by the link of the navigation.
  await page.goto("/console/usage");
  await expect(page).toHaveURL(/status=5xx&span=7d/);
  await hydrated(page);
  await page.getByRole("link", { name: "Without the view" }).click();
  await expect(page).not.toHaveURL(/status=5xx/);
  await page.getByRole("navigation").first().getByRole("link", { name: "Usage", exact: true }).click();
  await expect(page).toHaveURL(/status=5xx&span=7d/);
  await expect(page.locator("select[name=status]")).toHaveValue("5xx");

  await menu.click();
  await views.getByText("Change").click();
  const other = unique("Broken");
  await views.getByLabel(`New name of ${name}`).fill(other);
  await views.getByRole("button", { name: "Rename" }).click();
  await expect(menu).toContainText(other);
  await menu.click();
  await views.getByText("Change").click();
  await views.getByRole("button", { name: "Delete" }).click();
  await expect(menu).not.toContainText(other);
  await context.close();
});

test("times follow the zone of the reader", async ({ browser }) => {
  const context = await browser.newContext({ baseURL: url(), timezoneId: "Asia/Kathmandu" });
  const page = await context.newPage();
  await register(page, newAccount());
  await page.goto("/console/settings");
  await hydrated(page);
  await expect(page.getByText("Your browser is in Asia/Kat")).toBeVisible();
  await page.getByRole("button", { name: "Use this time zone" }).click();
  await expect(page.getByText("Times are shown in your time zone from now on.")).toBeVisible();
  await expect(page.getByRole("button", { name: "Use this time zone" })).toHaveCount(0);
  await page.goto("/console/usage");
  await hydrated(page);
  await expect(page.getByRole("link", { name: /^Asia\/Kat/ })).toBeVisible();
  await expect(page.getByRole("region", { name: "Calls and latency" })).toContainText("+05:45");
  await page.goto("/console/audit");
  await expect(page.locator("time[title$='UTC+05:45']").first()).toBeVisible();
  await context.close();
});

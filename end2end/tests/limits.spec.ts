// Limits: added, changed, removed, and seen with where they come from.
import { createApi, unique, url } from "../support/account";
import { expect, hydrated, test } from "../support/test";

test("an API's limits are added, changed and removed", async ({ console: page }) => {
  const api = await createApi(page, unique("Limited"));
  const limits = page.getByRole("region", { name: "Limits" });
  await page.goto(`/console/apis/${api.id}`);
  await hydrated(page);

  await limits.getByRole("link", { name: "Add limit" }).click();
  await limits.getByLabel("Name", { exact: true }).fill("burst");
  await limits.getByLabel("Calls", { exact: true }).fill("10");
  await limits.getByLabel("In", { exact: true }).fill("1");
  await limits.getByLabel("Unit").selectOption("seconds");
  await limits.getByLabel("At once", { exact: true }).fill("20");
  await limits.getByLabel("Shared by").first().selectOption("Each key alone");
  const words = "10 calls a second, up to 20 at once, for each key";
  await expect(limits.getByText(`Allows ${words}.`)).toBeVisible();
  await limits.getByRole("button", { name: "Save limit" }).click();
  const row = limits.getByRole("row").filter({ hasText: "burst" });
  await expect(row).toContainText(words);
  await expect(limits.getByRole("button", { name: "Save limit" })).toHaveCount(0);

  await row.getByRole("link", { name: "Edit" }).click();
  await expect(limits.getByLabel("Name", { exact: true })).toHaveValue("burst");
  await limits.getByLabel("Calls", { exact: true }).fill("12");
  await limits.getByRole("button", { name: "Save limit" }).click();
  await expect(row).toContainText("12 calls a second");

  // What is wrong is told at its field, and what was typed stays.
  await limits.getByRole("link", { name: "Add limit" }).click();
  await limits.getByLabel("Name", { exact: true }).fill("burst");
  await limits.getByLabel("Calls", { exact: true }).fill("many");
  await limits.getByRole("button", { name: "Save limit" }).click();
  await expect(limits.getByLabel("Calls", { exact: true })).toHaveAttribute("aria-invalid", "true");
  await limits.getByLabel("Calls", { exact: true }).fill("5");
  await limits.getByRole("button", { name: "Save limit" }).click();
  await expect(limits.getByLabel("Name", { exact: true })).toHaveAttribute("aria-invalid", "true");
  await limits.getByText("Concurrency", { exact: true }).click();
  await limits.getByRole("button", { name: "Save limit" }).click();
  await expect(limits.getByRole("row").filter({ hasText: "concurrency" })).toContainText("5 calls at the same time");

  const stored = await page.request.get(`${url()}/api/v1/apis/${api.id}/limits`);
  expect(await stored.json()).toMatchObject({
    rate_limits: [{ name: "burst", limit: 12, window_seconds: 1, burst: 20, per: "key" }],
    concurrency: 5,
  });

  await row.getByRole("button", { name: "Remove" }).click();
  await expect(row).toHaveCount(0);
});

test("a limit says where it comes from and what it replaces", async ({ console: page, owner }) => {
  const name = unique("daily");
  await page.goto("/console/limits");
  await hydrated(page);
  const own = page.getByRole("region", { name: "Limits" });
  await own.getByRole("link", { name: "Add limit" }).click();
  await own.getByText("Quota", { exact: true }).click();
  await own.getByLabel("Name", { exact: true }).fill(name);
  await own.getByLabel("Calls", { exact: true }).fill("1,000,000");
  await own.getByLabel("In a calendar").selectOption("Day");
  await own.getByRole("button", { name: "Save limit" }).click();
  await expect(own.getByRole("row").filter({ hasText: name })).toContainText("1,000,000 calls a calendar day");

  const put = await page.request.put(`${url()}/api/v1/api-keys/${owner.key.id}/limits`, {
    data: { quotas: [{ name, limit: 5000, period: "day", replaces_organization: true }] },
    headers: { origin: url() },
  });
  expect(put.status(), await put.text()).toBe(200);
  await page.goto(`/console/limits?key=${owner.key.id}`);
  const row = page.getByRole("region", { name: "What holds for a call" }).getByRole("row").filter({ hasText: name });
  await expect(row).toContainText("5,000 calls a calendar day");
  await expect(row).toContainText("in the place of 1,000,000 calls a calendar day (organization)");
  await expect(row.getByRole("link")).toHaveText(owner.key.name);
});

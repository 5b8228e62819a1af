// Versions of an API: made, chosen, ended, and seen by who calls them.
import { call, createApi, unique, url } from "../support/account";
import { expect, hydrated, test } from "../support/test";

test("a version is made, chosen by a header, deprecated and deleted", async ({ console: page, owner, watch }) => {
  watch.expectProblem(/422/);
  const api = await createApi(page, unique("Versioned"));
  await page.goto(`/console/apis/${api.id}`);
  await hydrated(page);
  await page.getByRole("region", { name: "Versions" }).getByRole("link", { name: "Add version" }).click();
  const form = page.getByRole("form", { name: "Version" });
  await form.getByLabel("Name", { exact: true }).fill("v 2");
  await form.getByLabel("Base URL").fill(url());
  await form.getByRole("button", { name: "Create version" }).click();
  await expect(form.getByLabel("Name", { exact: true })).toHaveAttribute("aria-invalid", "true");
  await form.getByLabel("Name", { exact: true }).fill("v2");
  await form.getByRole("button", { name: "Create version" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "v2" })).toBeVisible();
  await expect(page.getByText(`chosen by /proxy/${api.slug}/v2/…`)).toBeVisible();

  await page.goto(`/console/apis/${api.id}`);
  await hydrated(page);
  const choice = page.getByRole("form", { name: "How callers choose" });
  await choice.getByText("A header", { exact: true }).click();
  await choice.getByRole("button", { name: "Save choice" }).click();
  const row = page.getByRole("region", { name: "Versions" }).getByRole("row").filter({ hasText: "v2" });
  await expect(row).toContainText("x-api-version: v2");

  await row.getByRole("link", { name: "v2" }).click();
  await form.getByLabel("Deprecated from").fill("2020-01-01T00:00");
  await form.getByRole("button", { name: "Save version" }).click();
  await expect(page.getByText("Deprecated", { exact: true })).toBeVisible();
  // The process itself is an upstream as good as any.
  const answer = await call(api.slug, "health", owner.key.key, "GET", { "x-api-version": "v2" });
  expect(answer.headers.get("deprecation")).toBe("@1577836800");
  await expect
    .poll(async () => {
      await page.reload();
      return await page.getByRole("region", { name: "Who calls it" }).innerText();
    })
    .toContain(owner.key.name);

  await hydrated(page);
  await page.getByRole("button", { name: "Delete version" }).click();
  await expect(page.getByRole("heading", { level: 1, name: /^Versioned-/ })).toBeVisible();
  const stored = await page.request.get(`${url()}/api/v1/apis/${api.id}/versions`);
  expect(((await stored.json()) as { data: unknown[] }).data).toHaveLength(1);
});

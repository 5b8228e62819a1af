// The console comes in parts: what a page needs is there when it is gone to, and not before.
import { expect, hydrated, test } from "../support/test";

const split = /\/pkg\/(split|chunk)_/;

test("an area is fetched when a link to it is pointed at, once", async ({ console: page }) => {
  const fetched: string[] = [];
  page.on("request", (request) => {
    if (split.test(request.url())) fetched.push(request.url());
  });
  await page.goto("/console");
  await hydrated(page);
  expect(fetched, "the first load has no area").toEqual([]);

  const link = page.getByRole("navigation").first().getByRole("link", { name: "APIs", exact: true });
  const arrives = page.waitForResponse((response) => /split_Catalogue/.test(response.url()));
  await link.hover();
  await arrives;
  const before = fetched.length;
  await link.click();
  await expect(page.getByRole("heading", { level: 1, name: "APIs", exact: true })).toBeVisible();
  await page.getByRole("navigation").first().getByRole("link", { name: "Keys", exact: true }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Keys", exact: true })).toBeVisible();
  expect(fetched.length).toBe(before);
});

test("a page reached by address names its files at once", async ({ console: page }) => {
  const answer = await page.goto("/console/apis");
  const html = (await answer?.text()) ?? "";
  expect(html).toMatch(/<link rel="preload" href="\/pkg\/split_Catalogue[^"]*\.wasm"/);
  await hydrated(page);
});

test("an area that is gone after a deployment leads to the page itself", async ({ console: page, watch }) => {
  watch.expectProblem(/split_Catalogue|chunk_|Failed to load|TypeError|CompileError/);
  await page.goto("/console");
  await hydrated(page);
  // As it is when another release has replaced the files that this page knows of.
  await page.route(/\/pkg\/split_Catalogue/, (route) => route.fulfill({ status: 404, body: "" }));
  const link = page.getByRole("navigation").first().getByRole("link", { name: "Keys", exact: true });
  await link.click();
  await expect(page.getByRole("heading", { level: 1, name: "Keys", exact: true })).toBeVisible();
  expect(new URL(page.url()).pathname).toBe("/console/keys");
});

// Routes of an API: added, given limits, changed, deleted.
import { createApi, unique, url } from "../support/account";
import { expect, hydrated, test } from "../support/test";

test("a route is added, limited, changed and deleted", async ({ console: page, watch }) => {
  // A path without its slash is refused.
  watch.expectProblem(/422/);
  const api = await createApi(page, unique("Routed"));
  await page.goto(`/console/apis/${api.id}`);
  await hydrated(page);
  await page.getByRole("region", { name: "Routes" }).getByRole("link", { name: "Add route" }).click();
  const form = page.getByRole("form", { name: "Route" });
  await form.getByLabel("Name").fill("Users");
  await form.getByLabel("Methods").fill("get, post");
  await form.getByLabel("Path").fill("users");
  await form.getByRole("button", { name: "Create route" }).click();
  await expect(form.getByLabel("Path")).toHaveAttribute("aria-invalid", "true");
  await form.getByLabel("Path").fill("/users/{id}/*");
  await expect(form.getByText("Has GET or POST calls to /users/{id} and everything below it")).toBeVisible();
  await form.getByRole("button", { name: "Create route" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Users" })).toBeVisible();

  const limits = page.getByRole("region", { name: "Limits" });
  await limits.getByRole("link", { name: "Add limit" }).click();
  await limits.getByLabel("Name", { exact: true }).fill("burst");
  await limits.getByLabel("Calls", { exact: true }).fill("7");
  await limits.getByLabel("In", { exact: true }).fill("1");
  await limits.getByLabel("Unit").selectOption("seconds");
  await limits.getByRole("button", { name: "Save limit" }).click();
  await expect(limits.getByRole("row").filter({ hasText: "burst" })).toContainText("7 calls a second");

  await form.getByLabel("Methods").fill("");
  await form.getByRole("button", { name: "Save route" }).click();
  // The form says the same while it is typed; the page's head says what is stored.
  await expect(page.locator("p", { hasText: "A route of" })).toContainText("every call to /users/{id} and everything below it");
  const stored = await page.request.get(`${url()}/api/v1/apis/${api.id}/routes`);
  expect(await stored.json()).toMatchObject({
    data: [{ name: "Users", methods: [], path: "/users/{id}/*", policy: { rate_limits: [{ name: "burst", limit: 7 }] } }],
  });

  // What holds for such a call says where it comes from.
  await page.goto(`/console/limits?api=${api.id}&method=GET&path=/users/42/files`);
  const held = page.getByRole("region", { name: "What holds for a call" });
  await expect(held.getByRole("row").filter({ hasText: "burst" })).toContainText("Route Users");

  await page.goto(`/console/apis/${api.id}`);
  await hydrated(page);
  const row = page.getByRole("region", { name: "Routes" }).getByRole("row").filter({ hasText: "Users" });
  await expect(row).toContainText("7 calls a second");
  await row.getByRole("link", { name: "Users" }).click();
  await page.getByRole("button", { name: "Delete route" }).click();
  await expect(page.getByRole("heading", { level: 1, name: /^Routed/ })).toBeVisible();
  await expect(page.getByText("A route is a part of the API with limits of its own")).toBeVisible();
});

test("without a script a route is made by its form", async ({ browser, owner }) => {
  const context = await browser.newContext({
    baseURL: url(),
    javaScriptEnabled: false,
    storageState: owner.state,
  });
  const page = await context.newPage();
  await page.goto(`/console/apis/${owner.api.id}/routes/new`);
  const form = page.getByRole("form", { name: "Route" });
  await form.getByLabel("Name").fill("Plain");
  await form.getByLabel("Path").fill("/plain");
  await form.getByRole("button", { name: "Create route" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Plain" })).toBeVisible();
  await page.getByRole("button", { name: "Delete route" }).click();
  await expect(page.getByRole("heading", { level: 1, name: /^Weather/ })).toBeVisible();
  await context.close();
});

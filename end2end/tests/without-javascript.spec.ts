// Where a form is all there is, a form is enough.
import { newAccount, register, sample, signIn, unique } from "../support/account";
import { expect, test } from "../support/test";

test.use({ javaScriptEnabled: false });

test("register, sign in, create an API and a key", async ({ page, context, watch }) => {
  // The module and its WASM are announced to every browser; one without JavaScript leaves them.
  watch.expectProblem(/ csp$|preloaded using link preload/);
  watch.expectProblem(/answer 4\d\d|Failed to load resource/);
  const account = newAccount();
  await register(page, account);
  await context.clearCookies();
  await signIn(page, account);

  const name = unique("Plain");
  await page.goto("/console/apis/new");
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Base URL").fill(sample());
  await page.getByRole("button", { name: "Create API" }).click();
  await expect(page.getByRole("heading", { level: 1, name })).toBeVisible();

  await page.goto("/console/keys/new");
  await page.getByLabel("Name", { exact: true }).fill("Plain key");
  await page.getByRole("button", { name: "Create key" }).click();
  await expect(page.getByText(/apv_live_[0-9A-Za-z]{49}/).first()).toBeVisible();

  // A refused form says why and keeps what was typed.

  await page.goto("/console/apis/new");
  await page.getByLabel("Name", { exact: true }).fill("Kept");
  await page.getByLabel("Base URL").fill("ftp://example.com");
  await page.getByRole("button", { name: "Create API" }).click();
  await expect(page.getByLabel("Name", { exact: true })).toHaveValue("Kept");
  await expect(page.getByLabel("Base URL")).toHaveAttribute("aria-invalid", "true");
});

test("limits are added and removed", async ({ page, watch }) => {
  watch.expectProblem(/ csp$|preloaded using link preload/);
  watch.expectProblem(/answer 4\d\d|Failed to load resource/);
  await register(page, newAccount());
  const limits = page.getByRole("region", { name: "Limits" });
  await page.goto("/console/limits");
  await limits.getByRole("link", { name: "Add limit" }).click();
  await limits.getByText("Quota", { exact: true }).click();
  await limits.getByLabel("Name").fill("monthly");
  await limits.getByRole("button", { name: "Save limit" }).click();
  await expect(limits.getByLabel("Calls", { exact: true })).toHaveAttribute("aria-invalid", "true");
  await expect(limits.getByLabel("Name")).toHaveValue("monthly");
  await limits.getByLabel("Calls", { exact: true }).fill("500");
  await limits.getByRole("button", { name: "Save limit" }).click();
  const row = limits.getByRole("row").filter({ hasText: "monthly" });
  await expect(row).toContainText("500 calls a calendar month");
  await row.getByRole("button", { name: "Remove" }).click();
  await expect(row).toHaveCount(0);
});

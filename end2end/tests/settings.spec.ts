// Password and sessions. Each test has an account of its own: both end sessions.
import { newAccount, register, signIn, url } from "../support/account";
import { expect, hydrated, test } from "../support/test";

test("a changed password lets in, the old one does not", async ({ page, watch }) => {
  const account = newAccount();
  await register(page, account);
  await page.goto("/console/settings");
  await hydrated(page);
  const password = `new ${account.password}`;
  await page.getByLabel("Current password").fill(account.password);
  await page.getByLabel("New password").fill(password);
  await page.getByRole("button", { name: "Change password" }).click();
  await expect(page.getByText(/password (was |has been )?changed/i).first()).toBeVisible();

  await page.context().clearCookies();
  watch.expectProblem(/401/);
  await page.goto("/login");
  await page.getByLabel("E-mail").fill(account.email);
  await page.getByLabel("Password", { exact: true }).fill(account.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByText(/wrong e-mail or password/i).first()).toBeVisible();

  await signIn(page, { ...account, password });
});

test("the full name is saved", async ({ page }) => {
  await register(page, newAccount());
  await page.goto("/console/settings");
  await hydrated(page);
  await page.getByLabel("Full name").fill("Grace Hopper");
  await page.getByRole("button", { name: "Save changes" }).first().click();
  await expect(async () => {
    await page.goto("/console/settings");
    await expect(page.getByLabel("Full name")).toHaveValue("Grace Hopper", { timeout: 1_000 });
  }).toPass();
});

test("a session is revoked from another", async ({ browser, page }) => {
  const account = newAccount();
  await register(page, account);

  const elsewhere = await browser.newContext({ baseURL: url(), userAgent: "Elsewhere/1.0" });
  const other = await elsewhere.newPage();
  await signIn(other, account);

  await page.goto("/console/settings");
  await hydrated(page);
  const row = page.getByRole("row").filter({ hasText: "Elsewhere" }).or(page.getByRole("listitem").filter({ hasText: "Elsewhere" }));
  await row.getByRole("button", { name: "Revoke" }).click();
  await expect(row).toHaveCount(0);

  await other.goto("/console");
  await expect(other).toHaveURL(/\/login/);
  await page.goto("/console");
  await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
  await elsewhere.close();
});

test("signing out ends the session", async ({ page, context }) => {
  await register(page, newAccount());
  const cookies = await context.cookies();
  await page.goto("/console/settings");
  await hydrated(page);
  await page.getByLabel("User menu").click();
  await page.getByRole("banner").getByRole("button", { name: "Sign out" }).click();
  await expect(page).toHaveURL(/\/(login)?(\?.*)?$/);

  // The cookie alone brings nothing back: the session has ended on the server.
  await context.addCookies(cookies);
  await page.goto("/console");
  await expect(page).toHaveURL(/\/login/);
});

// The second factor and access tokens, with forms that are posted as they are.
import { createHmac } from "node:crypto";
import type { Page } from "@playwright/test";
import { type Account, newAccount, register, url } from "../support/account";
import { expect, hydrated, test } from "../support/test";

/** The code an authenticator app shows `steps` of 30 seconds from now (RFC 6238). */
function totp(secret: string, steps: number): string {
  let bits = "";
  for (const letter of secret) bits += "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0");
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const hash = createHmac("sha1", key).update(counter).digest();
  const at = (hash.at(-1) ?? 0) & 15;
  return String((hash.readUInt32BE(at) & 0x7fff_ffff) % 1_000_000).padStart(6, "0");
}

async function logIn(page: Page, account: Account): Promise<void> {
  await page.goto("/login");
  await hydrated(page);
  await page.getByLabel("E-mail").fill(account.email);
  await page.getByLabel("Password", { exact: true }).fill(account.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

test("an authenticator app is set up, asked for, and switched off", async ({ page, watch }) => {
  watch.expectProblem(/401|422/);
  const account = newAccount();
  await register(page, account);
  await page.goto("/console/settings/security");
  await page.locator("#field-password").fill(account.password);
  await page.getByRole("button", { name: "Set up" }).click();
  await expect(page.getByRole("img", { name: /QR code/ })).toBeVisible();
  const secret = (await page.locator("pre", { hasText: /^[A-Z2-7]{32}$/ }).textContent()) ?? "";
  await page.getByRole("textbox", { name: "Code" }).fill("000");
  await page.getByRole("button", { name: "Switch on" }).click();
  await expect(page.getByText(/is not the code the app shows/i).first()).toBeVisible();
  await page.getByRole("textbox", { name: "Code" }).fill(totp(secret, 0));
  await page.getByRole("button", { name: "Switch on" }).click();
  const codes = (await page.locator("pre").first().textContent()) ?? "";
  const recovery = codes.split("\n");
  expect(recovery).toHaveLength(10);

  await page.context().clearCookies();
  await logIn(page, account);
  await page.getByRole("textbox", { name: "Code" }).fill("000000");
  await page.getByRole("button", { name: "Continue" }).click();
  await expect(page.getByText(/the code is wrong/i).first()).toBeVisible();
  await page.getByRole("textbox", { name: "Code" }).fill(totp(secret, 1));
  await page.getByRole("button", { name: "Continue" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();

  await page.goto("/console/settings/security");
  await expect(page.getByText("10 recovery codes are left.")).toBeVisible();
  await page.getByRole("textbox", { name: "Code" }).fill(recovery[0] ?? "");
  await page.getByRole("button", { name: "Switch off" }).click();
  await expect(page.getByText("The second factor is off.")).toBeVisible();
});

test("an access token is made, works, and is revoked", async ({ page }) => {
  await register(page, newAccount());
  await page.goto("/console/settings/security");
  await page.getByLabel("Name", { exact: true }).fill("deploy script");
  await page.getByLabel("apis:read").check();
  await page.getByRole("button", { name: "Create token" }).click();
  const token = (await page.locator("pre", { hasText: "apvp_" }).textContent()) ?? "";
  const list = async () => fetch(`${url()}/api/v1/apis`, { headers: { authorization: `Bearer ${token}` } });
  expect((await list()).status).toBe(200);
  const row = page.getByRole("row").filter({ hasText: "deploy script" });
  await row.getByRole("button", { name: "Revoke" }).click();
  await expect(page.getByText(/The token was revoked/)).toBeVisible();
  expect((await list()).status).toBe(401);
});

test("asking for a new password says the same to everybody", async ({ page }) => {
  await page.goto("/forgot-password");
  await page.getByLabel("E-mail").fill("nobody@example.com");
  await page.getByRole("button", { name: "Send the link" }).click();
  await expect(page.getByText(/a message with a link is on its way/)).toBeVisible();
});

// Passkeys, with the browser's virtual authenticator (WebDriver's WebAuthn extension over CDP).
import type { CDPSession, Page } from "@playwright/test";
import { newAccount, register, url } from "../support/account";
import { expect, hydrated, test } from "../support/test";

/** The same server by a name: there are no passkeys for an IP address. */
test.use({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads a fixture's needs from its pattern
  baseURL: async ({}, use) => {
    await use(url().replace("127.0.0.1", "localhost"));
  },
});

async function authenticator(page: Page): Promise<{ cdp: CDPSession; authenticatorId: string }> {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return { cdp, authenticatorId };
}

async function addPasskey(page: Page, name: string): Promise<void> {
  await page.goto("/console/settings/security");
  await hydrated(page);
  await page.getByLabel("Name of the passkey").fill(name);
  await page.getByRole("button", { name: "Add a passkey" }).click();
  await expect(page.getByLabel(`Name of ${name}`)).toBeVisible();
}

async function toLogin(page: Page): Promise<void> {
  await page.context().clearCookies();
  await page.goto("/login");
  await hydrated(page);
}

test("a passkey is added, signs in alone and after the password, and is removed", async ({ page, watch }) => {
  watch.expectProblem(/401|403/);
  await authenticator(page);
  const account = newAccount();
  await register(page, account);
  await addPasskey(page, "Telephone");
  await expect(page.getByText(/Keep these recovery codes/)).toBeVisible();
  await expect(page.locator("pre").first()).toHaveText(/^([a-z0-9]{4}-){3}[a-z0-9]{4}/);

  await toLogin(page);
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();

  await toLogin(page);
  await page.getByLabel("E-mail").fill(account.email);
  await page.getByLabel("Password", { exact: true }).fill(account.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("button", { name: "Use a passkey" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();

  await page.goto("/console/settings/security");
  await page.getByLabel("Name of Telephone").fill("Old telephone");
  await page.getByRole("button", { name: "Rename" }).click();
  await expect(page.getByText("The passkey has its new name.")).toBeVisible();
  await page.getByRole("row").filter({ has: page.getByLabel("Name of Old telephone") }).getByRole("button", { name: "Remove" }).click();
  await expect(page.getByText(/The passkey was removed/)).toBeVisible();

  await toLogin(page);
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await expect(page.getByText(/passkey is not known here/i).first()).toBeVisible();
});

test("a copied authenticator is refused", async ({ page, watch }) => {
  watch.expectProblem(/401/);
  const { cdp, authenticatorId } = await authenticator(page);
  await register(page, newAccount());
  await addPasskey(page, "Security key");
  const signIn = async () => {
    await toLogin(page);
    await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  };
  await signIn();
  await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
  // A copy of it, made before that sign-in: its counter is behind.
  const { credentials } = await cdp.send("WebAuthn.getCredentials", { authenticatorId });
  const copy = credentials[0];
  if (copy === undefined) throw new Error("there is no passkey");
  await cdp.send("WebAuthn.removeCredential", { authenticatorId, credentialId: copy.credentialId });
  await cdp.send("WebAuthn.addCredential", { authenticatorId, credential: { ...copy, signCount: 0 } });
  await signIn();
  await expect(page.getByText(/passkey is not known here/i).first()).toBeVisible();
});

test("an answer counts once", async ({ page, watch }) => {
  watch.expectProblem(/401/);
  await authenticator(page);
  await register(page, newAccount());
  await addPasskey(page, "Telephone");
  await toLogin(page);
  const answers = await page.evaluate(async () => {
    const post = (path: string, body?: unknown) =>
      fetch(`/api/v1/auth/login/passkey${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    const asked = await (await post("/begin")).json();
    const parsed = (PublicKeyCredential as any).parseRequestOptionsFromJSON(asked.options);
    const credential = (await navigator.credentials.get({ publicKey: parsed })) as any;
    const answer = { ceremony: asked.ceremony, credential: credential.toJSON() };
    const other = await (await post("/begin")).json();
    const statuses = [];
    // For another question, then for its own, then once more.
    for (const body of [{ ...answer, ceremony: other.ceremony }, answer, answer]) {
      statuses.push((await post("", body)).status);
    }
    return statuses;
  });
  expect(answers).toEqual([401, 200, 401]);
});

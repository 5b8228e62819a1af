// Teams: inviting and joining, roles, switching, the audit log, the outbox, first steps.
import type { Browser, BrowserContext, Page } from "@playwright/test";
import { type Account, admin, call, createApi, createKey, newAccount, register, signIn, unique, url } from "../support/account";
import { expect, hydrated, test, type Watch } from "../support/test";

/** The link of the latest message to an address: whoever runs the installation sees it in development. */
async function link(browser: Browser, to: string, event: string): Promise<string> {
  const context = await browser.newContext({ baseURL: url() });
  const page = await context.newPage();
  await signIn(page, admin());
  let found = "";
  await expect
    .poll(async () => {
      const list = await page.request.get(`${url()}/api/v1/notifications?limit=100`);
      const { data } = (await list.json()) as { data: { id: string; recipient: string; event: string }[] };
      const message = data.find((one) => one.recipient === to && one.event === event);
      if (message === undefined) return "";
      const one = await page.request.get(`${url()}/api/v1/notifications/${message.id}`);
      found = ((await one.json()) as { link: string | null }).link ?? "";
      return found;
    })
    .not.toBe("");
  await context.close();
  const { pathname, search } = new URL(found);
  return pathname + search;
}

/** A page of somebody else, watched like the first. */
async function other(browser: Browser, watch: Watch): Promise<{ context: BrowserContext; page: Page }> {
  const context = await browser.newContext({ baseURL: url() });
  context.on("page", (page) => watch.attach(page));
  return { context, page: await context.newPage() };
}

async function invite(page: Page, account: Account, role: string): Promise<void> {
  await page.goto("/console/members");
  const form = page.getByRole("form", { name: "Invite" });
  await form.getByLabel("E-mail address").fill(account.email);
  await form.getByLabel("Role").selectOption(role);
  await form.getByRole("button", { name: "Invite" }).click();
  await expect(page.getByText("The invitation is on its way.")).toBeVisible();
  await expect(page.getByRole("row").filter({ hasText: account.email })).toBeVisible();
}

test("somebody is invited, joins, sees what their role may, gets another role, and is taken out", async ({ page, browser, watch }) => {
  const ada = newAccount();
  await register(page, ada);
  const bob = newAccount();
  await invite(page, bob, "billing");

  const theirs = await other(browser, watch);
  await register(theirs.page, bob);
  await theirs.page.goto(await link(browser, bob.email, "invitation"));
  await theirs.page.getByRole("button", { name: "Join" }).click();
  await expect(theirs.page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
  await expect(theirs.page.locator("header summary").first()).toContainText("Ada Lovelace");
  const nav = theirs.page.getByRole("navigation", { name: "Main" }).first();
  await expect(nav.getByRole("link", { name: "Costs" })).toBeVisible();
  for (const hidden of ["APIs", "Keys", "Policies", "Explorer", "Audit log", "Outbox"]) {
    await expect(nav.getByRole("link", { name: hidden, exact: true })).toHaveCount(0);
  }

  await page.goto("/console/members");
  await page.getByRole("link", { name: `Change ${bob.email}` }).click();
  const panel = page.getByRole("region", { name: /^Change / });
  await panel.getByLabel("Role").selectOption("developer");
  await panel.getByRole("button", { name: "Save role" }).click();
  await expect(page.getByText(/The role was changed/)).toBeVisible();
  await expect(page.getByRole("row").filter({ hasText: bob.email })).toContainText("Developer");
  await theirs.page.goto("/console");
  await expect(nav.getByRole("link", { name: "APIs", exact: true })).toBeVisible();

  await page.getByRole("link", { name: `Change ${bob.email}` }).click();
  await page.getByRole("button", { name: "Take out of the organization" }).click();
  await expect(page.getByText("They are not a member any more.")).toBeVisible();
  await expect(page.getByRole("row").filter({ hasText: bob.email })).toHaveCount(0);
  await theirs.context.close();
});

test("an invitation is sent again and taken back", async ({ page }) => {
  await register(page, newAccount());
  const bob = newAccount();
  await invite(page, bob, "viewer");
  await page.getByRole("button", { name: `Send the invitation of ${bob.email} again` }).click();
  await expect(page.getByText("The invitation is on its way.")).toBeVisible();
  await page.getByRole("button", { name: `Take the invitation of ${bob.email} back` }).click();
  await expect(page.getByText(/was taken back/)).toBeVisible();
  await expect(page.getByText("Nobody is invited right now.")).toBeVisible();
});

test("a second organization is made, switched from by keyboard, and deleted", async ({ page, watch }) => {
  watch.expectProblem(/422/);
  const account = newAccount();
  await register(page, account);
  await page.goto("/console/organization/new");
  const name = unique("Second");
  await page.getByLabel("Name").fill(name);
  await page.getByRole("button", { name: "Create and switch to it" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
  const switcher = page.locator("header summary").first();
  await expect(switcher).toContainText(name);

  await page.goto("/console/keys?q=nothing");
  await hydrated(page);
  await switcher.focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await expect(page.getByRole("button", { name: /Ada Lovelace's organization/ })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(switcher).toContainText("Ada Lovelace's organization");
  await expect(page).toHaveURL(/\/console\/keys$/);

  await switcher.click();
  await page.getByRole("button", { name }).click();
  await expect(switcher).toContainText(name);
  await page.goto("/console/organization");
  const danger = page.getByRole("form", { name: "Delete" });
  await danger.getByLabel("Slug of the organization").fill("another");
  await danger.getByLabel("Your password").fill(account.password);
  await danger.getByRole("button", { name: "Delete for good" }).click();
  await expect(page.getByText(/is not the slug/i).first()).toBeVisible();
  await danger.getByLabel("Slug of the organization").fill(name.toLowerCase());
  await danger.getByLabel("Your password").fill(account.password);
  await danger.getByRole("button", { name: "Delete for good" }).click();
  await expect(switcher).toContainText("Ada Lovelace's organization");
  await switcher.click();
  await expect(page.getByRole("button", { name })).toHaveCount(0);
});

test("the audit log is searched, shows what was changed, is exported, and is whole", async ({ page }) => {
  await register(page, newAccount());
  await page.goto("/console/organization");
  const name = unique("Renamed");
  await page.getByRole("form", { name: "Name" }).getByLabel("Name").fill(name);
  await page.getByRole("form", { name: "Name" }).getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Saved.")).toBeVisible();

  await page.goto("/console/audit");
  await hydrated(page);
  await page.getByLabel("Who, what, id or address").fill("organization.updated");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/q=organization.updated/);
  const lines = page.getByRole("region", { name: "Lines" });
  await expect(lines.getByRole("listitem")).toHaveCount(1);
  await lines.locator("summary").click();
  const row = lines.getByRole("row").filter({ hasText: "name" });
  await expect(row.locator("del")).toHaveText("Ada Lovelace's organization");
  await expect(row.locator("ins")).toHaveText(name);

  const csv = await page.getByRole("link", { name: "CSV" }).getAttribute("href");
  const answer = await page.request.get(url() + (csv ?? ""));
  expect(answer.headers()["content-type"]).toContain("text/csv");
  const text = await answer.text();
  expect(text).toContain("organization.updated");
  expect(text).not.toContain("user.registered");

  await page.goto("/console/audit?about=budget");
  await expect(page.getByText("No line fits")).toBeVisible();
  await page.goto("/console/audit");
  await page.getByRole("link", { name: "Check the chain" }).click();
  await expect(page.getByText("Verified")).toBeVisible();
  await expect(page.getByText(/none changed, put in or taken out/)).toBeVisible();
});

test("a message is looked at in a frame that may do nothing", async ({ page }) => {
  await register(page, newAccount());
  const bob = newAccount();
  await invite(page, bob, "viewer");
  await page.goto("/console/outbox");
  const row = page.getByRole("row").filter({ hasText: bob.email });
  await expect(row).toContainText(/Kept here|Waits/);
  await row.getByRole("link").click();
  await expect(page.getByRole("link", { name: "Open its link" })).toHaveAttribute("href", /\/join\?token=/);
  const frame = page.getByTitle("The message as HTML");
  await expect(frame).toHaveAttribute("sandbox", "");
  await expect(frame.contentFrame().getByRole("heading", { level: 1 })).toContainText("invites you");
  const html = await page.request.get(`${page.url()}/html`);
  expect(html.headers()["content-security-policy"]).toContain("sandbox; default-src 'none'");
  expect(await html.text()).not.toMatch(/<script/i);

  await page.goto("/console/outbox/templates?event=password_reset");
  await expect(page.getByTitle("The message as HTML").contentFrame().getByRole("heading", { level: 1 })).toBeVisible();
});

test("a service account gets a token that works until the account is gone", async ({ page }) => {
  await register(page, newAccount());
  await page.goto("/console/service-accounts");
  const name = unique("deploy");
  const form = page.getByRole("form", { name: "New service account" });
  await form.getByLabel("Name").fill(name);
  await form.getByRole("button", { name: "Make service account" }).click();
  await expect(page.getByText("The service account is there.", { exact: false })).toBeVisible();
  const tokens = page.getByRole("form", { name: "New token" });
  await tokens.getByLabel("Name").fill("CI");
  await tokens.getByLabel("apis:read").check();
  await tokens.getByRole("button", { name: "Make token" }).click();
  const token = (await page.locator("pre", { hasText: "apvp_" }).textContent()) ?? "";
  const status = async () =>
    (await fetch(`${url()}/api/v1/apis`, { headers: { authorization: `Bearer ${token}` } })).status;
  expect(await status()).toBe(200);
  await page.goto("/console/service-accounts");
  await page.getByRole("link", { name: `Delete ${name}` }).click();
  await page.getByRole("button", { name: "Delete for good" }).click();
  await expect(page.getByText(/The service account is gone/)).toBeVisible();
  expect(await status()).toBe(401);
});

test("what one hears of is chosen", async ({ page }) => {
  await register(page, newAccount());
  await page.goto("/console/notifications");
  const choice = page.getByLabel("Somebody you invited joined the organization");
  await expect(choice).toBeChecked();
  await choice.uncheck();
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Saved.")).toBeVisible();
  await expect(choice).not.toBeChecked();
});

test("the first steps tick themselves off up to the first call, and can be put away", async ({ page, browser }) => {
  const account = newAccount();
  await register(page, account);
  const steps = page.getByRole("region", { name: "First steps" });
  await expect(steps.getByText("0 of 6 done")).toBeVisible();
  await steps.getByRole("button", { name: "Send the link again" }).click();
  await expect(page.getByText(/a message with a link is on its way/)).toBeVisible();
  await page.goto(await link(browser, account.email, "email_verification"));
  await page.getByRole("button", { name: "Confirm the address" }).click();
  await expect(page.getByText("The address is confirmed.", { exact: false })).toBeVisible();
  await page.goto("/console");
  await expect(steps.getByText("1 of 6 done")).toBeVisible();
  const api = await createApi(page, unique("Steps"));
  const key = await createKey(page, "First");
  await page.goto("/console");
  await expect(steps.getByText("3 of 6 done")).toBeVisible();
  await expect(steps.getByText(`/proxy/${api.slug}/`)).toBeVisible();
  await call(api.slug, "hello", key.key);
  await expect
    .poll(async () => (await page.request.get(`${url()}/api/v1/usage/calls`)).text())
    .toContain("/hello");
  await page.goto("/console");
  await expect(steps.getByText("4 of 6 done")).toBeVisible();
  await expect(page.getByText("Latest calls")).toBeVisible();
  await steps.getByRole("button", { name: "Do not show this" }).click();
  await expect(page.getByText("Latest calls")).toBeVisible();
  await expect(steps).toHaveCount(0);
  await page.reload();
  await expect(steps).toHaveCount(0);
});

// Accounts, APIs, keys and calls, made the quick way: over REST with the session of a page.
import { randomBytes } from "node:crypto";
import { expect, type Page } from "@playwright/test";

export interface Account {
  email: string;
  password: string;
  name: string;
}

export interface Api {
  id: string;
  slug: string;
}

export interface Key {
  id: string;
  key: string;
  name: string;
}

export function url(): string {
  const url = process.env.E2E_URL;
  if (url === undefined) throw new Error("E2E_URL is not set; support/server.ts sets it");
  return url;
}

/** Where the sample upstream listens. */
export function sample(): string {
  const sample = process.env.E2E_SAMPLE;
  if (sample === undefined) throw new Error("E2E_SAMPLE is not set; support/server.ts sets it");
  return sample;
}

export function admin(): Account {
  const admin = JSON.parse(process.env.E2E_ADMIN ?? "null") as Account | null;
  if (admin === null) throw new Error("E2E_ADMIN is not set; support/server.ts sets it");
  return { ...admin, name: "" };
}

export function unique(prefix: string): string {
  return `${prefix}-${randomBytes(4).toString("hex")}`;
}

export function newAccount(): Account {
  const name = unique("ada");
  return { email: `${name}@example.com`, password: `pass ${randomBytes(9).toString("base64url")}`, name: "Ada Lovelace" };
}

/** Fills in the registration form; ends on the Overview. */
export async function register(page: Page, account: Account): Promise<void> {
  await page.goto("/register");
  await page.getByLabel("Full name").fill(account.name);
  await page.getByLabel("E-mail").fill(account.email);
  await page.getByLabel("Password", { exact: true }).fill(account.password);
  await page.getByRole("button", { name: "Create account" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
}

export async function signIn(page: Page, account: Account): Promise<void> {
  await page.goto("/login");
  await page.getByLabel("E-mail").fill(account.email);
  await page.getByLabel("Password", { exact: true }).fill(account.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
}

async function post<T>(page: Page, path: string, data: object): Promise<T> {
  // A state-changing call with a session cookie must say that it comes from the console's own origin.
  const answer = await page.request.post(url() + path, { data, headers: { origin: url() } });
  expect(answer.status(), await answer.text()).toBe(201);
  return (await answer.json()) as T;
}

export async function createApi(page: Page, name: string): Promise<Api> {
  return post<Api>(page, "/api/v1/apis", { name, base_url: sample() });
}

export async function createKey(page: Page, name: string): Promise<Key> {
  return post<Key>(page, "/api/v1/api-keys", { name });
}

/** One call through the gateway, as a consumer makes it. */
export async function call(
  slug: string,
  path: string,
  key: string,
  method = "GET",
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${url()}/proxy/${slug}/${path}`, { method, headers: { ...headers, "x-api-key": key } });
}

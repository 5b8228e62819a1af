// The explorer sends a real call through the gateway and shows what came back.
import { expect, hydrated, test } from "../support/test";

test("the explorer sends a call", async ({ console: page, owner }) => {
  await page.goto("/console/explorer");
  await hydrated(page);
  await page.getByLabel("API", { exact: true }).selectOption(owner.api.id);
  await page.getByLabel("API key", { exact: true }).selectOption(owner.key.id);
  await page.getByLabel("Method").selectOption("POST");
  await page.getByLabel("Path").fill("/explored?from=console");
  await page.getByLabel("Body").fill('{"temperature":21}');
  await page.getByRole("button", { name: "Send" }).click();

  const main = page.getByRole("main");
  await expect(main.getByText("200").first()).toBeVisible();
  await expect(main).toContainText("/explored");
  await expect(main).toContainText("temperature");
  await expect(main).toContainText(/\d ms/);
});

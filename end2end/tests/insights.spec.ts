// What is not to be told is told again by a button.
import { newAccount, register, url } from "../support/account";
import { expect, hydrated, test } from "../support/test";

test("a mute is seen and ended", async ({ page }) => {
  await register(page, newAccount());
  const made = await page.request.post(`${url()}/api/v1/insights/mutes`, {
    data: { metric: "latency", route: "/forecast/{city}" },
    headers: { origin: url() },
  });
  expect(made.status(), await made.text()).toBe(201);
  await page.goto("/console/insights");
  await hydrated(page);
  const muted = page.getByRole("region", { name: "Muted" });
  await expect(muted).toContainText("Latency of /forecast/{city}");
  await muted.getByRole("button", { name: "Tell again" }).click();
  await expect(muted).toHaveCount(0);
});

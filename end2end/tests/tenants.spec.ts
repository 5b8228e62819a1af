// What belongs to one organization does not exist for another.
import { newAccount, register, url } from "../support/account";
import { expect, test } from "../support/test";

test("another organization's API is not found, by page, by REST and by list", async ({ page, owner, watch }) => {
  watch.expectProblem(/404/);
  await register(page, newAccount());

  const answer = await page.goto(`/console/apis/${owner.api.id}`);
  expect(answer?.status()).toBe(404);
  expect(await page.content()).not.toContain(owner.api.slug);

  for (const path of [`/api/v1/apis/${owner.api.id}`, `/api/v1/api-keys/${owner.key.id}`]) {
    const refused = await page.request.get(url() + path);
    expect(refused.status(), path).toBe(404);
  }

  await page.goto("/console/keys");
  await expect(page.getByText(owner.key.name)).toHaveCount(0);
});

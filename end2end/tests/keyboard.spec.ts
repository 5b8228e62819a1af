// The mouse is never needed.
import { admin } from "../support/account";
import { expect, hydrated, test } from "../support/test";

test("signing in with the keyboard alone", async ({ page }) => {
  const { email, password } = admin();
  await page.goto("/login");
  await hydrated(page);
  const field = page.getByLabel("E-mail");
  for (let presses = 0; presses < 20; presses++) {
    if (await field.evaluate((element) => element === document.activeElement)) break;
    await page.keyboard.press("Tab");
  }
  await expect(field).toBeFocused();
  await page.keyboard.type(email);
  const secret = page.getByLabel("Password", { exact: true });
  for (let presses = 0; presses < 5; presses++) {
    await page.keyboard.press("Tab");
    if (await secret.evaluate((element) => element === document.activeElement)) break;
  }
  await expect(secret).toBeFocused();
  await page.keyboard.type(password);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
});

test("the skip link leads past the navigation", async ({ console: page }) => {
  await page.goto("/console");
  await hydrated(page);
  await page.keyboard.press("Tab");
  const skip = page.getByRole("link", { name: /skip/i });
  await expect(skip).toBeFocused();
  await expect(skip).toBeInViewport();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/#main/);
});

test("what is focused is seen", async ({ console: page }) => {
  await page.goto("/console/apis");
  await hydrated(page);
  for (let presses = 0; presses < 12; presses++) {
    await page.keyboard.press("Tab");
    const focus = await page.evaluate(() => {
      const element = document.activeElement;
      if (element === null || element === document.body) return null;
      const style = getComputedStyle(element);
      const seen = style.outlineStyle !== "none" && Number.parseFloat(style.outlineWidth) >= 1;
      // A field shows its focus on the frame around it.
      const frame = element.parentElement === null ? null : getComputedStyle(element.parentElement);
      const framed = frame !== null && frame.outlineStyle !== "none" && Number.parseFloat(frame.outlineWidth) >= 1;
      return { html: element.outerHTML.slice(0, 160), seen: seen || framed };
    });
    if (focus !== null) expect(focus.seen, focus.html).toBe(true);
  }
});

// Every page: accessible in both themes and two widths, no errors, nothing moves when it hydrates.
import AxeBuilder from "@axe-core/playwright";
import { expect, hydrated, places, test, visit } from "../support/test";

const THEMES = ["light", "dark"] as const;
const SIZES = [
  { width: 1440, height: 900 },
  { width: 390, height: 844 },
];

for (const theme of THEMES) {
  for (const size of SIZES) {
    test(`axe: every page, ${theme}, ${size.width} wide`, async ({ browser, owner, watch }) => {
      // Every page there is, on however slow a machine.
      test.setTimeout(900_000);
      for (const signedIn of [false, true]) {
        const context = await browser.newContext({
          baseURL: process.env.E2E_URL,
          viewport: size,
          colorScheme: theme,
          reducedMotion: "reduce",
          ...(signedIn ? { storageState: owner.state } : {}),
        });
        const page = await context.newPage();
        watch.attach(page);
        for (const place of places(owner).filter((place) => place.signedIn === signedIn)) {
          await test.step(place.path, async () => {
            await visit(page, place);
            await hydrated(page);
            const result = await new AxeBuilder({ page })
              // A mail in a frame in which no script runs, this one neither.
              .exclude("iframe[sandbox]")
              .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
              .analyze();
            const serious = result.violations
              .filter((violation) => violation.impact === "serious" || violation.impact === "critical")
              .map((violation) => ({
                rule: violation.id,
                help: violation.help,
                where: violation.nodes.map((node) => `${node.target.join(" ")}: ${node.failureSummary ?? ""}`),
              }));
            expect.soft(serious, `${place.path} ${theme} ${size.width}`).toEqual([]);
            // A phone scrolls down, never sideways.
            const overflow = await page.evaluate(
              () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
            );
            expect.soft(overflow, `${place.path} is wider than the screen`).toBeLessThanOrEqual(0);
          });
        }
        await context.close();
      }
    });
  }
}

test("every page has one main landmark, a title and a language", async ({ console: page, owner }) => {
  test.setTimeout(900_000);
  for (const place of places(owner).filter((place) => place.signedIn)) {
    await visit(page, place);
    await expect(page.getByRole("main")).toHaveCount(1);
    await expect(page).toHaveTitle(/APIverse/);
    await expect(page.locator("html")).toHaveAttribute("lang", /^en/);
  }
});

test("nothing moves when a page hydrates", async ({ console: page, owner }) => {
  test.setTimeout(900_000);
  interface Shift {
    at: number;
    value: number;
    nodes: string[];
  }
  await page.addInitScript(() => {
    const shifts: Shift[] = [];
    Object.assign(window, { __shifts: shifts });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        const shift = entry as PerformanceEntry & { value: number; sources: { node: Node | null }[] };
        const nodes = shift.sources.map((source) => (source.node as Element | null)?.outerHTML?.slice(0, 200) ?? "?");
        shifts.push({ at: shift.startTime, value: shift.value, nodes });
      }
    }).observe({ type: "layout-shift", buffered: true });
  });
  // The page's code waits until the page has been drawn without it. On a slow machine the two would mix: a table is
  // drawn before its last rows are there, and grows.
  let release = (): void => {};
  let released = Promise.resolve();
  await page.route("**/*.wasm", async (route) => {
    await released;
    // A page that was left asks for it no more.
    await route.continue().catch(() => {});
  });
  const drawn = (): Promise<number> =>
    page.evaluate(async () => {
      await document.fonts.ready;
      // Two frames, and what the observer has of them.
      for (let frame = 0; frame < 2; frame++) await new Promise((done) => requestAnimationFrame(done));
      await new Promise((done) => setTimeout(done));
      return performance.now();
    });
  for (const place of places(owner).filter((place) => place.signedIn)) {
    released = new Promise((done) => {
      release = done;
    });
    await page.goto(place.path, { waitUntil: "domcontentloaded" });
    await expect(page.getByRole("heading", { level: 1 })).toHaveText(place.heading);
    const since = await drawn();
    await expect(page.locator("html"), "its code waits").not.toHaveAttribute("data-hydrated");
    release();
    await hydrated(page);
    await drawn();
    const shifts = await page.evaluate(() => (window as unknown as { __shifts: Shift[] }).__shifts);
    const moved = shifts.filter((shift) => shift.at > since && shift.value > 0.0005);
    expect.soft(moved, place.path).toEqual([]);
  }
});

test("pages reached by links are those reached by address", async ({ console: page }) => {
  await page.goto("/console");
  await hydrated(page);
  const navigation = page.getByRole("navigation").first();
  for (const name of ["APIs", "Keys", "Limits", "Explorer", "Usage", "Explain", "Settings", "Overview"]) {
    await navigation.getByRole("link", { name, exact: true }).click();
    await expect(page.getByRole("heading", { level: 1, name, exact: true })).toBeVisible();
  }
});

test("signed out, the console leads to the login", async ({ page }) => {
  await page.goto("/console/keys");
  await expect(page).toHaveURL(/\/login/);
});

test("an unknown page says so", async ({ page, watch }) => {
  watch.expectProblem(/404/);
  const answer = await page.goto("/no-such-page");
  expect(answer?.status()).toBe(404);
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
});

test("of an upstream's credentials those of the chosen kind are seen", async ({ console: page }) => {
  await page.goto("/console/apis/new");
  await expect(page.getByLabel("Upstream key")).toBeHidden();
  await page.getByText("API key", { exact: true }).click();
  await expect(page.getByLabel("Upstream key")).toBeVisible();
  await page.getByText("OAuth 2", { exact: true }).click();
  await expect(page.getByLabel("Client secret")).toBeVisible();
  await expect(page.getByLabel("Upstream key")).toBeHidden();
});

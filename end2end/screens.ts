// A picture of every page in both themes and two sizes: end2end/screenshots/{page}-{theme}-{width}.png
import { join } from "node:path";
import { hydrated, places, screenshotFolder, test, visit } from "./support/test";

for (const theme of ["light", "dark"] as const) {
  for (const size of [{ width: 1440, height: 900 }, { width: 390, height: 844 }]) {
    test(`${theme} ${size.width}x${size.height}`, async ({ browser, owner, watch }) => {
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
          await visit(page, place);
          await hydrated(page);
          await page.evaluate(() => document.fonts.ready);
          await page.screenshot({
            path: join(screenshotFolder(), `${place.name}-${theme}-${size.width}.png`),
            fullPage: true,
          });
        }
        await context.close();
      }
    });
  }
}

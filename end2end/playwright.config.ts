import { defineConfig } from "@playwright/test";
import { chromium } from "./support/chromium";

// The tests drive the release binary: APIVERSE_BIN, started by support/server.ts with a fresh data folder.
export default defineConfig({
  testDir: "tests",
  globalSetup: "./support/server.ts",
  outputDir: "test-results",
  workers: 2,
  fullyParallel: false,
  forbidOnly: Boolean(process.env.CI),
  // A test that passes at the second try has failed once: it is looked at, not tried again.
  retries: 0,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  reporter: [["list"], ["./support/digest.ts"]],
  use: {
    ...chromium,
    viewport: { width: 1440, height: 900 },
    trace: "retain-on-failure",
    screenshot: "only-on-failure",
  },
});

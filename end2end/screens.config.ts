import { defineConfig } from "@playwright/test";
import { chromium } from "./support/chromium";

// Not tests: a picture of every page, to be looked at.
export default defineConfig({
  testDir: ".",
  testMatch: "screens.ts",
  globalSetup: "./support/server.ts",
  outputDir: "test-results",
  workers: 1,
  timeout: 180_000,
  reporter: [["list"]],
  use: { ...chromium },
});

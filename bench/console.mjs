// How soon the console's heaviest page can be used: Usage over thirteen months, in Chromium.
//
//   apiverse serve & apiverse demo --days 395 --calls 2000000
//   node bench/console.mjs http://localhost:8000 EMAIL PASSWORD [PATH …]
//
// Each page is opened anew, without the browser's cache the first time. `usable` is when the page has been hydrated
// and the main thread has been free for 50 ms: what is clicked then is answered at once. Milliseconds from the
// navigation's start; `shift` is the cumulative layout shift.

import { chromium } from "@playwright/test";

const [base, email, password, ...paths] = process.argv.slice(2);
if (!password) {
  console.error("usage: node bench/console.mjs BASE EMAIL PASSWORD [PATH …]");
  process.exit(2);
}
const ROUNDS = Number(process.env.ROUNDS ?? 7);
const pages = paths.length ? paths : ["/console/usage?span=13mo", "/console/usage?span=30d", "/console"];

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const context = await browser.newContext({ baseURL: base, viewport: { width: 1440, height: 900 } });
await context.addInitScript(() => {
  globalThis.seen = { shift: 0, usable: 0 };
  const add = (list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) globalThis.seen.shift += entry.value;
  };
  new PerformanceObserver(add).observe({ type: "layout-shift", buffered: true });
  const root = () => document.documentElement;
  let last = performance.now();
  const turn = () => {
    const now = performance.now();
    const free = now - last < 50;
    last = now;
    if (root()?.hasAttribute("data-hydrated") && free) globalThis.seen.usable = now;
    else setTimeout(turn, 10);
  };
  turn();
});

const signIn = await context.newPage();
await signIn.goto("/login");
await signIn.fill("[name=email]", email);
await signIn.fill("[name=password]", password);
await signIn.getByRole("button", { name: "Sign in", exact: true }).click();
await signIn.waitForURL("**/console**");
await signIn.close();

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
console.log("| page | HTML, kB packed | first byte | first paint | usable: median (range) | shift |");
console.log("| --- | --- | --- | --- | --- | --- |");
for (const path of pages) {
  const rounds = [];
  for (let i = 0; i < ROUNDS; i++) {
    const page = await context.newPage();
    await page.goto(path, { waitUntil: "load" });
    await page.waitForFunction(() => globalThis.seen.usable > 0);
    // What comes late moves the page late.
    await page.waitForLoadState("networkidle");
    rounds.push(
      await page.evaluate(() => {
        const [navigation] = performance.getEntriesByType("navigation");
        const [paint] = performance.getEntriesByName("first-contentful-paint");
        return {
          size: navigation.transferSize,
          first: navigation.responseStart,
          paint: paint?.startTime ?? 0,
          usable: globalThis.seen.usable,
          shift: globalThis.seen.shift,
        };
      }),
    );
    await page.close();
  }
  const of = (name) => rounds.map((round) => round[name]);
  const usable = of("usable").sort((a, b) => a - b);
  console.log(
    `| ${path} | ${(median(of("size")) / 1000).toFixed(0)} | ${median(of("first")).toFixed(0)} | ` +
      `${median(of("paint")).toFixed(0)} | ${median([...usable]).toFixed(0)} (${usable[0].toFixed(0)} to ` +
      `${usable.at(-1).toFixed(0)}) | ${Math.max(...of("shift")).toFixed(4)} |`,
  );
}
await browser.close();

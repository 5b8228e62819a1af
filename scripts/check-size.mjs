// The first load of the console: WASM + JS + CSS as they go over the wire, compressed with brotli.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync } from "node:zlib";

// A promise: docs/decisions/0006.
const LIMIT = 300_000;

const pkg = join(process.argv[2], "pkg");
let total = 0;
for (const name of readdirSync(pkg).sort()) {
  if (!/\.(wasm|js|css)$/.test(name)) continue;
  const path = join(pkg, name);
  let size;
  try {
    size = statSync(`${path}.br`).size;
  } catch {
    size = brotliCompressSync(readFileSync(path)).length;
  }
  total += size;
  console.log(`${String(size).padStart(9)}  ${name}`);
}
console.log(`${String(total).padStart(9)}  of ${LIMIT} bytes`);
if (total === 0) {
  console.error("error: there is nothing in the site's pkg folder");
  process.exit(1);
}
if (total > LIMIT) {
  console.error(`error: the console's first load is ${total - LIMIT} bytes too large`);
  process.exit(1);
}

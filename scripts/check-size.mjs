// What the browser downloads, compressed with brotli: the first load of /console (WASM + JS + CSS), and what going to
// each area adds to it.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync } from "node:zlib";

// Promises: docs/decisions/0006.
const FIRST_LOAD = 300_000;
const AREA = 130_000;

const pkg = join(process.argv[2], "pkg");
const names = readdirSync(pkg).sort();

function packed(name) {
  const path = join(pkg, name);
  try {
    return statSync(`${path}.br`).size;
  } catch {
    return brotliCompressSync(readFileSync(path)).length;
  }
}

const line = (size, text) => console.log(`${String(size).padStart(9)}  ${text}`);
let failed = false;
function bound(size, limit, what) {
  line(size, `of ${limit} bytes: ${what}`);
  if (size <= limit) return;
  console.error(`error: ${what} is ${size - limit} bytes too large`);
  failed = true;
}

// What belongs to an area stands in the splitter's list; everything else is loaded at once.
const manifest = names.find((name) => /^__wasm_split_manifest\b.*\.json$/.test(name));
if (!manifest) throw new Error("the site's pkg folder has no list of areas: was it built with --split?");
const areas = Object.entries(JSON.parse(readFileSync(join(pkg, manifest), "utf8")));
const later = new Set(areas.flatMap(([, files]) => files.map((file) => `${file}.wasm`)));

let first = 0;
for (const name of names) {
  if (!/\.(wasm|js|css)$/.test(name) || later.has(name)) continue;
  const size = packed(name);
  first += size;
  line(size, name);
}
if (first === 0) throw new Error("there is nothing in the site's pkg folder");
bound(first, FIRST_LOAD, "the console's first load");
for (const [area, files] of areas) {
  bound(
    files.reduce((sum, file) => sum + packed(`${file}.wasm`), 0),
    AREA,
    `more for the area ${area}`,
  );
}
process.exit(failed ? 1 : 0);

// Empties functions of a WebAssembly module by name: each becomes a trap. What only they called goes with the
// next pass that removes dead code.
//   node snip.mjs PATTERN FILE…     in place; a function goes when its name matches the regular expression
//
// Functions of the same code become one, with the name of any of them. What is small may be somebody else's too, so it
// stays.
import { readFileSync, writeFileSync } from "node:fs";

const IMPORT = 2;
const CODE = 10;
const CUSTOM = 0;
const FUNCTION_NAMES = 1;
// No locals, `unreachable`, `end`.
const TRAP = Buffer.from([0x00, 0x00, 0x0b]);

const SMALL = 100;

const [pattern, ...files] = process.argv.slice(2);
const unwanted = new RegExp(pattern);
/** The file at hand. */
let wasm;

/** Reads an unsigned LEB128 number; answers it and where it ends. */
function number(at) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = wasm[at++];
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return [value, at];
  }
}

function encode(value) {
  const bytes = [];
  do {
    const low = value % 128;
    value = Math.floor(value / 128);
    bytes.push(value > 0 ? low | 0x80 : low);
  } while (value > 0);
  return Buffer.from(bytes);
}

function text(at) {
  const [length, start] = number(at);
  return [wasm.toString("utf8", start, start + length), start + length];
}

function sections() {
  const all = [];
  for (let at = 8; at < wasm.length; ) {
    const [size, start] = number(at + 1);
    all.push({ id: wasm[at], begin: at, start, end: start + size });
    at = start + size;
  }
  return all;
}

/** Functions that come from outside have the first numbers. */
function importedFunctions({ start }) {
  let functions = 0;
  let [left, at] = number(start);
  const limits = () => {
    const hasMost = wasm[at++] & 1;
    [, at] = number(at);
    if (hasMost) [, at] = number(at);
  };
  for (; left > 0; left--) {
    [, at] = text(at);
    [, at] = text(at);
    const kind = wasm[at++];
    if (kind === 0) {
      functions++;
      [, at] = number(at);
    } else if (kind === 1) {
      at++;
      limits();
    } else if (kind === 2) {
      limits();
    } else if (kind === 3) {
      at += 2;
    } else {
      throw new Error(`an import of the unknown kind ${kind}`);
    }
  }
  return functions;
}

function functionNames(all) {
  const names = new Map();
  for (const { id, start, end } of all) {
    if (id !== CUSTOM) continue;
    let [name, at] = text(start);
    if (name !== "name") continue;
    while (at < end) {
      const kind = wasm[at];
      const [size, begin] = number(at + 1);
      at = begin + size;
      if (kind !== FUNCTION_NAMES) continue;
      let [left, inside] = number(begin);
      for (; left > 0; left--) {
        let index;
        [index, inside] = number(inside);
        [name, inside] = text(inside);
        names.set(index, name);
      }
    }
  }
  return names;
}

/** Empties what is unwanted; answers how many bytes of code went. */
function snip(file) {
  wasm = readFileSync(file);
  const all = sections();
  const names = functionNames(all);
  const own = all.find(({ id }) => id === CODE);
  // A part may be nothing but data that others share.
  if (!own || number(own.start)[0] === 0) return 0;
  if (names.size === 0) throw new Error(`${file} has no names: there is nothing to choose functions by`);
  const imports = all.find(({ id }) => id === IMPORT);
  const first = imports ? importedFunctions(imports) : 0;
  let snipped = 0;
  const out = [wasm.subarray(0, 8)];
  for (const { id, begin, start, end } of all) {
    if (id !== CODE) {
      out.push(wasm.subarray(begin, end));
      continue;
    }
    let [count, at] = number(start);
    const code = [encode(count)];
    for (let index = first; index < first + count; index++) {
      const [size, body] = number(at);
      const name = names.get(index) ?? "";
      if (size >= SMALL && unwanted.test(name)) {
        snipped += size;
        code.push(encode(TRAP.length), TRAP);
      } else {
        code.push(wasm.subarray(at, body + size));
      }
      at = body + size;
    }
    const bytes = Buffer.concat(code);
    out.push(Buffer.from([CODE]), encode(bytes.length), bytes);
  }
  writeFileSync(file, Buffer.concat(out));
  return snipped;
}

let snipped = 0;
for (const file of files) snipped += snip(file);
// A pattern that finds nothing has gone stale.
if (snipped === 0) throw new Error(`no function's name matches ${pattern}`);
console.log(`snipped ${snipped} bytes of code`);

// Runs the public cache test suite (npm http-cache-tests) against an API that has a cache policy:
//   node run.mjs PACKAGE BASE KEY
// PACKAGE is the folder of the suite, BASE the address below which its server is reached, KEY an API key. Fails when
// a required test fails that nginx, Varnish or Apache pass by the results that come with the suite, or when one of
// them passes as many optional tests. With TEST=id only that test runs, and says what was sent.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const [folder, base, key] = process.argv.slice(2)
if (!key) {
  console.error('usage: node run.mjs PACKAGE BASE KEY')
  process.exit(2)
}
const suite = path.resolve(folder)
const load = (file) => import(pathToFileURL(path.join(suite, file)).href)

// What the suite expected once, and the standard has since decided otherwise.
const SUPERSEDED = {
  'age-parse-float': 'RFC 9111, 5.1: an Age that is no number is ignored'
}
const PEERS = ['nginx', 'varnish', 'apache']

const { runTests, getResults } = await load('client/runner.mjs')
const all = [...(await load('tests/index.mjs')).default, (await load('tests/surrogate-control.mjs')).default]
const fetch = createRequire(path.join(suite, 'package.json'))('node-fetch')

const withKey = (url, init = {}) => {
  const headers = Array.isArray(init.headers) ? [...init.headers] : Object.entries(init.headers ?? {})
  headers.push(['X-API-Key', key])
  // Chunks of 100 tests run at once: each on a connection of its own would be refused by no one, but slower.
  return fetch(url, { ...init, headers, redirect: init.redirect ?? 'follow' })
}

const only = process.env.TEST
const tests = []
for (const set of all) {
  for (const test of set.tests) {
    if (test.browser_only) continue
    if (only && test.id !== only) continue
    if (only) test.dump = true
    tests.push({ ...test, kind: test.kind ?? 'required' })
  }
}
const chosen = only
  ? all.map((set) => ({ ...set, tests: set.tests.filter((test) => test.id === only) }))
  : all
await runTests(chosen, withKey, false, base)
const ours = getResults()

const byId = new Map(tests.map((test) => [test.id, test]))
const passes = (results, id) => results[id] === true
// A test says something only if those it builds on are passed.
const counts = (results, id) => {
  const test = byId.get(id)
  return passes(results, id) && (test.depends_on ?? []).every((other) => !byId.has(other) || counts(results, other))
}
const score = (results, kind) => tests.filter((test) => test.kind === kind && counts(results, test.id)).length

const peers = new Map(
  PEERS.map((name) => [name, JSON.parse(readFileSync(path.join(suite, 'results', `${name}.json`), 'utf8'))])
)
const problems = []
for (const test of tests) {
  const result = ours[test.id]
  if (passes(ours, test.id)) continue
  const better = PEERS.filter((name) => counts(peers.get(name), test.id))
  const why = Array.isArray(result) ? result.join(': ') : 'did not run'
  if (test.kind !== 'check' || only) console.log(`${test.kind}: ${test.id} (${better.join(', ') || 'none of the peers'}): ${why}`)
  if (test.kind === 'required' && better.length > 0) {
    if (SUPERSEDED[test.id]) console.log(`  superseded: ${SUPERSEDED[test.id]}`)
    else problems.push(`${test.id} fails, and ${better.join(', ')} pass it`)
  }
}
if (only) process.exit(passes(ours, only) ? 0 : 1)

const total = (kind) => tests.filter((test) => test.kind === kind).length
const line = (name, results) =>
  console.log(
    `${name}: required ${score(results, 'required')} of ${total('required')}, ` +
      `optional ${score(results, 'optimal')} of ${total('optimal')}`
  )
for (const [name, results] of peers) {
  line(name, results)
  if (score(results, 'optimal') >= score(ours, 'optimal')) problems.push(`${name} passes as many optional tests`)
}
line('apiverse', ours)
for (const problem of problems) console.error(`error: ${problem}`)
process.exit(problems.length === 0 ? 0 : 1)

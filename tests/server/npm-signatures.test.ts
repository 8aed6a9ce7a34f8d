// npm audit signatures against the server: npm itself installs, and checks what it has installed.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { sql } from '../../src/db/index.ts'
import { runProcess, TempFolder } from '../support/git.ts'
import { TestNpm } from '../support/npm-registry.ts'

const found = await runProcess('npm', ['--version']).catch(() => null)
const major = Number(found?.stdout.split('.')[0] ?? 0)
const options = major >= 10 ? {} : { skip: found === null ? 'npm is not installed' : `npm ${found.stdout.trim()} is older than 10` }

let npm: TestNpm
let folder: TempFolder
before(async () => {
  npm = await TestNpm.open()
  folder = new TempFolder('npm-signatures')
  writeFileSync(folder.join('no-tuf.cjs'), noTuf)
})
after(async () => {
  await npm?.close()
  folder?.remove()
})

/** npm asks Sigstore's repository for keys of the registry before it asks the registry, and tests reach no such place: this is what it says of a registry that it doesn't know. */
const noTuf = `
const Module = require('node:module')
const load = Module._load
const getTarget = async () => { throw Object.assign(new Error('not found'), { code: 'TUF_FIND_TARGET_ERROR' }) }
Module._load = (name, ...more) => (name === '@sigstore/tuf' ? { initTUF: async () => ({ getTarget }) } : load(name, ...more))
`

let homes = 0
/** With a cache of its own, that nothing is in. */
function home(): Record<string, string> {
  const at = folder.join(`home-${homes++}`)
  mkdirSync(at)
  const base = `${npm.url.replace(/^http:/, '')}/npm/olive/`
  writeFileSync(
    `${at}/npmrc`,
    `registry=http:${base}\n${base}:_authToken=${npm.olive.token}\nupdate-notifier=false\nfund=false\naudit=false\n`,
  )
  const own = Object.fromEntries(
    Object.entries(process.env).flatMap(([key, value]) => (value === undefined || /^npm_/i.test(key) ? [] : [[key, value] as const])),
  )
  return {
    ...own,
    HOME: at,
    npm_config_userconfig: `${at}/npmrc`,
    npm_config_cache: `${at}/cache`,
    NODE_OPTIONS: `--require ${folder.join('no-tuf.cjs')}`,
  }
}

function run(cwd: string, ...args: readonly string[]) {
  return runProcess('npm', args, { cwd, env: home(), timeoutMs: 300_000 })
}

test('signatures are verified of what npm has installed, and forged ones are told', options, async () => {
  for (const [name, more] of [
    ['signed-below', {}],
    ['@olive/signed', { dependencies: { 'signed-below': '^1.0.0' } }],
  ] as const)
    assert.equal((await npm.publish({ name, version: '1.0.0', more })).status, 201)
  const work = folder.join('work')
  mkdirSync(work)
  writeFileSync(`${work}/package.json`, JSON.stringify({ name: 'app', version: '1.0.0', dependencies: { '@olive/signed': '1.0.0' } }))
  const installed = await run(work, 'install')
  assert.equal(installed.code, 0, installed.stderr)
  const good = await run(work, 'audit', 'signatures')
  assert.equal(good.code, 0, `${good.stdout}${good.stderr}`)
  assert.match(good.stdout, /2 packages have verified registry signatures/)

  await sql`update npm_signature set signature = (select s.signature from npm_signature s where s.version_id <> npm_signature.version_id limit 1)
    where version_id = (select v.id from package_version v join package p on p.id = v.package_id where p.name = 'signed-below')`.execute(
    npm.faces.db.queries,
  )
  await sql`update npm_package set revision = revision + 1`.execute(npm.faces.db.queries)
  const bad = await run(work, 'audit', 'signatures')
  assert.equal(bad.code, 1)
  assert.match(bad.stdout, /1 package has an invalid registry signature:\s+signed-below@1\.0\.0/)
})

// npm itself against the server: what its publish, dist-tag, deprecate and unpublish make of a package, as its user sees it.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { runProcess, TempFolder } from '../support/git.ts'
import { TestNpm } from '../support/npm-registry.ts'
import { noise } from '../support/seeded.ts'

const found = await runProcess('npm', ['--version']).catch(() => null)
const major = Number(found?.stdout.split('.')[0] ?? 0)
const options = major >= 10 ? {} : { skip: found === null ? 'npm is not installed' : `npm ${found.stdout.trim()} is older than 10` }

let npm: TestNpm
let folder: TempFolder
before(async () => {
  npm = await TestNpm.open()
  folder = new TempFolder('npm-publish')
})
after(async () => {
  await npm?.close()
  folder?.remove()
})

/** A home with Olive's token, where only her registry is known. */
function home(): Record<string, string> {
  const at = npm.url.replace(/^http:/, '')
  const userconfig = folder.join('npmrc')
  writeFileSync(
    userconfig,
    `registry=${npm.url}/npm/olive/\n${at}/npm/olive/:_authToken=${npm.olive.token}\nupdate-notifier=false\nfund=false\naudit=false\n`,
  )
  const own = Object.fromEntries(
    Object.entries(process.env).flatMap(([key, value]) => (value === undefined || /^npm_/i.test(key) ? [] : [[key, value] as const])),
  )
  return { ...own, HOME: folder.join('home'), npm_config_userconfig: userconfig, npm_config_cache: folder.join('cache') }
}

async function run(cwd: string, ...args: readonly string[]) {
  return runProcess('npm', args, { cwd, env: home(), timeoutMs: 300_000 })
}

async function good(cwd: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(cwd, ...args)
  assert.equal(code, 0, `npm ${args.join(' ')}\n${stdout}${stderr}`)
  return stdout
}

function writePackage(name: string, version: string, files: Readonly<Record<string, string | Uint8Array>> = {}): string {
  const at = folder.join(`${name.replace('/', '-')}-${version}`)
  mkdirSync(at, { recursive: true })
  const all = {
    'package.json': JSON.stringify({ name, version, license: 'MIT', main: 'index.js' }),
    'index.js': 'module.exports = 7\n',
    'README.md': '# Here\n',
    ...files,
  }
  for (const [file, text] of Object.entries(all)) writeFileSync(`${at}/${file}`, text)
  return at
}

const state = async (name: string) => {
  const [{ tags, versions } = { tags: {}, versions: {} }] = await npm.rows<{ tags: unknown; versions: unknown }>(`
    select (select json_object_agg(t.tag, v.version) from npm_tag t join package_version v on v.id = t.version_id where t.package_id = p.id) as tags,
      (select json_object_agg(v.version, n.deprecated) from package_version v join npm_version n on n.version_id = v.id where v.package_id = p.id) as versions
    from package p where p.format = 'npm' and p.name = '${name}'`)
  return { tags, versions }
}

test('npm publishes, tags, deprecates and unpublishes', options, async () => {
  const name = '@olive/tool'
  await good(writePackage(name, '1.0.0'), 'publish')
  await good(writePackage(name, '1.1.0'), 'publish', '--access', 'public')
  const last = writePackage(name, '2.0.0-beta.1')
  await good(last, 'publish', '--tag', 'next')
  assert.deepEqual(await state(name), {
    tags: { latest: '1.1.0', next: '2.0.0-beta.1' },
    versions: { '1.0.0': null, '1.1.0': null, '2.0.0-beta.1': null },
  })
  const again = await run(last, 'publish', '--tag', 'next')
  assert.notEqual(again.code, 0)
  assert.match(again.stderr, /You cannot publish over the previously published versions/)

  await good(folder.path, 'dist-tag', 'add', `${name}@1.0.0`, 'stable')
  assert.match(await good(folder.path, 'dist-tag', 'ls', name), /latest: 1\.1\.0\nnext: 2\.0\.0-beta\.1\nstable: 1\.0\.0/)
  await good(folder.path, 'dist-tag', 'rm', name, 'stable')

  await good(folder.path, 'deprecate', `${name}@<1.1`, 'use 1.1 or later')
  assert.deepEqual((await state(name)).versions, { '1.0.0': 'use 1.1 or later', '1.1.0': null, '2.0.0-beta.1': null })
  await good(folder.path, 'deprecate', `${name}@1.0.0`, '')
  assert.deepEqual((await state(name)).versions, { '1.0.0': null, '1.1.0': null, '2.0.0-beta.1': null })

  await good(folder.path, 'unpublish', `${name}@1.1.0`)
  // npm says itself what `latest` is then: the highest of all
  const left = { tags: { latest: '2.0.0-beta.1', next: '2.0.0-beta.1' }, versions: { '1.0.0': null, '2.0.0-beta.1': null } }
  assert.deepEqual(await state(name), left)
  const removed = await run(folder.join('@olive-tool-1.1.0'), 'publish', '--tag', 'old')
  assert.match(removed.stderr, /never comes again/)
  await good(folder.path, 'unpublish', name, '--force')
  assert.deepEqual(await npm.rows(`select name from package where name = '${name}'`), [])
})

test('npm publishes a package of many megabytes', options, async () => {
  const at = writePackage('many-megabytes', '1.0.0', { 'noise.bin': noise(9, 20 << 20) })
  await good(at, 'publish')
  const [row] = await npm.rows<{ size_bytes: number }>(`select size_bytes from package_file where name = 'many-megabytes-1.0.0.tgz'`)
  assert.ok((row?.size_bytes ?? 0) > 20 << 20)
})

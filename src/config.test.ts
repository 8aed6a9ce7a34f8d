// The configuration: where values come from, which one wins, and what a mistake is told.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { parse } from 'yaml'
import { InputError } from './base/index.ts'
import { listSettings } from './config-settings.ts'
import { type ConfigSources, loadConfig } from './config.ts'

const folder = mkdtempSync(join(tmpdir(), 'stemma-config-'))
after(() => rmSync(folder, { recursive: true }))

const s3Environment = {
  STEMMA_BUCKET_S3_ENDPOINT: 'http://h:8000/',
  STEMMA_BUCKET_S3_BUCKET: 'b',
  STEMMA_BUCKET_S3_ACCESS_KEY_ID: 'k',
  STEMMA_BUCKET_S3_SECRET_ACCESS_KEY: 's',
}

function fileOf(content: string): string {
  const path = join(folder, `${Math.trunc(performance.now() * 1000)}.yaml`)
  writeFileSync(path, content)
  return path
}

function complaint(sources: ConfigSources): string {
  try {
    loadConfig({ environment: {}, ...sources })
  } catch (error) {
    assert.ok(error instanceof InputError && error.code === 'config', String(error))
    return error.message
  }
  return assert.fail('it was taken')
}

test('the defaults', () => {
  const config = loadConfig({ environment: {} })
  assert.deepEqual(config.listen, { host: '127.0.0.1', port: 8080 })
  assert.equal(config.data, resolve('data'))
  assert.deepEqual(config.bucket, { kind: 'filesystem', folder: resolve('data/bucket') })
  assert.equal(config.cache.folder, resolve('data/cache'))
  assert.equal(config.git.tailBytes, 262_144)
  assert.equal(config.limits.requestTimeoutMs, 3_600_000)
  assert.ok(config.workers.count >= 1)
})

test('config.example.yaml has every key, with its default, and each is explained', () => {
  const path = resolve(import.meta.dirname, '../config.example.yaml')
  assert.deepEqual(loadConfig({ file: path, environment: {} }), loadConfig({ environment: {} }))
  const leaves = (value: unknown, key: string): string[] =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.entries(value).flatMap(([name, inner]) => leaves(inner, key === '' ? name : `${key}.${name}`))
      : [key]
  assert.deepEqual(
    leaves(parse(readFileSync(path, 'utf8')), ''),
    listSettings().map((named) => named.key),
  )
})

test('command line beats environment beats file beats default', () => {
  const file = fileOf('listen: 1.1.1.1:1\nlog: { level: warn }\ngit: { tailBytes: 1KiB }\nlimits:\n  idleTimeoutMs: 5s\n')
  const environment = { STEMMA_LISTEN: '2.2.2.2:2', STEMMA_LOG_LEVEL: 'error', ...s3Environment }
  const config = loadConfig({ file, environment, flags: { listen: '[::1]:3', data: undefined } })
  assert.deepEqual(config.listen, { host: '::1', port: 3 })
  assert.equal(config.log.level, 'error')
  assert.equal(config.git.tailBytes, 1024)
  assert.equal(config.limits.idleTimeoutMs, 5000)
  assert.ok(
    config.bucket.kind === 's3' &&
      config.bucket.accessKeyId === 'k' &&
      config.bucket.endpoint === 'http://h:8000' &&
      config.bucket.pathStyle,
  )
})

test('DATABASE_URL, and STEMMA_DATABASE_URL before it; empty variables count as unset', () => {
  assert.equal(loadConfig({ environment: { DATABASE_URL: 'postgres://a@b/c' } }).database.url, 'postgres://a@b/c')
  assert.equal(
    loadConfig({ environment: { STEMMA_DATABASE_URL: 'postgres://x@y/z', DATABASE_URL: 'postgres://a@b/c' } }).database.url,
    'postgres://x@y/z',
  )
  assert.equal(loadConfig({ environment: { DATABASE_URL: '', STEMMA_LISTEN: '' } }).database.url, null)
  assert.equal(
    loadConfig({ environment: { DATABASE_URL: 'postgresql://u:p@/db?host=%2Frun' } }).database.url,
    'postgresql://u:p@/db?host=%2Frun',
  )
})

test('mistakes name key, value, place and what is allowed', () => {
  assert.match(complaint({ file: fileOf('lissten: 1') }), /unknown key 'lissten' in .*known here: listen, data/)
  assert.match(complaint({ file: fileOf('bucket:\n  s3:\n    endpont: x') }), /unknown key 'bucket\.s3\.endpont' .*bucket\.s3\.endpoint/)
  assert.match(complaint({ file: fileOf('bucket: 7') }), /bucket: 7 .* must be a mapping/)
  assert.match(complaint({ file: fileOf('a: [') }), /is not YAML: .*[^:]$/)
  assert.match(complaint({ file: join(folder, 'none.yaml') }), /cannot be read/)
  assert.match(complaint({ environment: { STEMMA_LISTN: 'x' } }), /unknown environment variable STEMMA_LISTN/)
  assert.match(
    complaint({ environment: { STEMMA_LISTEN: 'x:y' } }),
    /^listen: "x:y" in the environment variable STEMMA_LISTEN must be HOST:PORT/,
  )
  assert.match(complaint({ flags: { listen: 'a:99999' } }), /^listen: "a:99999" of --listen must be HOST:PORT/)
  assert.match(complaint({ file: fileOf('git: { tailBytes: many }') }), /git\.tailBytes: "many" .* must be a size/)
  assert.match(complaint({ file: fileOf('git: { tailBytes: -1 }') }), /git\.tailBytes: -1 .* must be a size/)
  assert.match(complaint({ file: fileOf('log: { level: loud }') }), /log\.level: "loud" .* one of trace, debug/)
  assert.match(complaint({ file: fileOf('database: { migrate: perhaps }') }), /true or false/)
  assert.match(complaint({ file: fileOf('database: { poolSize: 1 }') }), /whole number from 2 to 1000/)
  assert.match(complaint({ file: fileOf('drainTimeoutMs: 99d') }), /from 0 to 24d/)
  assert.match(complaint({ file: fileOf('git: { collectGraceMs: 14 }') }), /from 1h to 3660d/)
  assert.match(complaint({ file: fileOf('publicUrl: https://a.example/b') }), /without a path/)
  assert.match(complaint({ file: fileOf('listen: null') }), /listen: null/)
})

test('a secret that is wrong is not shown', () => {
  assert.equal(complaint({ environment: { DATABASE_URL: 'mysql://u:hunter2@h/d' } }).includes('hunter2'), false)
})

test('an administrator token that can be guessed, or that HTTP garbles, is refused with what to do', () => {
  for (const token of [
    'short',
    'a'.repeat(19),
    'with space in the middle',
    'tab\tinside-of-a-long-token',
    'ümlaut-ümlaut-ümlaut',
    'a'.repeat(256),
  ])
    assert.match(complaint({ environment: { STEMMA_ADMIN_TOKEN: token } }), /^adminToken: the value .* 20 to 255 .* openssl rand/)
  assert.match(complaint({ file: fileOf('adminToken: 12345678901234567890') }), /^adminToken: the value/)
  assert.equal(loadConfig({ environment: { STEMMA_ADMIN_TOKEN: 'a'.repeat(20) } }).adminToken, 'a'.repeat(20))
})

test('contradictions', () => {
  assert.match(complaint({ environment: { STEMMA_BUCKET_S3_ENDPOINT: 'http://h' } }), /which bucket/)
  const both = { STEMMA_BUCKET_S3_BUCKET: 'b', STEMMA_BUCKET_S3_ENDPOINT: 'http://h', STEMMA_BUCKET_FILESYSTEM_FOLDER: '/f' }
  assert.match(complaint({ environment: both }), /choose one/)
  assert.match(complaint({ environment: { STEMMA_BUCKET_S3_BUCKET: 'b', STEMMA_BUCKET_S3_ACCESS_KEY_ID: 'k' } }), /are needed too/)
})

test('redirects need a bucket that clients reach', () => {
  const redirect = { STEMMA_REGISTRY_REDIRECT: 'public' }
  for (const environment of [redirect, { ...redirect, ...s3Environment }]) {
    assert.match(complaint({ environment }), /^registry\.redirect is public, so .*bucket\.s3\.publicEndpoint/)
  }
  const reached = { ...redirect, ...s3Environment, STEMMA_BUCKET_S3_PUBLIC_ENDPOINT: 'https://s3.example.org' }
  assert.equal(loadConfig({ environment: reached }).registry.redirect, 'public')
  assert.match(complaint({ environment: { STEMMA_BUCKET_S3_PUBLIC_ENDPOINT: 'https://s3.example.org' } }), /which bucket/)
})

test('hosts are a list, or a text with commas; a key is long', () => {
  const of = (file: string) => loadConfig({ file: fileOf(file), environment: {} }).outbound.allowPrivate
  assert.deepEqual(of('outbound: { allowPrivate: [10.0.0.0/8, ci.internal, "::1"] }'), ['10.0.0.0/8', 'ci.internal', '::1'])
  const environment = { STEMMA_OUTBOUND_ALLOW_PRIVATE: '127.0.0.1, fd00::/8' }
  assert.deepEqual(loadConfig({ environment }).outbound.allowPrivate, ['127.0.0.1', 'fd00::/8'])
  for (const bad of ['10.0.0.0/99', 'a b', '"http://x"', '[[1]]', '{ a: 1 }', 'true', '[false]']) {
    assert.throws(() => of(`outbound: { allowPrivate: ${bad} }`), { code: 'config', message: /a list of networks/ }, bad)
  }
  const key = 'k'.repeat(32)
  assert.equal(loadConfig({ environment: { STEMMA_SECRET_KEY: key } }).secretKey, key)
  assert.throws(
    () => loadConfig({ environment: { STEMMA_SECRET_KEY: 'short' } }),
    (error: Error) => !error.message.includes('short'),
  )
})

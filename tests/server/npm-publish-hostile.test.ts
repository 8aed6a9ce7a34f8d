// Publishes that are made to do harm, or that other registries take: each is refused with a clear word, and nothing is stored of it.
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { utf8 } from '../../src/base/index.ts'
import { npmDocument, type Published } from '../support/npm-documents.ts'
import { TestNpm } from '../support/npm-registry.ts'
import { noise } from '../support/seeded.ts'
import { paxMember, tarMember, tarOf } from '../support/tar.ts'
import { TestSigstore } from '../support/sigstore.ts'
import { until } from '../support/until.ts'

let npm: TestNpm
before(async () => {
  npm = await TestNpm.open({ environment: { STEMMA_LIMITS_NPM_TARBALL_BYTES: '8MiB', STEMMA_LIMITS_NPM_UNPACKED_BYTES: '64MiB' } })
})
after(async () => await npm?.close())

/** Not a row, a key or a package is left of what was refused. */
afterEach(async () => {
  for (const table of [
    'package',
    'package_version',
    'package_file',
    'npm_version',
    'content_reference',
    'content',
    'upload_intent',
    'whole_part',
    'outbox',
  ]) {
    assert.deepEqual(await npm.rows(`select * from ${table}`), [], table)
  }
})

const plain = { name: 'evil', version: '1.0.0' }

async function refused(body: string | Uint8Array, status: number, what: RegExp): Promise<void> {
  const answer = await npm.ask('PUT', 'olive/evil', { body })
  assert.equal(answer.status, status, answer.error)
  assert.match(answer.error ?? '', what)
}

const publishRefused = (more: Partial<Published>, status: number, what: RegExp) =>
  refused(npmDocument({ ...plain, ...more }).body, status, what)
/** The document with its text changed. */
const changed = (change: (text: string) => string, more: Partial<Published> = {}) => change(npmDocument({ ...plain, ...more }).body)
const packed = (...members: Uint8Array[]) =>
  gzipSync(tarOf(tarMember({ name: 'package/package.json', body: utf8(JSON.stringify(plain)) }), ...members))

describe('what Verdaccio 6.8 takes', () => {
  test('a forged integrity', async () => {
    await publishRefused({ dist: { integrity: `sha512-${Buffer.alloc(64).toString('base64')}` } }, 400, /dist\.integrity .* is another/)
    await publishRefused({ dist: { shasum: '0'.repeat(40) } }, 400, /dist\.shasum .* is another/)
  })

  test('a tarball that is no gzip', async () => {
    await publishRefused({ tarball: utf8('no tarball at all') }, 400, /not a gzip archive/)
    await publishRefused({ tarball: noise(1, 100_000) }, 400, /not a gzip archive/)
  })

  test('a wrong length', async () => {
    await publishRefused({ length: 3 }, 400, /its attachment says 3/)
    await publishRefused({ length: 1e12 }, 400, /its attachment says/)
  })

  test('another package inside than outside', async () => {
    const tarball = gzipSync(tarOf(tarMember({ name: 'package/package.json', body: utf8('{"name":"victim","version":"1.0.0"}') })))
    await publishRefused({ tarball }, 400, /holds victim@1\.0\.0, not evil@1\.0\.0/)
  })
})

describe('bombs', () => {
  test('of base64: more than a tarball may have, not base64, cut off', async () => {
    await publishRefused({ tarball: packed(tarMember({ name: 'package/noise', body: noise(2, 9 << 20) })) }, 413, /larger than/)
    await refused(
      changed((text) => text.replace(/"data":"..../, '"data":"!!!!')),
      400,
      /not base64/,
    )
    await refused(
      changed((text) => text.replace(/"data":"[^"]*"/, '"data":""')),
      400,
      /not a gzip archive/,
    )
    await refused(
      changed((text) => text.slice(0, text.indexOf('"data":"') + 100)),
      400,
      /within its tarball|not JSON/,
    )
  })

  test('of JSON: too deep, too many keys, too large, twice the same, not JSON', async () => {
    await refused(`{"a":${'['.repeat(500_000)}`, 400, /in each other/)
    await refused(`{${Array.from({ length: 250_000 }, (_, n) => `"${n}":0`).join()}}`, 400, /more than 200000 keys/)
    await refused(`{"readme":"${'r'.repeat(5 << 20)}"}`, 413, /more than 4194304 bytes/)
    await refused(
      changed((text) => text.replace('{"_id"', '{"name":"evil","_id"')),
      400,
      /twice/,
    )
    await refused('null', 400, /no object/)
    await refused(
      changed((text) => `${text}}`),
      400,
      /not JSON/,
    )
    await refused(gzipSync('x'.repeat(1000)), 400, /not JSON/)
  })

  test('of gzip: a tarball that unpacks to a thousand times its size', async () => {
    await publishRefused(
      { tarball: packed(tarMember({ name: 'package/zeros', body: new Uint8Array(70 << 20) })) },
      400,
      /unpacks to more than/,
    )
  })

  test('of a tarball: more than 10⁵ files', async () => {
    const member = tarMember({ name: 'package/x' })
    const tarball = packed(Buffer.concat(Array.from({ length: 100_000 }, () => member)))
    const pauses: number[] = []
    let last = performance.now()
    const watch = setInterval(() => {
      pauses.push(performance.now() - last)
      last = performance.now()
    }, 1)
    await publishRefused({ tarball }, 400, /more than 100000 files/)
    clearInterval(watch)
    assert.ok(pauses.length > 20, 'the event loop went on meanwhile')
  })
})

describe('tarballs', () => {
  test('that lead out of their folder', async () => {
    for (const name of ['package/../../../etc/cron.d/x', '/etc/passwd', '../x', 'C:\\windows\\x']) {
      await publishRefused({ tarball: packed(tarMember({ name })) }, 400, /leads out|begins at the root/)
    }
    await publishRefused({ tarball: packed(paxMember({ path: 'package/../../x' }), tarMember({})) }, 400, /leads out/)
  })

  test('with links and devices', async () => {
    for (const [type, what] of Object.entries({ '1': /hard link/, '2': /symbolic link/, '3': /device/, '4': /device/, '6': /pipe/ })) {
      await publishRefused({ tarball: packed(tarMember({ name: 'package/x', type, link: '/etc/passwd' })) }, 400, what)
    }
  })

  test('with names that are not text', async () => {
    await publishRefused(
      { tarball: packed(tarMember({ name: 'package/x', patch: (block) => block.writeUInt8(0xfe, 8) })) },
      400,
      /not UTF-8/,
    )
  })

  test('without package.json, or with two', async () => {
    await publishRefused({ tarball: gzipSync(tarOf(tarMember({ name: 'package/index.js' }))) }, 400, /no package\.json/)
    await publishRefused({ tarball: packed(tarMember({ name: 'package/PACKAGE.json' })) }, 400, /twice/)
  })
})

describe('documents', () => {
  test('with keys that lead to prototypes', async () => {
    await refused(
      changed((text) => text.replace('"access"', '"__proto__":{"isAdmin":true},"access"')),
      400,
      /__proto__/,
    )
    await refused(
      changed((text) => text.replace('"license"', '"\\u005f_proto__":{"x":1},"license"')),
      400,
      /__proto__/,
    )
    await refused('{"name":"evil","versions":{"__proto__":{"version":"1.0.0"}}}', 400, /__proto__/)
    await refused(
      changed((text) => text.replace('"versions":{"1.0.0"', '"versions":{"constructor"')),
      400,
      /no version/,
    )
    assert.equal(({} as { isAdmin?: boolean }).isAdmin, undefined)
  })

  test('about another package, version or tag', async () => {
    await refused(npmDocument({ name: 'other', version: '1.0.0' }).body, 400, /about "other"/)
    await publishRefused({ version: '1.0' }, 400, /no version/)
    await publishRefused({ version: `1.0.0-${'a'.repeat(300)}` }, 400, /no version/)
    await publishRefused({ tag: '1.x' }, 400, /SemVer range/)
  })

  test('with a bundle that is none, or about something else', async () => {
    await publishRefused({ bundle: '{}' }, 400, /provenance bundle/)
    await publishRefused({ bundle: new TestSigstore().provenance({ ...plain, tarball: utf8('another') }) }, 400, /another tarball/)
  })

  test('without a tarball, of a package that is not there', async () => {
    const { document } = npmDocument(plain)
    await refused(JSON.stringify({ ...document, _attachments: {} }), 404, /./)
  })
})

test('a client that goes away in the middle leaves nothing', async () => {
  const { body } = npmDocument({ ...plain, files: { x: noise(5, 3 << 20) } })
  const uploads = () => npm.rows('select * from upload_intent')
  let isSent = false
  const half = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      if (!isSent) controller.enqueue(utf8(body.slice(0, body.length / 2)))
      else {
        await until('the upload has begun', async () => (await uploads()).length > 0)
        controller.error(new Error('gone'))
      }
      isSent = true
    },
  })
  const headers = { authorization: `Bearer ${npm.olive.token}` }
  const request = { method: 'PUT', headers, body: half, duplex: 'half' } as RequestInit
  await assert.rejects(fetch(`${npm.url}/npm/olive/evil`, request))
  await until('the server has noticed', async () => (await uploads()).length === 0)
})

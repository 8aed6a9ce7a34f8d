// What is offered and what goes out with it: promisor remotes, packs elsewhere, sections in frames, keep-alives.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InputError } from '../../base/index.ts'
import { pktText } from '../format/pkt-line.ts'
import { readGitSettings } from '../settings/index.ts'
import { formatBundleUris } from './bundle-uri.ts'
import { answerFetch } from './fetch-answer.ts'
import type { FetchEvent } from './fetch.ts'
import { capabilitiesV2, fetchOffer } from './offer.ts'
import { packfileUris } from './packfile-uris.ts'
import { formatPromisors, parseAcceptedPromisors } from './promisor.ts'
import { emptyRequest } from './request.ts'
import { SectionWriter } from './section-writer.ts'

const a = 'a'.repeat(40)
const b = 'b'.repeat(40)
const offerOf = (config: Record<string, string[]>) =>
  fetchOffer(readGitSettings(config, {}), { format: 'sha1', agent: 'x/1', sessionId: 's' })

test('promisor remotes: only sound ones, only where they are advertised, only the fields that are to be sent', () => {
  const remotes = {
    'remote.lop.promisor': ['true'],
    'remote.lop.url': ['https://example.org/l'],
    'remote.by filter.partialclonefilter': ['blob:none'],
    'remote.by filter.url': ['https://example.org/ü'],
    'remote.off.promisor': ['false'],
    'remote.off.url': ['https://example.org/off'],
    'remote.nowhere.promisor': ['true'],
  }
  assert.deepEqual(offerOf(remotes).promisors, [])
  const told = offerOf({ ...remotes, 'promisor.advertise': ['true'], 'promisor.sendfields': ['PartialCloneFilter'] })
  const value = formatPromisors(told.promisors)
  assert.equal(value, 'name=lop,url=https://example.org/l;name=by%20filter,url=https://example.org/%c3%bc,partialCloneFilter=blob:none')
  assert.ok(capabilitiesV2(told).includes(`promisor-remote=${value}`))
  assert.deepEqual(parseAcceptedPromisors('by%20filter;off;lop', told.promisors), ['lop', 'by filter'])
  assert.deepEqual(parseAcceptedPromisors('', told.promisors), [])
})

test('promisor remotes that no line can hold are left out', () => {
  const remotes: Record<string, string[]> = { 'promisor.advertise': ['true'] }
  for (const name of ['first', 'huge', 'last']) {
    remotes[`remote.${name}.promisor`] = ['true']
    remotes[`remote.${name}.url`] = [`https://example.org/${name === 'huge' ? 'x'.repeat(70_000) : name}`]
  }
  assert.deepEqual(
    offerOf(remotes).promisors.map(({ name }) => name),
    ['first', 'last'],
  )
})

test('packs elsewhere: by protocol, and a setting that is none is told in git words', () => {
  const uris = (...values: string[]) => packfileUris(offerOf({ 'uploadpack.blobpackfileuri': values }), ['https', 'ftp'])
  assert.deepEqual(uris(`${a} ${b} https://example.org/a b`, `${b} ${a} http://example.org`, `${'c'.repeat(40)} ${a} httpsx://x`), [
    { oid: a, packHash: b, uri: 'https://example.org/a b' },
  ])
  for (const value of ['', a, `${a} ${b}`, `${a} ${b} `, `${a} x https://y`, `x ${b} https://y`]) {
    assert.throws(
      () => uris(value),
      (error: unknown) => error instanceof InputError && error.message.includes("must be of the form '<object-hash> <pack-hash> <uri>'"),
      value,
    )
  }
  assert.throws(() => uris(`${a} ${b} https://x`, `${a} ${b} https://y`), /has the object twice/)
})

test('bundle settings: values that are empty, or too long for a line, are left out', () => {
  const bundles = [
    ['bundle.version', '1'],
    ['bundle.x.uri', ''],
    ['bundle.y.uri', 'y'.repeat(70_000)],
  ] as const
  assert.equal(pktText(formatBundleUris({ bundles })), '0014bundle.version=10000')
})

test('sections are bare, or framed line by line', () => {
  const write = (framed: boolean) => pktText(new SectionWriter(framed).text('packfile\n').delim().flush().take())
  assert.equal(write(false), '000dpackfile\n00010000')
  assert.equal(write(true), '000e\u0001packfile\n00010000')
})

for (const sidebandAll of [false, true]) {
  test(`while a fetch is planned empty frames go out${sidebandAll ? ', with sideband-all as progress, before any section, too' : ''}`, async () => {
    const empty = sidebandAll ? '0005\u0002' : '0005\u0001'
    const seen: string[] = []
    let heard = Promise.withResolvers<void>()
    const untilHeard = async () => {
      heard = Promise.withResolvers()
      await heard.promise
    }
    async function* slow(): AsyncGenerator<FetchEvent, void, undefined> {
      if (sidebandAll) await untilHeard()
      yield { type: 'preamble', bytes: Buffer.from('000dpackfile\n'), pack: true, key: null }
      await untilHeard()
    }
    const write = (bytes: Uint8Array) => {
      const text = Buffer.from(bytes).toString('latin1')
      seen.push(text)
      if (text === empty) heard.resolve()
      return undefined
    }
    const request = { ...emptyRequest(2), sidebandAll }
    const region = () => {
      throw new Error('no region')
    }
    await answerFetch(slow(), { write }, { request, format: 'sha1', region, keepAliveMs: 1 })
    const before = seen.indexOf('000dpackfile\n')
    assert.equal(seen.slice(0, before).includes(empty), sidebandAll)
    assert.ok(seen.slice(before).includes(empty))
  })
}

test('a keep-alive that is set to come in a thousand years does not come at once', async () => {
  const seen: number[] = []
  async function* slow(): AsyncGenerator<FetchEvent, void, undefined> {
    yield { type: 'preamble', bytes: Buffer.from('000dpackfile\n'), pack: true, key: null }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const write = (bytes: Uint8Array) => {
    seen.push(bytes.length)
    return undefined
  }
  const region = () => {
    throw new Error('no region')
  }
  await answerFetch(slow(), { write }, { request: emptyRequest(2), format: 'sha1', region, keepAliveMs: 3e13 })
  assert.ok(!seen.includes(5), String(seen))
})

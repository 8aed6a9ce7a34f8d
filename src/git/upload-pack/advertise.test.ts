// Advertisements and ls-refs, line by line.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readPkts } from '../../../tests/support/wire.ts'
import type { ObjectId } from '../format/object-id.ts'
import { advertiseUploadPack } from './advertise.ts'
import { formatLsRefs, type VisibleRefs } from './ls-refs.ts'
import { plainOffer } from './offer.ts'

const agent = 'stemma/test'
const offer = plainOffer('sha1', agent, 'session')
const id = (digit: string) => digit.repeat(40) as ObjectId

function refsOf(head: string, ...refs: VisibleRefs['refs'][number][]): VisibleRefs {
  return { head, refs, byName: new Map(refs.map((ref) => [ref.name, ref])) }
}

const some = refsOf(
  'refs/heads/main',
  { name: 'refs/heads/main', oid: id('1') },
  { name: 'refs/heads/ü', oid: id('2') },
  { name: 'refs/tags/v1', oid: id('3'), peeled: id('1') },
)

const lines = (bytes: Uint8Array): string[] => readPkts(bytes).map((line) => line.toString())

test('version 0 and 1: HEAD first with its symref, tags peeled', () => {
  const [banner, flush, head, ...rest] = lines(advertiseUploadPack(some, offer, 0))
  assert.equal(banner, '# service=git-upload-pack\n')
  assert.equal(flush, '0000')
  assert.ok(head)
  assert.ok(head.startsWith(`${id('1')} HEAD\0multi_ack thin-pack side-band side-band-64k ofs-delta shallow `))
  assert.ok(head.endsWith(` symref=HEAD:refs/heads/main filter session-id=session object-format=sha1 agent=${agent}\n`))
  assert.deepEqual(rest, [
    `${id('1')} refs/heads/main\n`,
    `${id('2')} refs/heads/ü\n`,
    `${id('3')} refs/tags/v1\n`,
    `${id('1')} refs/tags/v1^{}\n`,
    '0000',
  ])
  assert.equal(lines(advertiseUploadPack(some, offer, 1))[2], 'version 1\n')
})

test('an empty repository still tells what it can', () => {
  const empty = refsOf('refs/heads/main')
  const first = lines(advertiseUploadPack(empty, plainOffer('sha256', agent), 0))[2]
  assert.ok(first)
  assert.ok(first.startsWith(`${'0'.repeat(64)} capabilities^{}\0`))
  assert.ok(first.includes(' object-format=sha256 '))
})

test('version 2 tells commands, not refs', () => {
  assert.deepEqual(lines(advertiseUploadPack(some, offer, 2)), [
    'version 2\n',
    `agent=${agent}\n`,
    'ls-refs=unborn\n',
    'fetch=shallow wait-for-done filter\n',
    'server-option\n',
    'object-format=sha1\n',
    'session-id=session\n',
    'object-info=size\n',
    'bundle-uri\n',
    '0000',
  ])
})

test('ls-refs: prefixes, peeled tags, unborn HEAD', () => {
  const all = { peel: true, symrefs: true, unborn: true, prefixes: [] }
  assert.deepEqual(lines(formatLsRefs(some, { ...all, prefixes: ['HEAD', 'refs/tags/'] })), [
    `${id('1')} HEAD symref-target:refs/heads/main\n`,
    `${id('3')} refs/tags/v1 peeled:${id('1')}\n`,
    '0000',
  ])
  assert.deepEqual(lines(formatLsRefs(refsOf('refs/heads/x'), all)), ['unborn HEAD symref-target:refs/heads/x\n', '0000'])
  assert.deepEqual(lines(formatLsRefs(refsOf('refs/heads/x'), { ...all, symrefs: false })), ['0000'])
  const many = Array.from({ length: 100 }, (_, i) => `refs/heads/${i}`)
  assert.deepEqual(lines(formatLsRefs(some, { ...all, prefixes: [...many, 'refs/heads/m'] })), [`${id('1')} refs/heads/main\n`, '0000'])
})

test('a detached HEAD is shown, and points to no ref', () => {
  const oid = id('4')
  const detached = { head: oid, refs: some.refs, byName: new Map([...some.byName, [oid, { name: 'HEAD', oid }]]) }
  const head = lines(advertiseUploadPack(detached, offer, 0))[2]
  assert.ok(head?.startsWith(`${oid} HEAD\0`))
  assert.ok(head && !head.includes('symref='))
  const all = { peel: true, symrefs: true, unborn: true, prefixes: ['HEAD'] }
  assert.deepEqual(lines(formatLsRefs(detached, all)), [`${oid} HEAD\n`, '0000'])
})

test('ten thousand refs take milliseconds', (t) => {
  const refs = Array.from({ length: 10_000 }, (_, i) => ({ name: `refs/pull/${i}/head`, oid: id((i % 10).toString()) }))
  const snapshot = refsOf('refs/heads/main', ...refs)
  const startedAt = performance.now()
  advertiseUploadPack(snapshot, offer, 0)
  const tookMs = performance.now() - startedAt
  t.diagnostic(`${tookMs.toFixed(1)} ms`)
  assert.ok(tookMs < 500)
})

// The push advertisement, byte for byte.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readPkts } from '../../../tests/support/wire.ts'
import type { ObjectId } from '../format/object-id.ts'
import type { Ref, VisibleRefs } from '../refs/index.ts'
import { readGitSettings } from '../settings/index.ts'
import { advertisePush, formatOtherRefs, type PushAdvertisement, pushCapabilities } from './advertise.ts'

const id = (digit: string) => digit.repeat(40) as ObjectId
const visible = (...refs: Ref[]): VisibleRefs => ({ head: 'refs/heads/main', refs, byName: new Map(refs.map((ref) => [ref.name, ref])) })
const some = visible({ name: 'refs/heads/main', oid: id('1') }, { name: 'refs/tags/v1', oid: id('2'), peeled: id('1') })

function lines(refs: VisibleRefs, more: Partial<PushAdvertisement> = {}): string[] {
  const otherLines = formatOtherRefs(refs)
  const bytes = advertisePush({ format: 'sha1', version: 0, capabilities: 'x', refs, otherLines, haves: [], cutOff: [], ...more })
  return readPkts(bytes).map(String)
}

test('refs, unpeeled, behind the service; version 2 is answered as 0', () => {
  const wanted = ['# service=git-receive-pack\n', '0000', `${id('1')} refs/heads/main\0x\n`, `${id('2')} refs/tags/v1\n`, '0000']
  assert.deepEqual(lines(some), wanted)
  assert.deepEqual(lines(some, { version: 2 }), wanted)
  assert.deepEqual(lines(some, { version: 1 })[2], 'version 1\n')
  assert.deepEqual(lines(visible(), { format: 'sha256' })[2], `${'0'.repeat(64)} capabilities^{}\0x\n`)
})

test('.have lines: each once, none that a ref shows; the first line when there is no ref', () => {
  assert.deepEqual(lines(some, { haves: [id('3'), id('1'), id('3'), id('4')] }).slice(4), [
    `${id('3')} .have\n`,
    `${id('4')} .have\n`,
    '0000',
  ])
  assert.deepEqual(lines(visible(), { haves: [id('3'), id('4')] }).slice(2), [`${id('3')} .have\0x\n`, `${id('4')} .have\n`, '0000'])
})

test('where the repository is cut off, behind all refs', () => {
  assert.deepEqual(lines(some, { cutOff: [id('1')] }).slice(-2), [`shallow ${id('1')}\n`, '0000'])
})

test('capabilities as the settings say', () => {
  const say = (config: Record<string, string[]>, nonce: string | null = null) =>
    pushCapabilities({ settings: readGitSettings(config), format: 'sha1', agent: 'a/1', nonce, sessionId: 's' })
  const begin = 'report-status report-status-v2 delete-refs side-band side-band-64k quiet'
  assert.equal(say({}), `${begin} atomic ofs-delta push-options session-id=s object-format=sha1 agent=a/1`)
  const off = { 'receive.advertiseatomic': ['false'], 'receive.advertisepushoptions': ['false'], 'transfer.advertisesid': ['0'] }
  assert.equal(say(off, '7-abc'), `${begin} ofs-delta push-cert=7-abc object-format=sha1 agent=a/1`)
})

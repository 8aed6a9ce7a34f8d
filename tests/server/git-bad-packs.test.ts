// Bad packs from the outside: each gets git's kind of message, leaves no row and no key, and costs bounded memory.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { deflateSync } from 'node:zlib'
import { onPeer } from '../support/host.ts'
import { blob, commit, delta, deltaCopy, deltaInsert, object, PackBuilder, rootCommit, tree } from '../support/pack-builder.ts'
import { good, stemmaStorage, Target } from '../support/target.ts'
import { push, zeroId } from '../support/wire.ts'

const mib = 1024 * 1024

let target: Target

before(async () => {
  if (!onPeer) target = await Target.open('bad-packs')
})
after(async () => await target?.close())

describe('bad packs', stemmaStorage, () => {
  it('truncated pack', async () => {
    const { tip, pack } = good()
    const bytes = pack.build()
    for (const cut of [4, 11, 12, 40, bytes.length - 21, bytes.length - 20, bytes.length - 1]) {
      await target.assertRefused(tip.id, bytes.subarray(0, cut), /truncat|early EOF|unexpected end|short|ends|incomplete/i)
    }
  })

  it('no pack at all', async () => {
    await target.assertRefused(good().tip.id, Buffer.alloc(0), /truncat|early EOF|unexpected end|short|no pack|missing|ends|incomplete/i)
  })

  it('bytes after the pack', async () => {
    const { tip, pack } = good()
    await target.assertRefused(tip.id, Buffer.concat([pack.build(), Buffer.from('more')]), /junk|after|trailing|garbage|extra/i)
  })

  it('wrong trailer', async () => {
    const { tip, pack } = good()
    const bytes = pack.build()
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
    await target.assertRefused(tip.id, bytes, /checksum|trailer|corrupt|SHA1 mismatch/i)
  })

  it('wrong signature, version and object count', async () => {
    for (const lie of [{ signature: 'KCAP' }, { version: 4 }, { count: 2 }, { count: 4 }, { count: 0xffffffff }, { count: 0 }]) {
      const { tip, pack } = good()
      await target.assertRefused(tip.id, pack.build(lie), /./)
    }
  })

  it('bad zlib', async () => {
    const { tip, top, file } = good()
    for (const spoil of ['header', 'middle', 'adler'] as const) {
      const deflated = deflateSync(file.bytes)
      const at = spoil === 'header' ? 0 : spoil === 'middle' ? 4 : deflated.length - 1
      deflated[at] = (deflated[at] ?? 0) ^ 0xff
      const pack = new PackBuilder().addAll(tip, top)
      pack.add(file, { deflated })
      await target.assertRefused(tip.id, pack.build(), /inflate|zlib|deflate|corrupt|bad/i)
    }
  })

  it('entries of types that do not exist', async () => {
    for (const kind of [0, 5]) {
      const { tip, top, file } = good()
      const pack = new PackBuilder().addAll(tip, top)
      pack.add(file, { kind })
      await target.assertRefused(tip.id, pack.build(), /type|kind|entry/i)
    }
  })

  it('declared sizes that lie', async () => {
    for (const difference of [-1, 1, 1000, 2 ** 31, 2 ** 40]) {
      const { tip, top, file } = good()
      const pack = new PackBuilder().addAll(tip, top)
      pack.add(file, { declaredBytes: file.bytes.length + difference })
      await target.assertRefused(tip.id, pack.build(), /size|length|inflate|large|limit|truncat|longer|shorter|bad/i)
    }
  })

  it('missing base of a delta', async () => {
    const { tip, top } = good()
    const pack = new PackBuilder().addAll(tip, top)
    pack.addRefDelta('12'.repeat(20), delta(10, 5, deltaInsert('hello')))
    await target.assertRefused(tip.id, pack.build(), /unresolved|missing|base|delta/i)
  })

  it('OFS_DELTA whose base is no entry', async () => {
    for (const distance of [1, 5, 1_000_000]) {
      const { tip, pack } = good()
      const at = pack.sizeBytes
      pack.addOfsDelta(at - distance, delta(10, 5, deltaInsert('hello')))
      await target.assertRefused(tip.id, pack.build(), /offset|base|delta|bound/i)
    }
  })

  it('delta out of range', async () => {
    const bad: Buffer[] = [
      delta(target.base.file.bytes.length, 100, deltaCopy(target.base.file.bytes.length - 10, 100)),
      delta(target.base.file.bytes.length, 100, deltaCopy(0xffffff00, 100)),
      delta(target.base.file.bytes.length, 5, deltaInsert('longer than it says')),
      delta(target.base.file.bytes.length, 500, deltaInsert('shorter than it says')),
      delta(target.base.file.bytes.length + 1, 5, deltaInsert('hello')),
      delta(target.base.file.bytes.length, 5, Buffer.from([0])),
      delta(target.base.file.bytes.length, 50, Buffer.from([50, 1, 2, 3])),
      delta(target.base.file.bytes.length, 50, Buffer.from([0xff, 1])),
      Buffer.from([0x80, 0x80, 0x80]),
      Buffer.alloc(0),
    ]
    for (const bytes of bad) {
      const { tip, pack } = good()
      pack.addRefDelta(target.base.file.id, bytes)
      await target.assertRefused(tip.id, pack.build(), /delta|size|range|corrupt/i)
    }
  })

  it('delta cycle', async () => {
    // Two REF_DELTAs that each name the other's result as base: neither can be made.
    const first = blob('first of the cycle')
    const second = blob('second of the cycle')
    const { tip, pack } = good()
    pack.addRefDelta(second.id, delta(second.bytes.length, first.bytes.length, deltaInsert(first.bytes)))
    pack.addRefDelta(first.id, delta(first.bytes.length, second.bytes.length, deltaInsert(second.bytes)))
    const self = blob('its own base')
    pack.addRefDelta(self.id, delta(self.bytes.length, self.bytes.length, deltaInsert(self.bytes)))
    await target.assertRefused(tip.id, pack.build(), /unresolved|cycle|base|delta/i)
  })

  it('delta chain deeper than any writer makes', async () => {
    const { tip, pack } = good()
    let at = pack.add(blob('x'.repeat(64)))
    for (let n = 0; n < 20_000; n++)
      at = pack.addOfsDelta(at, delta(64, 64, deltaCopy(0, 60), deltaInsert(String(n % 10_000).padStart(4, '0'))))
    const before = await target.stored()
    const ref = 'refs/heads/deep'
    const report = await push(target.url, [{ old: zeroId, new: tip.id, ref }], pack.build())
    assert.equal(report.status, 200)
    if (report.refs.get(ref) === 'ok') return // kept: then it must be readable, which git-round-trip's fsck of a clone checks for its own
    assert.match(`${report.unpack}${report.text}`, /depth|deep|chain/i)
    await target.assertStoredAgain(before)
  })

  it('zlib bomb', async () => {
    const { tip, top } = good()
    target.host.server.resetPeak()
    const zeros = deflateSync(Buffer.alloc(512 * mib), { level: 9 })
    const pack = new PackBuilder().addAll(tip, top)
    pack.add(blob('tiny'), { declaredBytes: 4, deflated: zeros })
    await target.assertRefused(tip.id, pack.build(), /size|length|inflate|longer|large|bad|corrupt/i)
    target.assertPeak(600)
  })

  it('zlib bomb that tells its size', async () => {
    const { tip, top } = good()
    target.host.server.resetPeak()
    const pack = new PackBuilder().addAll(tip, top)
    pack.add(blob('tiny'), { declaredBytes: 2 ** 37, deflated: deflateSync(Buffer.alloc(256 * mib), { level: 9 }) })
    await target.assertRefused(tip.id, pack.build(), /size|large|limit|big|inflate|length/i)
    target.assertPeak(600)
  })

  it('delta bomb', async () => {
    // Each delta copies its base 64 times: 8 MiB, 512 MiB, 32 GiB from some hundred bytes.
    const { tip, pack } = good()
    target.host.server.resetPeak()
    const piece = 8 * mib
    let at = pack.add(blob(Buffer.alloc(piece)))
    let sizeBytes = piece
    for (let n = 0; n < 2; n++) {
      const copies: Buffer[] = []
      for (let copy = 0; copy < 64; copy++) for (let from = 0; from < sizeBytes; from += piece) copies.push(deltaCopy(from, piece))
      at = pack.addOfsDelta(at, delta(sizeBytes, copies.length * piece, ...copies))
      sizeBytes = copies.length * piece
    }
    await target.assertRefused(tip.id, pack.build(), /size|large|limit|expan|big|delta/i)
    target.assertPeak(700)
  })
})

describe('after a refusal', stemmaStorage, () => {
  it('the next packs are judged by themselves', async () => {
    // Enough rounds for every worker thread to have refused a pack and then taken a good one.
    for (let round = 0; round < 6; round++) {
      const link = blob('../elsewhere')
      const linked = rootCommit([['120000', '.gitmodules', link.id]], [link])
      await target.assertRefused(linked.tip.id, linked.pack.build(), /gitmodules/)
      const { tip, pack } = good(`after-${round}`)
      const ref = `refs/heads/after-${round}`
      const report = await push(target.url, [{ old: zeroId, new: tip.id, ref }], pack.build())
      assert.equal(report.refs.get(ref), 'ok', `${report.unpack} ${report.text}`)
    }
    const copy = target.host.folder.join('after-refusals.git')
    await target.host.git.run(['clone', '-q', '--mirror', target.url, copy])
    await target.host.git.run(['fsck', '--strict'], { cwd: copy })
  })
})

describe('missing objects', stemmaStorage, () => {
  it('a tip that nobody has', async () => {
    const { pack } = good()
    await target.assertRefused('ab'.repeat(20), pack.build(), /missing|not found|bad object|unpacker|necessary/i)
  })

  it('a parent, a tree, a blob and a tag’s target', async () => {
    const nowhere = 'cd'.repeat(20)
    const { top, file } = good()
    const orphan = commit(top.id, [nowhere])
    await target.assertRefused(
      orphan.id,
      new PackBuilder().addAll(orphan, top, file).build(),
      /missing|not found|connect|necessary|did not send/i,
    )
    const treeless = commit(nowhere)
    await target.assertRefused(treeless.id, new PackBuilder().addAll(treeless).build(), /missing|not found|connect|necessary|did not send/i)
    const blobless = commit(top.id)
    await target.assertRefused(
      blobless.id,
      new PackBuilder().addAll(blobless, top).build(),
      /missing|not found|connect|necessary|did not send/i,
    )
    const dangling = object('tag', `object ${nowhere}\ntype commit\ntag t\ntagger T <t@example.com> 1700000000 +0000\n\nt\n`)
    await target.assertRefused(
      dangling.id,
      new PackBuilder().addAll(dangling).build(),
      /missing|not found|connect|necessary|did not send/i,
      'refs/tags/dangling',
    )
  })

  it('a tree entry of the wrong type', async () => {
    const { file } = good()
    const inner = tree(['40000', 'folder', file.id])
    const tip = commit(inner.id)
    await target.assertRefused(
      tip.id,
      new PackBuilder().addAll(tip, inner, file).build(),
      /type|kind|not a tree|missing|connect|necessary|is a blob/i,
    )
  })

  it('a branch that is no commit', async () => {
    const { file, pack } = good()
    const report = await target.assertRefused(file.id, pack.build(), /commit|not a|type|kind/i)
    assert.notEqual(report.status, 500)
  })

  it('another repository’s objects', async () => {
    const other = await target.host.create('other')
    const { tip, pack } = good()
    const pushed = await push(other, [{ old: zeroId, new: tip.id, ref: 'refs/heads/main' }], pack.build())
    assert.equal(pushed.refs.get('refs/heads/main'), 'ok')
    const top = tree()
    const stolen = commit(top.id, [tip.id])
    await target.assertRefused(
      stolen.id,
      new PackBuilder().addAll(stolen, top).build(),
      /missing|not found|connect|necessary|did not send/i,
    )
  })
})

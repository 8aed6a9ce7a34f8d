// An index that leaves out an external must leave it to one that leads there.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blob, commit, PackBuilder, tree } from '../../../tests/support/pack-builder.ts'
import { gitPackSet } from '../../../tests/support/git-pack.ts'
import { openedIndex, storePacks } from '../../../tests/support/stored-packs.ts'
import { concatBytes, fromHex } from '../../base/index.ts'
import type { PackIndex, PackIndexParts } from '../format/stored-pack.ts'
import { ObjectCache, ObjectReader, type StoredPack } from '../odb/index.ts'
import { Pace } from '../upload-pack/pace.ts'
import { checkPack } from './pack-check.ts'

function partsOf(index: PackIndex, trailer: Uint8Array): PackIndexParts {
  const places = Array.from({ length: index.count }, (_, i) => i)
  return {
    format: index.format,
    packBytes: index.packBytes,
    oids: concatBytes(places.map((i) => index.oid(i))),
    offsets: Float64Array.from(places, (i) => index.offset(i)),
    crcs: Uint32Array.from(places, (i) => index.crc(i)),
    kinds: Uint8Array.from(places, (i) => index.kind(i)),
    sizes: Float64Array.from(places, (i) => index.sizeBytes(i)),
    bases: new Uint32Array(index.count).fill(0xffffffff),
    sources: index.sources,
    externals: index.externals,
    leavesOut: true,
    trailer,
  }
}

test('an external that nothing named leads to is missed by fsck, and so is none that others lead to', async () => {
  const [kept, moved, changed] = [blob('kept\n'), blob('moved\n'), blob('changed\n')]
  const before = tree(['100644', 'kept', kept.id])
  const elsewhere = tree(['100644', 'moved', moved.id])
  const now = tree(['100644', 'changed', changed.id], ['100644', 'kept', kept.id], ['100644', 'moved', moved.id])
  const [old, side] = [commit(before.id), commit(elsewhere.id)]
  const next = commit(now.id, [old.id])
  const packs = await storePacks([
    new PackBuilder().addAll(old, side, before, elsewhere, kept, moved).build(),
    new PackBuilder().addAll(next, now, changed).build(),
  ])
  const [first, second] = packs as [(typeof packs)[0], (typeof packs)[0]]
  const check = async (index: PackIndex) => {
    const set = gitPackSet([first, { ...second, index }], 'sha1')
    const reader = new ObjectReader(set, new ObjectCache(1 << 20))
    const pack = set.packs[1] as StoredPack
    return await checkPack({ set, pack, reader, pace: new Pace(), cutOff: new Set(), progress: () => {} })
  }
  assert.deepEqual(await check(second.index), [])
  const parts = partsOf(second.index, second.bytes.subarray(-20))
  const faults = await check(openedIndex({ ...parts, externals: fromHex(old.id) }))
  assert.deepEqual(
    faults.map(({ code, message }) => [code, message]),
    [['index-externals', `the index does not name ${moved.id} as an external, to which the pack refers and no other external leads`]],
  )
})

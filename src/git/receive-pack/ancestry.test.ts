// Fast-forwards against a brute-force answer, over made-up histories whose dates lie; and cut-off histories of pushed packs.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { git } from '../../../tests/support/history.ts'
import { blob, type BuiltObject, commit, PackBuilder, tree } from '../../../tests/support/pack-builder.ts'
import { indexBytes, temporaryFolder } from '../../../tests/support/pack-indexing.ts'
import { loadRepository } from '../../../tests/support/fetch-server.ts'
import { fromHex } from '../../base/index.ts'
import { encodePackIndex, indexStart, PackIndex } from '../format/stored-pack.ts'
import type { ObjectId } from '../format/object-id.ts'
import { ObjectCache, ObjectReader, PackSet, tailBytes } from '../odb/index.ts'
import { Pace } from '../upload-pack/pace.ts'
import { paced } from '../upload-pack/repository.ts'
import { leadTo, PushedCommits } from './ancestry.ts'
import { findCutOff } from './push-facts.ts'

const idOf = (built: BuiltObject) => built.id as ObjectId

describe('fast-forwards', () => {
  it('are told exactly, whatever the dates are', async () => {
    let seed = 7
    const random = (below: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below
    const folder = temporaryFolder()
    git(folder, ['init', '-q', '--bare', '.'])
    const size = 90
    const parents: number[][] = []
    let stream = ''
    for (let n = 1; n <= size; n++) {
      const some = n === 1 ? [] : [...new Set(Array.from({ length: 1 + random(3) }, () => Math.max(1, n - 1 - random(12))))]
      parents[n] = some
      const time = 1_000_000_000 + random(500_000_000)
      stream += `commit refs/heads/b${n}\nmark :${n}\ncommitter A <a@example.com> ${time} +0000\ndata 1\n${n % 10}\n`
      stream += some.map((parent, i) => `${i === 0 ? 'from' : 'merge'} :${parent}\n`).join('')
      stream += n === 1 ? 'M 100644 inline f\ndata 1\nx\n' : ''
    }
    git(folder, ['fast-import', '--quiet', '--force'], stream)
    git(folder, ['repack', '-q', '-a', '-d'])
    const reached: ReadonlySet<number>[] = []
    for (let n = 1; n <= size; n++)
      reached[n] = new Set([n, ...(parents[n] as number[]).flatMap((parent) => [...(reached[parent] as Set<number>)])])
    const ids = git(folder, ['for-each-ref', '--format=%(refname:short) %(objectname)'])
      .toString()
      .trim()
      .split('\n')
      .map((line) => line.split(' '))
    const { repository: kept } = await loadRepository(folder)
    const repository = paced(kept)
    const numbers: number[] = []
    for (const [name = '', id = ''] of ids) numbers[Number(name.slice(1))] = repository.set.find(fromHex(id), 0)
    for (let from = 1; from <= size; from++) {
      for (let to = 1; to <= size; to++) {
        const leads = await leadTo(repository, [numbers[from] as number], numbers[to] as number)
        assert.equal(leads, (reached[from] as Set<number>).has(to), `${from} → ${to}`)
      }
    }
  })
})

describe('the commits of a pushed pack', () => {
  const top = tree(['100644', 'f', blob('f').id])
  const root = commit(top.id, ['ab'.repeat(20)], 'root\n')
  const whole = commit(top.id, [], 'whole\n')
  const middle = commit(top.id, [root.id, whole.id], 'middle\n')
  const tip = commit(top.id, [middle.id], 'tip\n')
  const side = commit(top.id, [whole.id, 'cd'.repeat(20)], 'side\n')

  async function reader(): Promise<ObjectReader> {
    const bytes = new PackBuilder().addAll(root, whole, middle, tip, side, top, blob('f')).build()
    const claims = [idOf(root), idOf(side)]
    const indexed = await indexBytes(bytes, { shallow: claims, fsck: null })
    const start = indexStart(bytes.length)
    const index = new Uint8Array(encodePackIndex(indexed).subarray(start - bytes.length))
    const padded = new Uint8Array(Math.ceil(index.length / 8) * 8).subarray(0, index.length)
    padded.set(index)
    return new ObjectReader(
      PackSet.empty('sha1').with([{ id: 0, index: new PackIndex(padded, start), bytes: tailBytes(bytes) }]),
      new ObjectCache(1 << 20),
    )
  }

  it('are followed to where they leave the pack', async () => {
    const pushed = new PushedCommits(await reader(), new Pace())
    const { inside, outside } = await pushed.below([pushed.find(idOf(tip))])
    assert.deepEqual(inside, new Set([tip, middle, root, whole].map((built) => pushed.find(idOf(built)))))
    assert.deepEqual([...outside], ['ab'.repeat(20)])
    assert.equal(pushed.find(idOf(top)), -1)
  })

  it('are cut off where claimed parents are nowhere, and no tip above is missed', async () => {
    const pack = await reader()
    const tips = [tip, side, whole].map((built) => ({ oid: idOf(built), kind: 1 as const, peeled: null }))
    const ask = (claimed: readonly BuiltObject[], stored: readonly string[] = []) =>
      findCutOff(claimed.map(idOf), tips, pack, async (commits) => commits.map((oid) => stored.includes(oid)), new Pace())
    assert.deepEqual(await ask([root]), { roots: [root.id], tips: new Set([tip.id]) })
    assert.deepEqual(await ask([root, side]), { roots: [root.id, side.id], tips: new Set([tip.id, side.id]) })
    assert.deepEqual(await ask([root], ['ab'.repeat(20)]), { roots: [], tips: new Set() })
    assert.deepEqual(await ask([whole]), { roots: [], tips: new Set() })
    assert.deepEqual(await ask([]), { roots: [], tips: new Set() })
  })
})

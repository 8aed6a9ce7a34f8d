// Mutated packs: never a crash, never a hang, and never a pass where `git index-pack --strict` refuses. The seed is printed with a failure.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateSync } from 'node:zlib'
import { InputError } from '../../base/index.ts'
import { git, gitAccepts, makeHistory } from '../../../tests/support/history.ts'
import { blob, commit, copyingDelta, entryHeader, object, PackBuilder, resealed, tree } from '../../../tests/support/pack-builder.ts'
import { indexBytes, temporaryFolder, wideLimits } from '../../../tests/support/pack-indexing.ts'

const RUNS = 400
const TIME_MS = 60_000

const folder = makeHistory(25)
const scratch = temporaryFolder()
git(scratch, ['init', '-q', '--bare', '.'])
const packs = [
  git(folder, ['pack-objects', '--all', '--stdout', '-q', '--window=10', '--delta-base-offset']),
  git(folder, ['pack-objects', '--all', '--stdout', '-q', '--window=10']),
  handMade(),
]

function handMade(): Buffer {
  const pack = new PackBuilder()
  const one = blob('one'.repeat(50))
  const two = blob('two'.repeat(50))
  const base = pack.add(one)
  pack.addOfsDelta(base, copyingDelta(150, 0, 120, 'more'))
  pack.addRefDelta(two.id, copyingDelta(150, 3, 99))
  pack.add(two)
  const top = tree(['100644', '.gitmodules', two.id], ['100644', 'file', one.id])
  return pack.addAll(top, commit(top.id)).build()
}

function random(seed: number): (below: number) => number {
  let x = seed * 2654435761 + 1
  return (below) => {
    x = (Math.imul(x ^ (x >>> 15), 2246822519) + 3266489917) >>> 0
    return ((x ^ (x >>> 13)) >>> 0) % below
  }
}

/** A few edits of the bytes between header and trailer; some packs with their trailer made right, as an attacker would. */
function mutated(seed: number): Buffer {
  const next = random(seed)
  let pack = Buffer.from(packs[next(packs.length)]!)
  for (let edits = 1 + next(3); edits > 0; edits--) {
    const at = next(12) === 0 ? next(12) : 12 + next(pack.length - 32)
    const what = next(5)
    if (what === 0) pack[at] = next(256)
    else if (what === 1) pack[at]! ^= 1 << next(8)
    else if (what === 2) pack = Buffer.concat([pack.subarray(0, at), pack.subarray(at + 1 + next(20))])
    else if (what === 3) pack = Buffer.concat([pack.subarray(0, at), pack.subarray(at, at + next(40)), pack.subarray(at)])
    else pack.fill(next(2) * 255, at, at + next(16))
    if (pack.length < 40) return pack
  }
  return next(10) === 0 ? pack : resealed(pack)
}

/** Edits inside an entry's content: what is wrong is then not the zlib stream but what it holds. */
function mutatedContent(seed: number): Buffer {
  const next = random(seed)
  const file = blob('content')
  const kinds = ['tree', 'commit', 'tag', 'tree', 'tree'] as const
  const top = tree(['100644', 'a', file.id], ['100644', 'a.b', file.id], ['40000', 'b', tree().id])
  const tag = object('tag', `object ${file.id}\ntype blob\ntag v1\ntagger A U Thor <a@example.com> 1700000000 +0000\n\nx\n`)
  const originals = { tree: top, commit: commit(top.id), tag }
  const kind = kinds[next(kinds.length)]!
  const content = Buffer.from(originals[kind].bytes)
  const names = ['.git', '..', '.GIT', 'git~1', '.gitmodules', 'a/b', '100664 ']
  for (let edits = 1 + next(2); edits > 0; edits--) {
    if (next(4) === 0) content.write(names[next(names.length)]!, next(content.length))
    else content[next(content.length)] = next(3) === 0 ? next(256) : [0, 32, 10, 46, 47, 48, 60, 62][next(8)]!
  }
  return new PackBuilder().addAll(file, tree(), top, object(kind, content)).build()
}

for (const [name, make, runs] of [
  ['bytes', mutated, RUNS],
  ['contents', mutatedContent, RUNS],
] as const) {
  test(`mutated packs: ${name}`, { timeout: 2 * TIME_MS }, async () => {
    const start = performance.now()
    let accepted = 0
    let seed = 0
    for (; seed < runs && performance.now() - start < TIME_MS; seed++) {
      const pack = make(seed)
      let hasDuplicates: boolean
      try {
        const { entryCount, objectCount } = await indexBytes(pack, {
          fsck: {},
          pieceBytes: 1 + (seed % 5000),
          limits: { ...wideLimits, inflatedBytes: 2 ** 28 },
        })
        hasDuplicates = entryCount > objectCount
      } catch (error) {
        assert.ok(error instanceof InputError, `seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`)
        continue
      }
      accepted++
      // The one thing that we take and strict git doesn't: an object that stands in the pack twice.
      if (!hasDuplicates) assert.ok(gitAccepts(scratch, pack), `seed ${seed}: git refuses this pack`)
    }
    assert.ok(seed > 100, `only ${seed} in ${TIME_MS} ms`)
    assert.ok(accepted < seed)
  })
}

test('entries of any declared size with any stream behind', async () => {
  const next = random(7)
  for (let i = 0; i < 200; i++) {
    const content = Buffer.alloc(next(3000), `${i}`)
    const pack = new PackBuilder()
    pack.addRaw(entryHeader(1 + next(7), next(4000)), Buffer.alloc(next(25), i), deflateSync(content))
    await assert.rejects(indexBytes(pack.build({ count: 1 + next(3) })), InputError)
  }
})

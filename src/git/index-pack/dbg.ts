// Mutated packs: never a crash, never a hang, and never a pass where `git index-pack --strict` refuses. The seed is printed with a failure.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateSync } from 'node:zlib'
import { InputError } from '../../base/index.ts'
import { git, gitAccepts, makeHistory } from '../../../tests/support/history.ts'
import { commitOf, entryHeader, idOf, makeDelta, PackBuilder, resealed, treeOf } from '../../../tests/support/pack-maker.ts'
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
  const texts = ['one', 'two', 'three'].map((text) => Buffer.from(text.repeat(50)))
  const base = pack.add('blob', texts[0]!)
  pack.addOfsDelta(base, makeDelta(150, 0, 120, 'more'))
  pack.addRefDelta(idOf('blob', texts[1]!), makeDelta(150, 3, 99))
  pack.add('blob', texts[1]!)
  const tree = treeOf(['100644', '.gitmodules', idOf('blob', texts[1]!)], ['100644', 'file', idOf('blob', texts[0]!)])
  pack.add('tree', tree)
  pack.add('commit', commitOf(idOf('tree', tree)))
  return pack.finish()
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
  const pack = new PackBuilder()
  const blob = Buffer.from('content')
  const kinds = ['tree', 'commit', 'tag', 'tree', 'tree'] as const
  const tree = treeOf(
    ['100644', 'a', idOf('blob', blob)],
    ['100644', 'a.b', idOf('blob', blob)],
    ['40000', 'b', idOf('tree', Buffer.alloc(0))],
  )
  const tag = Buffer.from(
    `object ${idOf('blob', blob).toString('hex')}\ntype blob\ntag v1\ntagger A U Thor <a@example.com> 1700000000 +0000\n\nx\n`,
  )
  const originals = { tree, commit: commitOf(idOf('tree', tree)), tag }
  pack.add('blob', blob)
  pack.add('tree', '')
  pack.add('tree', tree)
  const kind = kinds[next(kinds.length)]!
  const content = Buffer.from(originals[kind])
  const names = ['.git', '..', '.GIT', 'git~1', '.gitmodules', 'a/b', '100664 ']
  for (let edits = 1 + next(2); edits > 0; edits--) {
    if (next(4) === 0) content.write(names[next(names.length)]!, next(content.length))
    else content[next(content.length)] = next(3) === 0 ? next(256) : [0, 32, 10, 46, 47, 48, 60, 62][next(8)]!
  }
  pack.add(kind, content)
  return pack.finish()
}

const n: Record<string, number> = {}; let shown = 0
for (const [make, runs] of [[mutatedContent, 1500], [mutated, 1200]] as const) for (let seed = 0; seed < runs; seed++) { const pack = make(seed); try { await indexBytes(pack, { fsck: {}, limits: wideLimits }) } catch (e) { if (gitAccepts(scratch, pack)) { const m = (e as Error).message.replace(/[0-9a-f]{40}/g, 'X'); n[m] = (n[m] ?? 0) + 1; if (shown++ < 1) console.log(seed, m) } } }
console.log(n)

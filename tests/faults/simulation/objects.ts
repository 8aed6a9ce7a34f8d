// The histories that are pushed, made in memory without git: commits over a few files that change a little, as whole objects and as deltas, thin or not. It
// knows each object's bytes and what each refers to, so it says what a ref must bring, independently of what is tested.
import {
  type BuiltObject,
  blob,
  commit,
  delta,
  deltaCopy,
  deltaInsert,
  object,
  PackBuilder,
  tree,
  type TreeEntry,
} from '../../support/pack-builder.ts'
import type { Seeded } from '../../support/seeded.ts'

interface Known extends BuiltObject {
  readonly references: readonly string[]
  /** The version of the same file before: what a delta rests on. */
  readonly earlier: string | null
}

const names = ['a.txt', 'b.txt', 'c.txt', 'd/e.txt', 'd/f.txt', 'd/g.txt'] as const
/** No delta is made on something that deep in one pack. */
const deepest = 10

export class SimulatedObjects {
  readonly #objects = new Map<string, Known>()
  /** Of each commit: path → blob. */
  readonly #files = new Map<string, ReadonlyMap<string, string>>()
  readonly #closures = new Map<string, ReadonlySet<string>>()
  #count = 0

  /** A commit on these, with a file or two changed against the first. @returns its id */
  commit(random: Seeded, parents: readonly string[]): string {
    const before = this.#files.get(parents[0] ?? '') ?? new Map<string, string>()
    const files = new Map(before)
    for (let n = random.below(3) + (files.size === 0 ? 2 : 1); n > 0; n--) {
      const name = random.pick(names)
      files.set(name, this.#version(random, files.get(name) ?? null))
    }
    if (files.size > 3 && random.below(8) === 0) files.delete(random.pick([...files.keys()]))
    const top = this.#tree(files, '')
    const made = commit(top, parents, `commit ${random.seed} ${this.#count++}\n`)
    this.#files.set(made.id, files)
    return this.#add(made, [top, ...parents], null)
  }

  /** An annotated tag. @returns its id */
  tag(target: string): string {
    const { kind } = this.get(target)
    const text = `object ${target}\ntype ${kind}\ntag t${this.#count}\ntagger A U Thor <author@example.com> 1700000000 +0100\n\n${this.#count++}\n`
    return this.#add(object('tag', text), [target], null)
  }

  get(id: string): Known {
    const found = this.#objects.get(id)
    if (!found) throw new Error(`no object ${id} was made`)
    return found
  }

  isCommit(id: string): boolean {
    return this.#objects.get(id)?.kind === 'commit'
  }

  /** What a tag finally points to; any other object is itself. */
  peel(id: string): string {
    const { kind, references } = this.get(id)
    return kind === 'tag' ? this.peel(references[0] as string) : id
  }

  /** Everything that these lead to, themselves included. */
  reachable(ids: Iterable<string>): Set<string> {
    const found = new Set<string>()
    for (const id of ids) for (const one of this.#closure(id)) found.add(one)
    return found
  }

  /** The pack that a client sends who has these tips and knows that the other side has those objects. Null: nothing need be sent. */
  pack(tips: readonly string[], has: ReadonlySet<string>, random: Seeded): Uint8Array | null {
    const ids = [...this.reachable(tips)].filter((id) => !has.has(id))
    if (ids.length === 0) return null
    const isThin = random.below(4) > 0
    const builder = new PackBuilder()
    const placed = new Map<string, { readonly offset: number; readonly depth: number }>()
    const rank = { tag: 0, commit: 1, tree: 2, blob: 3 }
    for (const id of ids.toSorted((a, b) => rank[this.get(a).kind] - rank[this.get(b).kind])) {
      const { earlier, bytes } = this.get(id)
      const near = earlier === null ? undefined : placed.get(earlier)
      if (earlier !== null && near && near.depth < deepest) {
        placed.set(id, { offset: builder.addOfsDelta(near.offset, difference(this.get(earlier).bytes, bytes)), depth: near.depth + 1 })
      } else if (earlier !== null && isThin && has.has(earlier)) {
        placed.set(id, { offset: builder.addRefDelta(earlier, difference(this.get(earlier).bytes, bytes)), depth: 1 })
      } else placed.set(id, { offset: builder.add(this.get(id)), depth: 0 })
    }
    return builder.build()
  }

  #closure(id: string): ReadonlySet<string> {
    let known = this.#closures.get(id)
    if (!known) {
      const found = new Set([id])
      for (const reference of this.get(id).references) for (const one of this.#closure(reference)) found.add(one)
      this.#closures.set(id, (known = found))
    }
    return known
  }

  /** A new file, or a little changed version of it. */
  #version(random: Seeded, earlier: string | null): string {
    const line = () => `${this.#count++} ${Buffer.from(random.bytes(12 + random.below(24))).toString('base64')}\n`
    if (earlier === null || random.below(10) === 0) {
      // now and then something that no delta and no deflate makes small
      const noise = random.below(6) === 0 ? Buffer.from(random.bytes(1000 + random.below(6000))) : Buffer.alloc(0)
      const text = Array.from({ length: 2 + random.below(20) }, line).join('')
      return this.#add(blob(Buffer.concat([Buffer.from(`${random.seed}\n${text}`), noise])), [], null)
    }
    const { bytes } = this.get(earlier)
    const at = random.below(bytes.length)
    return this.#add(blob(Buffer.concat([bytes.subarray(0, at), Buffer.from(line()), bytes.subarray(at)])), [], earlier)
  }

  #tree(files: ReadonlyMap<string, string>, folder: string): string {
    const inside = [...files].filter(([path]) => path.startsWith(folder)).map(([path, id]) => [path.slice(folder.length), id] as const)
    const entries: TreeEntry[] = inside.filter(([name]) => !name.includes('/')).map(([name, id]) => ['100644', name, id])
    const folders = new Set(inside.flatMap(([name]) => (name.includes('/') ? [name.slice(0, name.indexOf('/'))] : [])))
    for (const name of folders) entries.push(['40000', name, this.#tree(files, `${folder}${name}/`)])
    const sorted = entries.toSorted(([, a], [, b]) => (String(a) < String(b) ? -1 : 1)) // no file's name begins with a folder's
    return this.#add(
      tree(...sorted),
      sorted.map(([, , id]) => id as string),
      null,
    )
  }

  #add(made: BuiltObject, references: readonly string[], earlier: string | null): string {
    if (!this.#objects.has(made.id)) this.#objects.set(made.id, { ...made, references, earlier })
    return made.id
  }
}

/** What both begin with and end with is copied, the rest inserted. */
function difference(from: Uint8Array, to: Uint8Array): Buffer {
  const most = Math.min(from.length, to.length)
  let front = 0
  while (front < most && from[front] === to[front]) front++
  let back = 0
  while (back < most - front && from[from.length - 1 - back] === to[to.length - 1 - back]) back++
  const parts: Buffer[] = []
  if (front > 0) parts.push(deltaCopy(0, front))
  for (let at = front; at < to.length - back; at += 127) parts.push(deltaInsert(to.subarray(at, Math.min(at + 127, to.length - back))))
  if (back > 0) parts.push(deltaCopy(from.length - back, back))
  return delta(from.length, to.length, ...parts)
}

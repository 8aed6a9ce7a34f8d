// The other way, as the proof of concept went: each object a key of its own, deflated as git keeps it loose. Really put, and really read back.
import { spawn, execFileSync } from 'node:child_process'
import { deflateSync } from 'node:zlib'
import type { Bucket, Key } from '../../src/bucket/index.ts'

/** Requests under way at once. */
const concurrency = 16
/** As git has it for loose objects: core.looseCompression. */
const level = 1

/** Ids of the objects that the tips reach. */
export function listObjects(repository: string, tips: readonly string[]): string[] {
  const args = ['-C', repository, 'rev-list', '--objects', '--no-object-names', '--stdin']
  return execFileSync('git', args, { input: tips.join('\n'), maxBuffer: 2 ** 30 })
    .toString()
    .trim()
    .split('\n')
}

function keyOf(place: string, id: string): Key {
  return `objects/${place}/${id.slice(0, 2)}/${id.slice(2)}` as Key
}

/** Puts them all. @param place names the repository: another has keys of its own. Returns the bytes of the values. */
export async function putLoose(bucket: Bucket, repository: string, place: string, ids: readonly string[]): Promise<number> {
  let bytes = 0
  await atOnce(looseObjects(repository, ids), async ({ id, value }) => {
    bytes += value.length
    await bucket.put(keyOf(place, id), value)
  })
  return bytes
}

/** What a clone has to read at least: each object, once. Its size has to be known: one more request where no index tells it. */
export async function getLoose(bucket: Bucket, place: string, sizes: ReadonlyMap<string, number>): Promise<void> {
  await atOnce(sizes.entries(), async ([id, sizeBytes]) => {
    await bucket.get(keyOf(place, id), { offset: 0, sizeBytes })
  })
}

/** Sizes of the values that `putLoose` makes. */
export async function looseSizes(repository: string, ids: readonly string[]): Promise<Map<string, number>> {
  const sizes = new Map<string, number>()
  for await (const { id, value } of looseObjects(repository, ids)) sizes.set(id, value.length)
  return sizes
}

async function atOnce<T>(items: AsyncIterable<T> | Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const under = new Set<Promise<void>>()
  for await (const item of items) {
    const one = work(item).finally(() => under.delete(one))
    under.add(one)
    if (under.size >= concurrency) await Promise.race(under)
  }
  await Promise.all(under)
}

async function* looseObjects(repository: string, ids: readonly string[]): AsyncGenerator<{ id: string; value: Buffer }> {
  const child = spawn('git', ['-C', repository, 'cat-file', '--batch', '--buffer'], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.on('error', () => {})
  child.stdin.end(`${ids.join('\n')}\n`)
  let rest = Buffer.alloc(0)
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    rest = Buffer.concat([rest, chunk])
    for (;;) {
      const line = rest.indexOf(10)
      if (line < 0) break
      const [id = '', kind = '', size = ''] = rest.subarray(0, line).toString().split(' ')
      const end = line + 1 + Number(size)
      if (rest.length <= end) break
      yield { id, value: deflateSync(Buffer.concat([Buffer.from(`${kind} ${size}\0`), rest.subarray(line + 1, end)]), { level }) }
      rest = rest.subarray(end + 1)
    }
  }
}

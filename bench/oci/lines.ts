// The lines of the comparison: how many clients do how many of what.
import { createHash } from 'node:crypto'
import { type Image, manifestOf, type Material, Worker } from './work.ts'
import type { Registry } from './contenders.ts'

/** What a line needs that was pushed before it is measured. */
export interface Stand {
  readonly images: ReadonlyMap<number, Image>
  readonly manyTags: string
  readonly manifestDigest: string
}

export interface Line {
  readonly name: string
  readonly clients: number
  /** Of all clients together, in one round. */
  readonly operations: number
  readonly act: (worker: Worker, stand: Stand, turn: number) => Promise<unknown>
}

const sizes = [1, 10, 100] as const

export async function prepare(registry: Registry, material: Material): Promise<Stand> {
  const worker = new Worker(registry, material)
  const images = new Map<number, Image>()
  for (const mib of sizes) images.set(mib, await worker.push(mib))
  const manyTags = `${registry.namespace}many-tags`
  for (let n = 0; n < 100; n++) await worker.pushAs(manyTags, `v1.0.${n}`, 1)
  worker.close()
  const manifest = manifestOf(material.config, material.blob(1))
  return { images, manyTags, manifestDigest: `sha256:${createHash('sha256').update(manifest).digest('hex')}` }
}

function imageOf({ images }: Stand, mib: number): Image {
  const image = images.get(mib)
  if (image === undefined) throw new Error(`no image of ${mib} MiB`)
  return image
}

/** zb's mixture of sizes (20 % of 1, 70 % of 10, 10 % of 100 MiB), by turns instead of by chance, so that every round is the same work. */
const mixture = [10, 1, 10, 10, 100, 10, 10, 1, 10, 10] as const

function mixed(turn: number): number {
  return mixture[turn % mixture.length] ?? 10
}

const pushes: readonly Line[] = [
  { name: 'push 1 MiB', clients: 10, operations: 60, act: async (worker) => worker.push(1) },
  { name: 'push 10 MiB', clients: 10, operations: 20, act: async (worker) => worker.push(10) },
  { name: 'push 100 MiB', clients: 10, operations: 10, act: async (worker) => worker.push(100) },
  { name: 'push mixed sizes', clients: 10, operations: 20, act: async (worker, _, turn) => worker.push(mixed(turn)) },
  { name: 'push by PATCH 1 MiB', clients: 10, operations: 60, act: async (worker) => worker.push(1, true) },
  { name: 'push by PATCH 10 MiB', clients: 10, operations: 20, act: async (worker) => worker.push(10, true) },
  { name: 'push by PATCH 100 MiB', clients: 10, operations: 10, act: async (worker) => worker.push(100, true) },
]

const pulls: readonly Line[] = [
  ...(
    [
      [1, 120],
      [10, 40],
      [100, 20],
    ] as const
  ).map(([mib, operations]) => ({
    name: `pull ${mib} MiB`,
    clients: 10,
    operations,
    act: async (worker: Worker, stand: Stand) => worker.pull(imageOf(stand, mib)),
  })),
  { name: 'pull mixed sizes', clients: 10, operations: 60, act: async (worker, stand, turn) => worker.pull(imageOf(stand, mixed(turn))) },
  ...(
    [
      [1, 200],
      [10, 60],
      [100, 12],
    ] as const
  ).map(([mib, operations]) => ({
    name: `pull 75 %, push 25 %, ${mib} MiB`,
    clients: 10,
    operations,
    act: async (worker: Worker, stand: Stand, turn: number) => (turn % 4 === 3 ? worker.push(mib) : worker.pull(imageOf(stand, mib))),
  })),
]

const reads: readonly Line[] = [
  {
    name: 'GET manifest by tag',
    clients: 50,
    operations: 2000,
    act: async (worker, { manyTags }, turn) => worker.get(`/v2/${manyTags}/manifests/v1.0.${turn % 100}`),
  },
  {
    name: 'GET manifest by digest',
    clients: 50,
    operations: 2000,
    act: async (worker, { manyTags, manifestDigest }) => worker.get(`/v2/${manyTags}/manifests/${manifestDigest}`),
  },
  {
    name: 'HEAD manifest by tag',
    clients: 50,
    operations: 2000,
    act: async (worker, { manyTags }, turn) => worker.head(`/v2/${manyTags}/manifests/v1.0.${turn % 100}`),
  },
  {
    name: 'tags, 100 of them',
    clients: 50,
    operations: 1000,
    act: async (worker, { manyTags }) => worker.get(`/v2/${manyTags}/tags/list`),
  },
]

export const lines: readonly Line[] = [...pushes, ...pulls, ...reads]

// Runs the pack indexer in a test: limits that are wide enough, no existing objects, input in pieces.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemRandomness } from '../../src/base/index.ts'
import {
  type ExistingObjects,
  FileSpool,
  indexPack,
  type IndexedPack,
  type IndexLimits,
  type IndexOptions,
  MemorySpool,
  type Spool,
} from '../../src/git/index-pack/index.ts'
import { Kind } from '../../src/git/format/object-id.ts'
import type { BuiltObject } from './pack-builder.ts'

export const wideLimits: IndexLimits = {
  packBytes: 2 ** 40,
  objectBytes: 2 ** 32,
  objectCount: 10_000_000,
  deltaDepth: 4095,
  inflatedBytes: 2 ** 32,
  inflationRatio: 1000,
  memoryBytes: 512 * 2 ** 20,
}

export const nothingExists: ExistingObjects = { read: async () => null, kinds: (oids) => new Uint8Array(oids.length / 20) }

/** Existing objects, held in memory, as if each was stored as no delta. */
export function existing(...objects: readonly BuiltObject[]): ExistingObjects {
  return existingAt(0, ...objects)
}

/** The same, each stored as so many deltas one on the other. */
export function existingAt(depth: number, ...objects: readonly BuiltObject[]): ExistingObjects {
  const held = new Map(objects.map(({ id, kind, bytes }) => [id, { kind: Kind[kind], bytes, depth }]))
  const find = (oid: Uint8Array) => held.get(Buffer.from(oid).toString('hex'))
  return {
    read: async (oid, limitBytes = Number.POSITIVE_INFINITY) => {
      const object = find(oid)
      return object && object.bytes.length <= limitBytes ? object : null
    },
    kinds: (oids) => Uint8Array.from({ length: oids.length / 20 }, (_, i) => find(oids.subarray(i * 20, i * 20 + 20))?.kind ?? 0),
  }
}

const folders: string[] = []
process.once('exit', () => folders.forEach((path) => rmSync(path, { recursive: true, force: true })))

/** Below the system's folder for temporary files; removed at the process's end. */
export function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'stemma-pack-'))
  folders.push(path)
  return path
}

let folder: string | null = null

export interface Indexed extends IndexedPack {
  /** What is in the spool then. */
  readonly pack: Uint8Array
}

export async function* pieces(bytes: Uint8Array, sizeBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += sizeBytes) yield bytes.subarray(at, at + sizeBytes)
}

/** Indexes the pack, as it would arrive in pieces. */
export async function indexBytes(
  pack: Uint8Array,
  options: Partial<IndexOptions> & { readonly pieceBytes?: number; readonly inFile?: boolean } = {},
): Promise<Indexed> {
  folder ??= temporaryFolder()
  mkdirSync(folder, { recursive: true })
  const { pieceBytes = 65536, inFile = false, ...rest } = options
  const file = inFile ? new FileSpool(join(folder, `spool-${process.pid}-${Math.floor(performance.now() * 1000)}`)) : null
  const spool: Spool = file ?? new MemorySpool()
  try {
    const indexed = await indexPack(pieces(pack, pieceBytes), {
      format: 'sha1',
      spool,
      scratchFolder: folder,
      existing: nothingExists,
      limits: wideLimits,
      randomness: systemRandomness,
      ...rest,
    })
    const bytes = new Uint8Array(spool.sizeBytes)
    spool.read(0, bytes)
    return { ...indexed, pack: bytes }
  } finally {
    if (file !== null) {
      file.close()
      rmSync(file.path)
    }
  }
}

// Single objects by their id.
import { Kind, type ObjectId } from '../format/object-id.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'
import { base64Json, base64Lines } from './base64.ts'
import { type CommitValue, readCommit, readTag, type TagValue } from './commit-value.ts'
import { findCommit, findNamed, idOf, type Named, noSuchObject } from './named.ts'

export interface ObjectQuestion {
  readonly name: Named
}

/** The commit itself: no tag that leads to one. InputError `no-such-object`, as all below. */
export async function commitObject(repository: PacedRepository, { name }: ObjectQuestion): Promise<CommitValue> {
  return await readCommit(repository, await ofKind(repository, name, Kind.commit))
}

export async function tagObject(repository: PacedRepository, { name }: ObjectQuestion): Promise<TagValue> {
  return await readTag(repository, await ofKind(repository, name, Kind.tag))
}

export interface BlobQuestion {
  readonly name: Named
  /** Bytes come along up to this size. */
  readonly mostBytes: number
  readonly isRaw: boolean
}

export interface BlobAnswer {
  readonly oid: ObjectId
  readonly sizeBytes: number
  /** Base64 in lines; null: it was asked for raw, or is large. */
  readonly content: string | null
  /** As they are, or, of a large one, base64 as it stands in JSON; null: it is larger than wanted. */
  readonly bytes: Uint8Array | null
}

/** Larger ones are made part of a document where nobody waits for another one. */
const largeBytes = 512 << 10

export async function blobObject(repository: PacedRepository, { name, mostBytes, isRaw }: BlobQuestion): Promise<BlobAnswer> {
  const number = await ofKind(repository, name, Kind.blob)
  const sizeBytes = repository.set.sizeBytes(number)
  const bytes = sizeBytes <= mostBytes ? await repository.objects.read(number) : null
  const oid = idOf(repository, number)
  if (bytes === null) return { oid, sizeBytes, content: null, bytes }
  if (isRaw) return { oid, sizeBytes, content: null, bytes: bytes.slice() } // a view may hold the memory of its neighbours
  if (sizeBytes > largeBytes) return { oid, sizeBytes, content: null, bytes: base64Json(bytes) }
  return { oid, sizeBytes, content: base64Lines(bytes), bytes: null }
}

async function ofKind(repository: PacedRepository, name: Named, kind: Kind): Promise<number> {
  const number = await findNamed(repository, name)
  if (repository.set.kind(number) !== kind) throw noSuchObject(`${name.id} is an object of another kind`)
  return number
}

/** The commit that the name leads to. */
export async function commitOf(repository: PacedRepository, { name }: ObjectQuestion): Promise<ObjectId> {
  return idOf(repository, await findCommit(repository, name))
}

export interface KindsQuestion {
  readonly names: readonly Named[]
}

/** What each name stands for; null: nothing that the caller may see. */
export async function kindsOf(repository: PacedRepository, { names }: KindsQuestion): Promise<(Kind | null)[]> {
  const kinds: (Kind | null)[] = []
  for (const name of names) {
    kinds.push(
      await findNamed(repository, name).then(
        (number) => repository.set.kind(number),
        (error: unknown) => {
          if (error instanceof Error && 'code' in error && error.code === 'no-such-object') return null
          throw error
        },
      ),
    )
  }
  return kinds
}

// An archive as it is asked for: plain data, from the thread with the socket to a worker, and what the two say to each other.
import type { Decoration } from '../format/commit-format.ts'
import type { ObjectId } from '../format/object-id.ts'
import type { ObjectName } from './revision.ts'

export const archiveFormats = ['tar', 'tar.gz', 'zip'] as const
export type ArchiveFormat = (typeof archiveFormats)[number]

export interface ArchiveTask {
  readonly name: ObjectName
  /** Packed ids of all tips and of what they peel to; empty where the name is a tip's. */
  readonly tips: Uint8Array
  readonly format: ArchiveFormat
  /** 0 to 9, or −1 for zlib's own choice. */
  readonly level: number
  /** One character for each byte, as all paths. */
  readonly prefix: string
  readonly pathspecs: readonly string[]
  readonly usesAttributes: boolean
  /** True: tells each path that goes into the archive. */
  readonly tellsPaths: boolean
  readonly umask: number
  /** Seconds since 1970: of every entry; null: the commit's, or `now` for a tree. */
  readonly time: number | null
  readonly now: number
}

/** First, once: what the name stands for. The worker then waits for an ArchiveGo. */
export interface ArchiveHead {
  readonly type: 'head'
  /** Null for a tree that was named without its commit. */
  readonly commit: ObjectId | null
  readonly tree: ObjectId
}

/** A path on its way into the archive, before its bytes. */
export interface ArchivePath {
  readonly type: 'path'
  readonly path: string
}

/** What only the refs can tell of the commit. */
export interface ArchiveGo {
  readonly decorations: readonly Decoration[]
  readonly tags: readonly DescribeTag[]
}

/** A tag that `%(describe)` may name a commit by. */
export interface DescribeTag {
  /** Without refs/tags/. */
  readonly name: string
  /** The tag itself, and the commit that it leads to: the same for a lightweight one. */
  readonly tag: ObjectId
  readonly commit: ObjectId
}

// What the handlers work with, and what a request of theirs is about.
import type { FastifyRequest } from 'fastify'
import type { Package } from '../access/index.ts'
import type { Log, Recent, SharedPlaces } from '../base/index.ts'
import { sqlState } from '../db/index.ts'
import { Refusal } from '../http/index.ts'
import type { ContentReference, ContentStore, ContentUploads } from '../store/index.ts'
import { ociError, ociErrors } from './format/errors.ts'
import type { ManifestLimits } from './format/manifest.ts'
import type { PassParts } from './passes.ts'
import { parseTarget, type Target } from './format/target.ts'
import type { Pulls } from './keeping/pulls.ts'
import { immutableTagFault } from './keeping/tag-rules.ts'
import type { UpstreamOptions } from './upstream/serving.ts'

export interface RegistryLimits {
  /** Of one blob. */
  readonly blobBytes: number
  readonly manifest: ManifestLimits
  /** How many indexes may stand in each other. */
  readonly indexDepth: number
  /** How long a blob stays that no manifest names. */
  readonly leaseMs: number
  readonly concurrentDownloads: number
}

/** Whose blobs clients get from the bucket itself; from how many bytes on, and how long they may begin to. */
export interface RedirectOptions {
  readonly of: 'off' | 'public' | 'all'
  readonly fromBytes: number
  readonly lifetimeMs: number
}

export interface RegistryOptions extends PassParts {
  readonly store: ContentStore
  readonly uploads: ContentUploads
  readonly log: Log
  /** How clients reach the server, when that isn't how they sent the request. */
  readonly publicUrl: string | null
  readonly limits: RegistryLimits
  /** Left out: off. */
  readonly redirects?: RedirectOptions
  /** Where images of others come from; left out: nowhere. */
  readonly upstreams?: UpstreamOptions
}

export interface Registry extends RegistryOptions {
  /** Pulls of blobs at one time: each reads some MiB ahead. */
  readonly downloads: SharedPlaces
  /** By digest, in the order in which they were last pulled. Whoever gets them was found to have them just before. */
  readonly manifestBytes: Recent<Uint8Array>
  /** The same of small blobs, by their contents' digests. */
  readonly smallBlobs: Recent<Uint8Array>
  readonly pulls: Pulls
  /** What goes on behind an answer; waited for when the server stops. */
  readonly background: Set<Promise<void>>
}

/** The kind of the registry's content references; their id is the package's. */
export const ociReferences = 'oci'

export function referenceOf({ id }: Pick<Package, 'id'>): ContentReference {
  return { kind: ociReferences, id: String(id) }
}

const targets = new WeakMap<FastifyRequest, Target>()

/** What the path is about: asked by the gate, before anything else. InputErrors of `parseTarget`, 'no-such-path'. */
export function targetOf(request: FastifyRequest): Target {
  const known = targets.get(request)
  if (known !== undefined) return known
  const { owner, '*': rest } = request.params as { owner: string; '*': string }
  const target = parseTarget(`${owner}/${rest}`)
  if (target === null) throw ociError('no-such-path')
  targets.set(request, target)
  return target
}

/** The same where a method is for some kinds alone; Refusal 405. */
export function targetAmong<K extends Target['kind']>(request: FastifyRequest, kinds: readonly K[]): Extract<Target, { kind: K }> {
  const target = targetOf(request)
  if ((kinds as readonly string[]).includes(target.kind)) return target as Extract<Target, { kind: K }>
  const { status } = ociErrors.unsupported
  throw new Refusal(status, 'unsupported', `${request.method} is not for this path`, {
    headers: { allow: methodsFor(target.kind).join(', ') },
  })
}

function methodsFor(kind: Target['kind']): readonly string[] {
  if (kind === 'manifest') return ['GET', 'HEAD', 'PUT', 'DELETE']
  if (kind === 'blob') return ['GET', 'HEAD', 'DELETE']
  if (kind === 'uploads') return ['POST']
  return kind === 'upload' ? ['GET', 'PATCH', 'PUT', 'DELETE'] : ['GET']
}

/** What a transaction's failure is for the client: the package was deleted under its feet, or it would have moved an immutable tag. */
export function asFault(error: unknown): unknown {
  const immutable = immutableTagFault(error)
  if (immutable !== null) return ociError('denied', immutable)
  return sqlState(error) === '23503' ? ociError('name-unknown') : error
}

export function rethrowFault(error: unknown): never {
  throw asFault(error)
}

/** Runs behind the answer; what fails is logged and nothing else. */
export function inBackground(registry: Registry, what: string, work: () => Promise<void>): void {
  const running = work()
    .catch((error: unknown) => registry.log.warn({ err: error }, `${what} failed`))
    .finally(() => registry.background.delete(running))
  registry.background.add(running)
}

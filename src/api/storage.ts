// /repos/{owner}/{repo}/storage and /storage: what is stored, in bytes, and what is saved by which way. Ours; docs/design/storage.md says what each figure is.
import type { FastifyRequest } from 'fastify'
import { may, onRepository, onSelf, repositoryOf } from '../access/index.ts'
import type { BucketRequests } from '../bucket/index.ts'
import type { GitTotals, NetworkStorage } from '../git/index.ts'
import { Refusal, type Routes } from '../http/index.ts'
import type { ContentTotals } from '../store/index.ts'
import type { ApiOptions } from './index.ts'
import { ErrorJson, RepositoryParams } from './schemas.ts'
import { type GitStorageJson, RepositoryStorageJson, ServerStorageJson } from './storage-schemas.ts'

/** Where the figures come from. */
export interface StorageFigures {
  readonly ofNetwork: (networkId: string) => Promise<NetworkStorage>
  readonly ofGit: () => Promise<GitTotals>
  readonly ofContent: () => Promise<ContentTotals>
  /** What this process has asked of the bucket since it began. */
  readonly requests: () => BucketRequests
}

const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson }

export function registerStorage(routes: Routes, { storage }: ApiOptions): void {
  const ofRepository = {
    tags: ['Repository'],
    summary: 'What the repository stores, and what is saved by which way (Stemma’s own)',
    params: RepositoryParams,
    response: { 200: RepositoryStorageJson, ...errors },
  }
  const access = onRepository('repository:administer')
  routes.get('/repos/:owner/:repo/storage', { config: { access }, schema: ofRepository }, async (request) => {
    const { isShared, networkId } = repositoryOf(request)
    if (isShared && !mayReadServer(request)) throw new Refusal(403, 'forbidden', sharedStore)
    return { shared_with_forks: isShared, ...gitJson(await storage.ofNetwork(networkId)) }
  })

  const ofServer = { tags: ['Server'], summary: 'What the server stores (Stemma’s own)', response: { 200: ServerStorageJson, ...errors } }
  routes.get('/storage', { config: { access: onSelf('server:read') }, schema: ofServer }, async () => {
    const [git, content] = await Promise.all([storage.ofGit(), storage.ofContent()])
    const storedBytes = content.segmentBytes + content.tailBytes + content.recipeBytes + content.wholeBytes
    return {
      git: { networks: git.networkCount, networks_counted: git.countedNetworks, ...gitJson(git) },
      content: {
        contents: content.contentCount,
        chunks: content.chunkCount,
        segments: content.segmentCount,
        logical_bytes: content.logicalBytes,
        stored_bytes: {
          total: storedBytes,
          segments: content.segmentBytes,
          tails: content.tailBytes,
          recipes: content.recipeBytes,
          whole: content.wholeBytes,
          uploads: content.uploadBytes,
        },
        keys: content.keyCount + content.wholeKeyCount,
        saved_bytes: { dedup_and_compression: content.logicalBytes - storedBytes },
      },
      requests: requestsJson(storage.requests()),
    }
  })
}

/** Also a stranger's fork of it administers that: how many objects there are, and how many twice, would tell him what others keep in private. */
const sharedStore = 'Its store is shared with forks: only who administers the server is told its figures'

function mayReadServer({ identity }: FastifyRequest): boolean {
  return (
    identity.kind === 'account' &&
    may(identity, 'server:read', { kind: 'account', accountId: identity.accountId, accountKind: 'user', role: null })
  )
}

function gitJson({ stored, sums }: NetworkStorage): GitStorageJson {
  const { packBytes, indexBytes, tailBytes, historyBytes, pathTableBytes } = stored
  return {
    objects: sums.objectCount,
    logical_bytes: sums.logicalBytes,
    stored_bytes: {
      total: packBytes + indexBytes + tailBytes + historyBytes + pathTableBytes,
      packs: packBytes,
      indexes: indexBytes,
      tails: tailBytes,
      histories: historyBytes,
      path_tables: pathTableBytes,
    },
    packs: stored.packCount,
    keys: stored.keyCount,
    saved_bytes: { delta: sums.deltaBytes - sums.deltaStoredBytes, compression: sums.wholeBytes - sums.wholeStoredBytes },
    copies: { objects: sums.copyCount, stored_bytes: sums.copyStoredBytes },
  }
}

function requestsJson({ bytesIn, bytesOut, ...counts }: BucketRequests) {
  return { ...counts, bytes_written: bytesIn, bytes_read: bytesOut }
}

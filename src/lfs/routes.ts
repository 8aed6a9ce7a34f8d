// Git LFS over HTTP (git-lfs docs/api): which URL does what, and who may. Invariants: docs/design/lfs.md.
import type { FastifyRequest } from 'fastify'
import { onRepository } from '../access/index.ts'
import { type Clock, type Log, SharedPlaces } from '../base/index.ts'
import type { Database } from '../db/index.ts'
import type { Listener } from '../http/index.ts'
import type { ContentStore } from '../store/index.ts'
import { CallerPlaces } from './caller-places.ts'
import { lfsForm, sendJson } from './answers.ts'
import { answerBatch } from './batch.ts'
import { operationOf } from './format/batch.ts'
import { list, listForPush, lock, unlock } from './locks.ts'
import { download, type TransferParts, upload, verify } from './transfers.ts'

export interface LfsOptions {
  readonly db: Database
  readonly store: ContentStore
  readonly clock: Clock
  readonly log: Log
  /** How clients reach the server, when that isn't how they sent the request. */
  readonly publicUrl: string | null
  readonly limits: { readonly objectBytes: number; readonly concurrentDownloads: number; readonly requestTimeoutMs: number }
}

const access = {
  // The operation stands in the body and nowhere else.
  batch: onRepository(
    {
      of: (request: FastifyRequest) => (operationOf(request.body) === 'upload' ? 'repository:push' : 'repository:read'),
      examples: { 'repository:read': '', 'repository:push': '' },
    },
    'body',
  ),
  read: onRepository('repository:read'),
  push: onRepository('repository:push'),
}

const base = '/:owner/:repo.git/info/lfs'
const statusOf = { 'digest-mismatch': 422, 'size-mismatch': 422, 'quota-exceeded': 507 }

export function registerLfs(listener: Listener, options: LfsOptions): void {
  const parts: TransferParts = { ...options, downloads: new SharedPlaces(options.limits.concurrentDownloads), uploads: new CallerPlaces() }
  listener.room({ form: lfsForm, challenge: true, body: 'json', statusOf, rate: 'git' }, (routes) => {
    routes.post(`${base}/objects/batch`, { config: { access: access.batch } }, async (request, reply) =>
      sendJson(reply, 200, await answerBatch(parts, request)),
    )
    routes.post(`${base}/verify`, { config: { access: access.push } }, async (request, reply) => verify(parts, request, reply))
    routes.post(`${base}/locks`, { config: { access: access.push } }, async (request, reply) => lock(parts, request, reply))
    routes.get(`${base}/locks`, { config: { access: access.read } }, async (request, reply) => list(parts, request, reply))
    routes.post(`${base}/locks/verify`, { config: { access: access.push } }, async (request, reply) => listForPush(parts, request, reply))
    routes.post(`${base}/locks/:id/unlock`, { config: { access: access.push } }, async (request, reply) => unlock(parts, request, reply))
  })
  // Bodies of any type: clients guess it from the file.
  listener.room({ form: lfsForm, challenge: true, body: { raw: /^/ }, statusOf, rate: 'git' }, (routes) => {
    routes.put(`${base}/objects/:oid`, { config: { access: access.push } }, async (request, reply) => upload(parts, request, reply))
    const get = { config: { access: access.read }, exposeHeadRoute: false }
    routes.get(`${base}/objects/:oid`, get, async (request, reply) => download(parts, request, reply))
  })
}

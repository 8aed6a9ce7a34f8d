// The npm registry over HTTP: which path does what, and who may. Paths, names and invariants: docs/design/npm.md.
import { SharedPlaces } from '../base/index.ts'
import type { Listener, RoomOptions, Routes } from '../http/index.ts'
import { Downloads, SmallContents } from '../packages/index.ts'
import { askForCodes } from './account/otp.ts'
import type { AccountParts } from './account/parts.ts'
import { registerAccount } from './account/routes.ts'
import { AdvisoryFile } from './audit/advisory-file.ts'
import { registerAudit } from './audit/routes.ts'
import { npmStatuses } from './format/errors.ts'
import { npmForm, sendJson } from './protocol/form.ts'
import { registryPrefixes } from './protocol/targets.ts'
import { registerDistTags } from './publish/dist-tags.ts'
import { registerWrites } from './publish/routes.ts'
import { Documents } from './read/documents.ts'
import { registerReads, registerTargets } from './read/routes.ts'
import { SearchIndex } from './read/search-index.ts'
import { Signer } from './read/signer.ts'
import type { NpmOptions, NpmRegistry } from './registry.ts'
import { registerStaged } from './staged/routes.ts'
import { registerExchange, registerTrust } from './trust/routes.ts'
import { NpmUpstreams } from './upstream/serving.ts'

/** Of small tarballs, and of documents, in memory. */
const keptBytes = { tarballs: 32 << 20, documents: 64 << 20 }
/** Tarballs up to this size are sent out of memory: of real trees nine of ten. */
const smallBytes = 128 << 10
/** At one time. */
const largeDocuments = 8

export function registerNpm(listener: Listener, options: NpmOptions): void {
  const { db, log, sealer, store, limits } = options
  const signer = new Signer(db, sealer, log)
  const downloads = new Downloads(db, log)
  const registry: NpmRegistry = {
    ...options,
    background: new Set(),
    largeDocuments: new SharedPlaces(largeDocuments),
    downloads,
    sending: {
      store,
      log,
      places: new SharedPlaces(limits.concurrentDownloads),
      small: new SmallContents(store, { mostBytes: smallBytes, keptBytes: keptBytes.tarballs }),
    },
    signer,
    documents: new Documents(db, signer, keptBytes.documents),
    search: new SearchIndex(db),
    upstreams: new NpmUpstreams({ ...options, downloads }, options.upstreamOptions),
  }
  // Bodies of any type: what is published is read as it comes.
  const room: RoomOptions = { prefix: '/npm', form: npmForm, challenge: true, body: { raw: /^/ }, statusOf: npmStatuses, rate: 'git' }
  listener.room(room, (routes) => {
    routes.addHook('onClose', async () => {
      await registry.upstreams.close()
      await Promise.all([...registry.background, registry.downloads.write()])
    })
    for (const prefix of registryPrefixes) {
      registerFixed(routes, prefix)
      registerReads(routes, registry, prefix)
      registerDistTags(routes, registry, prefix)
    }
    registerTargets(routes, registry)
    registerWrites(routes, registry)
    registerPeople(routes, registry)
  })
  // clients ask for it at the root of the host, whatever the registry's path is
  listener.room({ ...room, prefix: '' }, (routes) => registerExchange(routes, accountParts(registry), ''))
}

/** Who calls, and who may. */
function registerPeople(routes: Routes, registry: NpmRegistry): void {
  const { clock, log, limits, people, upstreams } = registry
  const parts = accountParts(registry)
  askForCodes(routes, parts)
  registerAccount(routes, parts)
  registerTrust(routes, parts)
  registerStaged(routes, { registry, asking: parts, randomness: people.randomness })
  const advisories = people.advisories === null ? null : new AdvisoryFile(people.advisories, { clock, log })
  registerAudit(routes, {
    advisories,
    bodyBytes: limits.documentBytes,
    askUpstreams: (request, versions) => {
      const { owner = null } = request.params as { readonly owner?: string }
      return upstreams.questions.advisories(request.identity, { owner, root: registry.root }, versions)
    },
  })
}

function accountParts({ db, clock, publicUrl, root, people }: NpmRegistry): AccountParts {
  return { ...people, db, clock, publicUrl, root }
}

function registerFixed(routes: Routes, prefix: string): void {
  routes.get(`${prefix}/-/ping`, { config: { access: 'public' } }, async (_request, reply) => sendJson(reply, 200, {}))
}

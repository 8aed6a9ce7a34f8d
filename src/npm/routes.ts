// The npm registry over HTTP: which path does what, and who may. Paths, names and invariants: docs/design/npm.md.
import { Recent, SharedPlaces } from '../base/index.ts'
import type { Listener, RoomOptions, Routes } from '../http/index.ts'
import { Downloads } from '../packages/index.ts'
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
import type { NpmOptions, NpmRegistry } from './registry.ts'
import { registerExchange, registerTrust } from './trust/routes.ts'

/** Of small tarballs, in memory. */
const keptBytes = 64 << 20

export function registerNpm(listener: Listener, options: NpmOptions): void {
  const registry: NpmRegistry = {
    ...options,
    places: new SharedPlaces(options.limits.concurrentDownloads),
    downloads: new Downloads(options.db, options.log),
    background: new Set(),
    smallTarballs: new Recent<Uint8Array>(keptBytes),
  }
  // Bodies of any type: what is published is read as it comes.
  const room: RoomOptions = { prefix: '/npm', form: npmForm, challenge: true, body: { raw: /^/ }, statusOf: npmStatuses, rate: 'git' }
  listener.room(room, (routes) => {
    routes.addHook('onClose', async () => void (await Promise.all([...registry.background, registry.downloads.close()])))
    for (const prefix of registryPrefixes) {
      registerFixed(routes, prefix)
      registerDistTags(routes, registry, prefix)
    }
    registerWrites(routes, registry)
    registerPeople(routes, registry)
  })
  // clients ask for it at the root of the host, whatever the registry's path is
  listener.room({ ...room, prefix: '' }, (routes) => registerExchange(routes, accountParts(registry), ''))
}

/** Who calls, and who may. */
function registerPeople(routes: Routes, registry: NpmRegistry): void {
  const { clock, log, limits, people } = registry
  const parts = accountParts(registry)
  askForCodes(routes, parts)
  registerAccount(routes, parts)
  registerTrust(routes, parts)
  const advisories = people.advisories === null ? null : new AdvisoryFile(people.advisories, { clock, log })
  registerAudit(routes, { advisories, bodyBytes: limits.documentBytes })
}

function accountParts({ db, clock, publicUrl, root, people }: NpmRegistry): AccountParts {
  return { ...people, db, clock, publicUrl, root }
}

function registerFixed(routes: Routes, prefix: string): void {
  routes.get(`${prefix}/-/ping`, { config: { access: 'public' } }, async (_request, reply) => sendJson(reply, 200, {}))
}

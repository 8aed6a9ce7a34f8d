// A package as webhooks tell of it, in the shape of GitHub's `package` and `registry_package` events.
import { findAccountById, type Package } from '../access/index.ts'
import type { Queries } from '../db/index.ts'
import type { FormatRoom, ToldFacts } from '../packages/index.ts'
import { ownerJson, timeJson } from './documents.ts'

/** @param told what the outbox says of what happened to it */
export async function hookPackage(queries: Queries, origin: string, room: FormatRoom, one: Package, told: ToldFacts) {
  const owner = await findAccountById(queries, one.ownerId)
  const { registry } = room
  const type = room.type.toUpperCase()
  return {
    id: one.id,
    name: one.name,
    namespace: one.ownerLogin,
    description: null,
    ecosystem: type,
    package_type: type,
    visibility: one.visibility,
    html_url: `${origin}/${one.ownerLogin}/${one.name}`,
    created_at: timeJson(one.createdAt),
    updated_at: timeJson(one.updatedAt),
    owner: owner === null ? null : ownerJson(origin, owner),
    package_version: await room.toldVersion(queries, origin, one, told),
    registry: { about_url: origin, name: registry.name, type: registry.type, url: `${origin}${registry.path}`, vendor: 'Stemma' },
  }
}

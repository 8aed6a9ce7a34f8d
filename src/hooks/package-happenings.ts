// What happens to packages, as GitHub's events `package` and `registry_package`: the same twice, under two names, as GitHub sends it.
import {
  type AccountId,
  findAccountById,
  findPackageById,
  findRepositoryById,
  type Package,
  type PackageId,
  type RepositoryId,
} from '../access/index.ts'
import type { OutboxRow } from '../jobs/index.ts'
import type { HookEvent } from './format/events.ts'
import type { HookRoom } from './hook-room.ts'
import { packageEvent, packageEvents, type PackageSurroundings } from './payloads.ts'

type Told = Readonly<Record<string, unknown>>

/** GitHub knows the first two; the others are ours. `package.created` is told by what is published in it. */
const actions: Readonly<Record<string, 'published' | 'updated' | 'untagged' | 'deleted'>> = {
  'package.published': 'published',
  'package.updated': 'updated',
  'package.tagged': 'updated',
  'package.deprecated': 'updated',
  'package.untagged': 'untagged',
  'package.deleted': 'deleted',
}

export function isOfPackage({ kind }: OutboxRow): boolean {
  return kind.startsWith('package.')
}

/** Whose hooks hear of it: those of the linked repository (and its owner's), or else the owner's alone. */
export function packageHeardAt({
  repositoryId,
  payload,
}: OutboxRow): { readonly repositoryId: number } | { readonly accountId: number } | null {
  if (repositoryId !== null) return { repositoryId }
  const { ownerId } = payload as Told
  return typeof ownerId === 'number' ? { accountId: ownerId } : null
}

/** Of a package that is gone by now only its deletion is told, and what else the row says of it. */
export async function* eventsOfPackage(
  room: HookRoom,
  row: OutboxRow,
  wants: (event: string) => boolean,
): AsyncGenerator<HookEvent, void, undefined> {
  const action = actions[row.kind]
  const wanted = packageEvents.filter(wants)
  if (action === undefined || wanted.length === 0) return
  const told = row.payload as Told
  const about = await aboutPackage(room, row)
  const one = await findPackageById(room.db.queries, told.packageId as PackageId)
  if (about === null || (one === null && action !== 'deleted')) return
  const document = one === null ? { id: told.packageId, name: told.name, owner: about.owner } : await room.documents.package(one, told)
  for (const event of wanted) yield packageEvent(about, event, action, nameOf(one, told), document)
}

async function aboutPackage(room: HookRoom, { repositoryId, payload }: OutboxRow): Promise<PackageSurroundings | null> {
  const { db, documents } = room
  const { account, ownerId } = payload as Told
  const owner = await findAccountById(db.queries, ownerId as AccountId)
  if (owner === null) return null
  const sender = typeof account === 'number' ? await findAccountById(db.queries, account as AccountId) : null
  const repository = repositoryId === null ? null : await findRepositoryById(db.queries, repositoryId as RepositoryId)
  return {
    owner: documents.account(owner),
    ...(repository === null ? {} : { repository: await documents.repository(repository) }),
    ...(owner.kind === 'organization' ? { organization: documents.organization(owner) } : {}),
    sender: documents.account(sender ?? owner),
  }
}

function nameOf(one: Package | null, { owner, name }: Told): string {
  return one === null ? `${String(owner)}/${String(name)}` : `${one.ownerLogin}/${one.name}`
}

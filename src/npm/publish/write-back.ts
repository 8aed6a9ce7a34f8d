// Packuments that clients write back: deprecation, and what isn't there any more. npm reads the document (`?write=true`), changes it, and sends all of it again.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { actorOf, deletePackageIn, may, type Package, packageOf, packageResourceOf } from '../../access/index.ts'
import { InputError } from '../../base/index.ts'
import type { Tx } from '../../db/index.ts'
import { Refusal } from '../../http/index.ts'
import { changeOwners } from '../account/owners.ts'
import type { NpmName } from '../format/names.ts'
import type { NpmTarget } from '../format/path.ts'
import { sendJson } from '../protocol/form.ts'
import type { NpmRegistry } from '../registry.ts'
import { changing, type LockedPackage, removeTags, removeVersions, setDeprecations, setTags } from './change-rows.ts'
import { assertTags, deprecationsIn, removedIn, type Written } from './packument-changes.ts'
import { readPackument } from './publication.ts'

/** PUT of a document without a tarball: what is said of versions changes; tags too, where the document says which state of the package it is of. */
export async function writeBack(
  registry: NpmRegistry,
  request: FastifyRequest,
  reply: FastifyReply,
  name: NpmName,
  document: unknown,
): Promise<FastifyReply> {
  const written = readPackument(document, name)
  const one = packageOf(request)
  if (written.versions === null && written.tags === null)
    throw new InputError(
      'unsupported',
      'A document that is written back says something of versions or tags; nothing else of it can be changed',
    )
  const actor = actorOf(request)
  await changing(registry.db, one, written.revision, async (tx, locked) => {
    const isDeprecated = await setDeprecations(tx, locked, deprecationsIn(locked.versions, written), actor)
    const isTagged = written.revision !== null && (await replaceTags(tx, locked, written, [], actor))
    return isDeprecated || isTagged
  })
  return sendDone(reply, one)
}

/** PUT NAME/-rev/REV: versions that the document has no more are unpublished, which takes more than publishing. */
export async function writeRevision(
  registry: NpmRegistry,
  request: FastifyRequest,
  reply: FastifyReply,
  { name, revision }: Extract<NpmTarget, { kind: 'revision' }>,
  document: unknown,
): Promise<FastifyReply> {
  const written = readPackument(document, name)
  const one = packageOf(request)
  const isOfOwners = written.versions === null && written.tags === null && 'maintainers' in written.packument
  if (isOfOwners) return changeOwners(registry, request, reply, { one, body: written.packument })
  const actor = actorOf(request)
  await changing(registry.db, one, revision, async (tx, locked) => {
    const gone = removedIn(locked.versions, written)
    if (gone.length > 0) assertMayDelete(request, one)
    if (gone.length > 0 && gone.length === locked.versions.length) return deletePackageIn(tx, one.id, actor)
    const isRemoved = await removeVersions(tx, locked, gone, actor)
    const isDeprecated = await setDeprecations(tx, locked, deprecationsIn(locked.versions, written), actor)
    const isTagged = await replaceTags(tx, locked, written, gone, actor)
    return isRemoved || isDeprecated || isTagged
  })
  return sendDone(reply, one)
}

/** DELETE NAME/-/FILE/-rev/REV: of a version that was unpublished just before nothing is left; another one goes. */
export async function deleteTarball(
  registry: NpmRegistry,
  request: FastifyRequest,
  reply: FastifyReply,
  { file, revision }: Extract<NpmTarget, { kind: 'tarball-revision' }>,
): Promise<FastifyReply> {
  const one = packageOf(request)
  const actor = actorOf(request)
  await changing(registry.db, one, revision, async (tx, locked) => {
    const found = locked.versions.find((version) => version.file === file)
    if (found === undefined) return false
    if (locked.versions.length === 1) return deletePackageIn(tx, one.id, actor)
    return removeVersions(tx, locked, [found.version], actor)
  })
  return sendDone(reply, one)
}

/** DELETE NAME/-rev/REV: all of it. */
export async function deleteWhole(
  registry: NpmRegistry,
  request: FastifyRequest,
  reply: FastifyReply,
  { revision }: Extract<NpmTarget, { kind: 'revision' }>,
): Promise<FastifyReply> {
  const one = packageOf(request)
  const actor = actorOf(request)
  await changing(registry.db, one, revision, (tx) => deletePackageIn(tx, one.id, actor))
  return sendDone(reply, one)
}

/** Those that the document has not, go, but `latest`. */
async function replaceTags(
  tx: Tx,
  { tags, versions, one }: LockedPackage,
  written: Written,
  gone: readonly string[],
  actor: ReturnType<typeof actorOf>,
): Promise<boolean> {
  if (written.tags === null) return false
  const left = versions.filter(({ version }) => !gone.includes(version))
  // tags that lead to what has gone are gone with it
  const locked = { one, versions: left, tags: new Map([...tags].filter(([, version]) => !gone.includes(version))) }
  const wanted = assertTags(
    written.tags,
    left.map(({ version }) => version),
  )
  const untagged = [...locked.tags.keys()].filter((tag) => tag !== 'latest' && !wanted.has(tag))
  const isSet = await setTags(tx, locked, wanted, actor)
  return (await removeTags(tx, locked, untagged, actor)) || isSet
}

function assertMayDelete({ identity }: FastifyRequest, one: Package): void {
  if (!may(identity, 'package:delete', packageResourceOf(one)))
    throw new Refusal(403, 'forbidden', 'You may publish here, but to unpublish takes the role admin, and a token with package:admin')
}

function sendDone(reply: FastifyReply, { name }: Package): FastifyReply {
  return sendJson(reply, 200, { ok: true, success: true, id: name })
}

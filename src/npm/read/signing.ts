// What clients check signatures with: the registry's public keys, and what is attested of a version (docs.npmjs.com, About registry signatures).
import type { FastifyReply, FastifyRequest } from 'fastify'
import { packageOf } from '../../access/index.ts'
import { notFound } from '../../http/index.ts'
import { type NpmName, parseName } from '../format/names.ts'
import { keyType } from '../format/signature.ts'
import { parseVersion } from '../format/versions.ts'
import { sendJson } from '../protocol/form.ts'
import type { NpmRegistry } from '../registry.ts'
import { cachedName } from '../upstream/cached-name.ts'
import { publicKeys } from './signing-keys.ts'

/** GET -/npm/v1/keys. A server that has signed nothing yet makes its key now: who asks may pin it. */
export async function getKeys(
  { db, signer, root, upstreams }: NpmRegistry,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { owner } = request.params as { readonly owner?: string }
  await signer.key()
  const keys = (await publicKeys(db)).map(({ keyid, key, expiresAt }) => ({
    expires: expiresAt?.toISOString() ?? null,
    keyid,
    keytype: keyType,
    scheme: keyType,
    key,
  }))
  const others = (await upstreams.questions.keys(request.identity, owner ?? root)).filter(
    ({ keyid }) => !keys.some((own) => own.keyid === keyid),
  )
  return sendJson(reply, 200, { keys: [...keys, ...others] })
}

/** Of `name@version`; there is nothing under a name alone. Refusal 404. */
export function attestedVersion(text: string): { readonly name: NpmName; readonly version: string } {
  const at = text.indexOf('@', 1)
  const name = parseName(at < 0 ? text : text.slice(0, at))
  if (name === null) throw notFound()
  return { name, version: at < 0 ? '' : text.slice(at + 1) }
}

/** GET -/npm/v1/attestations/NAME@VERSION: the bundles as they came. */
export async function getAttestations(
  { db, upstreams }: NpmRegistry,
  request: FastifyRequest,
  reply: FastifyReply,
  { name, version }: { readonly name: NpmName; readonly version: string },
): Promise<FastifyReply> {
  const cached = cachedName(request, { name })
  if (cached !== null) {
    const answer = parseVersion(version) === null ? null : await upstreams.questions.attestations(cached, version)
    if (answer === null) throw notFound()
    return sendJson(reply, 200, answer)
  }
  const rows = await db.queries
    .selectFrom('npm_attestation')
    .innerJoin('package_version', 'package_version.id', 'npm_attestation.version_id')
    .where('package_version.package_id', '=', packageOf(request).id)
    .where('package_version.version', '=', version)
    .orderBy('npm_attestation.predicate_type')
    .select(['npm_attestation.predicate_type', 'npm_attestation.bundle'])
    .execute()
  if (rows.length === 0) throw notFound()
  const attestations = rows.map((row) => ({ predicateType: row.predicate_type, bundle: JSON.parse(row.bundle) as unknown }))
  return sendJson(reply, 200, { attestations })
}

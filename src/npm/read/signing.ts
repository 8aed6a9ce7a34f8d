// What clients check signatures with: the registry's public keys, and what is attested of a version (docs.npmjs.com, About registry signatures).
import type { FastifyReply, FastifyRequest } from 'fastify'
import { packageOf } from '../../access/index.ts'
import { notFound } from '../../http/index.ts'
import { type NpmName, parseName } from '../format/names.ts'
import { keyType } from '../format/signature.ts'
import { sendJson } from '../protocol/form.ts'
import type { NpmRegistry } from '../registry.ts'
import { publicKeys } from './signing-keys.ts'

/** GET -/npm/v1/keys. A server that has signed nothing yet makes its key now: who asks may pin it. */
export async function getKeys({ db, signer }: NpmRegistry, reply: FastifyReply): Promise<FastifyReply> {
  await signer.key()
  const keys = (await publicKeys(db)).map(({ keyid, key, expiresAt }) => ({
    expires: expiresAt?.toISOString() ?? null,
    keyid,
    keytype: keyType,
    scheme: keyType,
    key,
  }))
  return sendJson(reply, 200, { keys })
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
  { db }: NpmRegistry,
  request: FastifyRequest,
  reply: FastifyReply,
  version: string,
): Promise<FastifyReply> {
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

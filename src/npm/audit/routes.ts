// `npm audit`: which of the versions that a client names are known to be bad (docs/design/npm-access.md, "Advisories").
import type { FastifyReply, FastifyRequest } from 'fastify'
import { onRegistry } from '../../access/index.ts'
import { Refusal, type Routes } from '../../http/index.ts'
import { type Advisory, advisoryJson } from '../format/advisories.ts'
import { type AskedVersions, formatAudit, parseBulk, parseTree } from '../format/audit-tree.ts'
import { sendJson } from '../protocol/form.ts'
import { readObject } from '../protocol/json-body.ts'
import { registryPrefixes } from '../protocol/targets.ts'
import type { AdvisoryFile, KnownAdvisory } from './advisory-file.ts'

export interface AuditParts {
  /** Null: the operator has given none. */
  readonly advisories: AdvisoryFile | null
  readonly bodyBytes: number
}

export function registerAudit(routes: Routes, parts: AuditParts): void {
  const config = { access: onRegistry('registry:read') }
  for (const prefix of registryPrefixes) {
    const path = `${prefix}/-/npm/v1/security`
    routes.post(`${path}/advisories/bulk`, { config }, (request, reply) => bulk(parts, request, reply))
    for (const way of ['audits', 'audits/quick'])
      routes.post(`${path}/${way}`, { config }, (request, reply) => quick(parts, request, reply))
  }
}

/** Bodies come gzipped. */
async function bulk(parts: AuditParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const asked = parseBulk(await readObject(request, parts.bodyBytes))
  const answer: Record<string, unknown[]> = {}
  for (const { advisory } of matching(await known(parts), asked)) (answer[advisory.name] ??= []).push(advisoryJson(advisory))
  return sendJson(reply, 200, answer)
}

async function quick(parts: AuditParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const asked = parseTree(await readObject(request, parts.bodyBytes))
  return sendJson(reply, 200, formatAudit(asked, matching(await known(parts), asked)))
}

/** Refusal 404: an answer without advisories would be taken for good news. */
async function known({ advisories }: AuditParts): Promise<ReadonlyMap<string, readonly KnownAdvisory[]>> {
  if (advisories === null)
    throw new Refusal(404, 'no-advisories', 'This registry knows no advisories: its operator has given none (npm.advisories)')
  return advisories.byName()
}

function matching(
  known: ReadonlyMap<string, readonly KnownAdvisory[]>,
  asked: AskedVersions,
): { readonly advisory: Advisory; readonly versions: readonly string[] }[] {
  return [...asked].flatMap(([name, versions]) =>
    (known.get(name) ?? []).flatMap((advisory) => {
      const bad = [...versions.keys()].filter((version) => advisory.range.has(version))
      return bad.length === 0 ? [] : [{ advisory, versions: bad }]
    }),
  )
}

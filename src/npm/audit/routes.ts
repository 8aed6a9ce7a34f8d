// `npm audit`: which of the versions that a client names are known to be bad (docs/design/npm-access.md, "Advisories").
import type { FastifyReply, FastifyRequest } from 'fastify'
import { onRegistry } from '../../access/index.ts'
import { InputError } from '../../base/index.ts'
import { Refusal, type Routes } from '../../http/index.ts'
import { type Advisory, advisoryJson, parseAdvisories, VersionRange } from '../format/advisories.ts'
import { type AskedVersions, formatAudit, parseBulk, parseTree } from '../format/audit-tree.ts'
import { sendJson } from '../protocol/form.ts'
import { readObject } from '../protocol/json-body.ts'
import { registryPrefixes } from '../protocol/targets.ts'
import type { AdvisoryFile, KnownAdvisory } from './advisory-file.ts'

export interface AuditParts {
  /** Null: the operator has given none. */
  readonly advisories: AdvisoryFile | null
  /** What upstreams say of what comes from them (npm-upstream.md), by name; null: none of them says anything. */
  readonly askUpstreams: (
    request: FastifyRequest,
    versions: ReadonlyMap<string, readonly string[]>,
  ) => Promise<ReadonlyMap<string, readonly unknown[]> | null>
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
  for (const { advisory } of matching(await known(parts, request, asked), asked))
    (answer[advisory.name] ??= []).push(advisoryJson(advisory))
  return sendJson(reply, 200, answer)
}

async function quick(parts: AuditParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const asked = parseTree(await readObject(request, parts.bodyBytes))
  return sendJson(reply, 200, formatAudit(asked, matching(await known(parts, request, asked), asked)))
}

/** Refusal 404: an answer without advisories would be taken for good news. */
async function known(
  { advisories, askUpstreams }: AuditParts,
  request: FastifyRequest,
  asked: AskedVersions,
): Promise<ReadonlyMap<string, readonly KnownAdvisory[]>> {
  const versions = new Map([...asked].map(([name, ofName]) => [name, [...ofName.keys()]]))
  const told = await askUpstreams(request, versions)
  if (advisories === null && told === null)
    throw new Refusal(404, 'no-advisories', 'This registry knows no advisories: its operator has given none (npm.advisories)')
  const own = await (advisories?.byName() ?? new Map<string, readonly KnownAdvisory[]>())
  if (told === null) return own
  const both = new Map(own)
  for (const [name, list] of told) {
    const here = both.get(name) ?? []
    const more = list.flatMap((one) => advisoryOf(name, one)).filter(({ id }) => !here.some((other) => other.id === id))
    both.set(name, [...here, ...more])
  }
  return both
}

/** None where an upstream's is not one. */
function advisoryOf(name: string, told: unknown): KnownAdvisory[] {
  try {
    return parseAdvisories({ ...(told as object), name }).map((advisory) => ({ ...advisory, range: new VersionRange(advisory) }))
  } catch (error) {
    if (error instanceof InputError) return []
    throw error
  }
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

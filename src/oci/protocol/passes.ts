// Docker's token authentication (distribution, docs/spec/auth/{token,oauth}.md): the endpoint where clients get passes for
// what they may. docs/design/packages.md.
import type { FastifyReply, FastifyRequest } from 'fastify'
import {
  admitToPackage,
  type Action,
  anonymous,
  bearerOf,
  hashToken,
  type Identity,
  isRegistryToken,
  makeFindPackageCall,
  type PackageAccess,
  sentToken,
} from '../../access/index.ts'
import { Refusal, requestBody, type Routes } from '../../http/index.ts'
import { tokenPath } from './challenge.ts'
import { parseWantedScopes, type WantedScope } from '../format/scopes.ts'
import type { RegistryOptions } from '../registry.ts'

type PassParts = Pick<RegistryOptions, 'db' | 'clock' | 'tokens' | 'failures'>

const formBytes = 65_536

const actionOf: Readonly<Record<PackageAccess['actions'][number], Action>> = {
  pull: 'package:read',
  push: 'package:write',
  delete: 'package:delete',
}

/** In the registry's room. */
export function registerPasses(routes: Routes, parts: PassParts): void {
  const give = new PassDesk(parts)
  routes.get(tokenPath, { config: { access: 'public' }, exposeHeadRoute: false }, async (request, reply) => {
    const { scope, offline_token: isOffline } = request.query as Record<string, unknown>
    const sent = sentToken(request.headers)
    const secret = sent === null || sent === 'malformed' || sent.carrier === 'cookie' ? null : sent.token
    if (secret !== null && isRegistryToken(secret)) throw new Refusal(401, 'bad-credentials', 'A pass gets no other pass: send your token')
    const identity = secret === null ? anonymous : request.identity
    return give.answer(reply, { identity, secret, scopes: textsOf(scope), isOffline: isOffline === 'true' })
  })
  routes.post(tokenPath, { config: { access: 'public' } }, async (request, reply) => {
    const form = await readForm(request)
    const { secret, isOffline } = secretOf(form)
    const identity = await bearerOf({ queries: parts.db.queries, clock: parts.clock, failures: parts.failures }, secret, request.ip)
    return give.answer(reply, { identity, secret, scopes: form.getAll('scope'), isOffline })
  })
}

interface Wanted {
  readonly identity: Identity
  readonly secret: string | null
  readonly scopes: readonly string[]
  /** The client wants something to show next time, in the place of a password. */
  readonly isOffline: boolean
}

class PassDesk {
  readonly #parts: PassParts
  readonly #find = makeFindPackageCall()

  constructor(parts: PassParts) {
    this.#parts = parts
  }

  async answer(reply: FastifyReply, { identity, secret, scopes, isOffline }: Wanted): Promise<FastifyReply> {
    const wanted = parseWantedScopes(scopes)
    if (wanted === null) throw new Refusal(400, 'bad-scope', 'These are too many scopes for one token')
    const hash = secret === null ? null : hashToken(secret)
    const packages = await this.#granted(identity, hash, wanted)
    const { tokens } = this.#parts
    const { token, issuedAt } = tokens.issue({ hash, packages })
    const facts = { token, access_token: token, expires_in: tokens.lifetimeSeconds, issued_at: issuedAt.toISOString() }
    const scope = packages.map(({ name, actions }) => `repository:${name}:${actions.join(',')}`).join(' ')
    return reply
      .header('cache-control', 'no-store')
      .send({ ...facts, scope, ...(isOffline && secret !== null ? { refresh_token: secret } : {}) })
  }

  /** Of each scope what the caller may at this moment; names of which he may nothing are left out, whether they are there or not. */
  async #granted(identity: Identity, hash: Uint8Array | null, wanted: readonly WantedScope[]): Promise<readonly PackageAccess[]> {
    const granted: PackageAccess[] = []
    for (const { name, actions } of wanted) {
      const call = await this.#find(this.#parts.db, hash, { format: 'oci', owner: name.owner, name: name.image })
      const meant = { target: call.target, name: { format: 'oci', owner: name.owner, name: name.image } } as const
      const may = (action: Action) => admitToPackage(identity, action, meant).verdict === 'allowed'
      // who may make it asks for `pull,push` as well, and finds nothing yet
      const isNew = call.target?.package === null && may('package:write')
      const allowed = actions.filter((word) => (word === 'pull' && isNew) || may(actionOf[word]))
      if (allowed.length > 0) granted.push({ name: name.text.toLowerCase(), actions: allowed })
    }
    return granted
  }
}

function textsOf(value: unknown): readonly string[] {
  return [value].flat().filter((one): one is string => typeof one === 'string')
}

async function readForm(request: FastifyRequest): Promise<URLSearchParams> {
  const chunks: Uint8Array[] = []
  for await (const chunk of requestBody(request, { limitBytes: formBytes })) chunks.push(chunk)
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'))
}

/** OAuth 2.0's two ways (RFC 6749 §4.3, §6): both hold a token of ours. */
function secretOf(form: URLSearchParams): { readonly secret: string; readonly isOffline: boolean } {
  const kind = form.get('grant_type')
  const secret = kind === 'password' ? form.get('password') : kind === 'refresh_token' ? form.get('refresh_token') : null
  if (kind !== 'password' && kind !== 'refresh_token')
    throw new Refusal(400, 'unsupported-grant', 'grant_type is password or refresh_token')
  if (secret === null || secret === '' || isRegistryToken(secret)) throw new Refusal(401, 'bad-credentials', 'The form holds no token')
  return { secret, isOffline: kind === 'refresh_token' || form.get('access_type') === 'offline' }
}

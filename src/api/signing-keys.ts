// /user/ssh_signing_keys, /user/gpg_keys and whose they are for everybody to see (GitHub REST "SSH signing keys", "GPG keys"): keys that users sign commits
// and tags with.
import type { FastifyRequest } from 'fastify'
import Type, { type TObject } from 'typebox'
import {
  type Account,
  accountOf,
  actorOf,
  addGpgKey,
  addSshSigningKey,
  deleteSigningKey,
  type GpgKey,
  type GpgPart,
  listGpgKeys,
  listSshSigningKeys,
  onAccount,
  onSelf,
  type SshSigningKey,
} from '../access/index.ts'
import { InputError } from '../base/index.ts'
import { notFound, type Routes, validationFailed } from '../http/index.ts'
import { timeJson } from './documents.ts'
import type { ApiOptions } from './index.ts'
import { PageQuery } from './git-schemas.ts'
import { pageOf } from './paging.ts'
import { ErrorJson, LoginParams } from './schemas.ts'
import { GpgKeyJson, KeyParams, NewGpgKeyJson, NewSshSigningKeyJson, SshSigningKeyJson } from './signing-keys-schemas.ts'

const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 422: ErrorJson }

/** The two kinds of keys, which have the same requests. */
export function registerSigningKeys(routes: Routes, options: ApiOptions): void {
  const { db, git } = options

  const ssh = {
    tags: ['SshSigningKey'],
    document: SshSigningKeyJson,
    list: async (of: Account) => (await listSshSigningKeys(db.queries, of.id)).map(sshKeyJson),
  }
  registerReading(routes, 'ssh_signing_keys', ssh)
  const newSsh = {
    tags: ssh.tags,
    summary: 'Adds a key that the caller signs with',
    body: NewSshSigningKeyJson,
    response: { 201: SshSigningKeyJson, ...errors },
  }
  routes.post('/user/ssh_signing_keys', { config: { access: onSelf('self:administer') }, schema: newSsh }, async (request, reply) => {
    const { title = '', key: line } = request.body
    const made = await addSshSigningKey(db, accountOf(request), { title, line }, actorOf(request)).catch(asKeyFault('key'))
    return reply.code(201).send(sshKeyJson(made))
  })
  registerDeletion(routes, options, 'ssh_signing_keys', ssh.tags)

  const gpg = {
    tags: ['GpgKey'],
    document: GpgKeyJson,
    list: async (of: Account) => (await listGpgKeys(db.queries, of.id)).map((key) => gpgKeyJson(of, key)),
  }
  registerReading(routes, 'gpg_keys', gpg)
  const newGpg = {
    tags: gpg.tags,
    summary: 'Adds an OpenPGP key that the caller signs with',
    body: NewGpgKeyJson,
    response: { 201: GpgKeyJson, ...errors },
  }
  routes.post('/user/gpg_keys', { config: { access: onSelf('self:administer') }, schema: newGpg }, async (request, reply) => {
    const { name = '', armored_public_key: text } = request.body
    const add = async () => {
      const { armored, ...facts } = await git.readGpgKey(text)
      return await addGpgKey(db, accountOf(request), { name, armored, facts }, actorOf(request))
    }
    const made = await add().catch(asKeyFault('armored_public_key'))
    return reply.code(201).send(gpgKeyJson(accountOf(request), made))
  })
  registerDeletion(routes, options, 'gpg_keys', gpg.tags)
}

type Folder = 'ssh_signing_keys' | 'gpg_keys'

interface Kind {
  readonly tags: string[]
  readonly document: TObject
  readonly list: (of: Account) => Promise<readonly { readonly id: number }[]>
}

function registerReading(routes: Routes, folder: Folder, kind: Kind): void {
  const { tags, document, list } = kind
  const paged = async (request: FastifyRequest) => {
    const { page, perPage } = pageOf(request.query as { page?: number; per_page?: number })
    return (await list(accountOf(request))).slice((page - 1) * perPage, page * perPage)
  }
  const response = { 200: Type.Array(document), ...errors }
  const own = { tags, summary: 'The keys that the caller signs with', querystring: PageQuery, response }
  routes.get(`/user/${folder}`, { config: { access: onSelf('self:read') }, schema: own }, async (request) => paged(request))
  const others = { tags, summary: 'The keys that a user signs with', params: LoginParams, querystring: PageQuery, response }
  routes.get(`/users/:login/${folder}`, { config: { access: onAccount('account:read') }, schema: others }, async (request) =>
    paged(request),
  )
  const one = { tags, summary: 'One of the caller’s keys', params: KeyParams, response: { 200: document, ...errors } }
  routes.get(`/user/${folder}/:id`, { config: { access: onSelf('self:read') }, schema: one }, async (request) => {
    const key = (await list(accountOf(request))).find(({ id }) => id === (request.params as { id: number }).id)
    if (!key) throw notFound()
    return key
  })
}

function registerDeletion(routes: Routes, { db }: ApiOptions, folder: Folder, tags: string[]): void {
  const schema = { tags, summary: 'Takes one of the caller’s keys away', params: KeyParams, response: { 204: Type.Null(), ...errors } }
  const kind = folder === 'gpg_keys' ? 'gpg' : 'ssh'
  routes.delete(`/user/${folder}/:id`, { config: { access: onSelf('self:administer') }, schema }, async (request, reply) => {
    if (!(await deleteSigningKey(db, accountOf(request), kind, request.params.id, actorOf(request)))) throw notFound()
    return reply.code(204).send(null)
  })
}

function sshKeyJson({ id, line: key, title, createdAt }: SshSigningKey): SshSigningKeyJson {
  return { id, key, title, created_at: timeJson(createdAt) }
}

function gpgKeyJson({ email, isEmailVerified }: Account, { id, name, armored, facts }: GpgKey): GpgKeyJson {
  const emails = facts.emails.map((one) => ({ email: one, verified: isEmailVerified && one.toLowerCase() === email?.toLowerCase() }))
  const subkeys = facts.subkeys.map((part) => ({ primary_key_id: id, ...partJson(part), emails: [], subkeys: [] }))
  return { id, name, primary_key_id: null, ...partJson(facts), emails, subkeys, raw_key: armored }
}

function partJson(part: GpgPart) {
  return {
    key_id: part.keyId.toUpperCase(),
    public_key: part.publicKey,
    can_sign: part.canSign,
    can_encrypt_comms: part.canEncryptComms,
    can_encrypt_storage: part.canEncryptStorage,
    can_certify: part.canCertify,
    created_at: part.createdAt,
    expires_at: part.expiresAt,
    revoked: part.isRevoked,
  }
}

const faults: ReadonlySet<string> = new Set(['bad-key', 'weak-key', 'key-title', 'key-in-use', 'too-many-keys', 'bad-gpg-key'])

function asKeyFault(field: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof InputError) || !faults.has(error.code)) throw error
    const code = error.code === 'key-in-use' ? 'already_exists' : 'invalid'
    throw validationFailed([{ field: error.code === 'key-title' ? 'title' : field, code, message: error.message }])
  }
}

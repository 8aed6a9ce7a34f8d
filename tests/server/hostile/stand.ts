// The whole server in this process for hostile requests: what there is to attack, and how a request to any route is made.
import type { LightMyRequestResponse } from 'fastify'
import { createRepository, createToken } from '../../../src/access/index.ts'
import { systemRandomness } from '../../../src/base/index.ts'
import type { RouteFacts } from '../../../src/http/index.ts'
import { makeAccount, type TestAccount } from '../../support/accounts.ts'
import { openFaces, type TestFaces } from '../../support/faces.ts'
import { makeImage } from '../../support/images.ts'

/** Stands in what only its owner may read. */
export const marker = 'known-to-olive-alone'

export interface Stand {
  readonly faces: TestFaces
  readonly olive: TestAccount
  readonly sam: TestAccount
  readonly admin: TestAccount
}

export async function openStand(): Promise<Stand> {
  const faces = await openFaces({ isWhole: true, trustProxy: true })
  const [olive, sam, admin] = [
    await makeAccount(faces.db, 'olive'),
    await makeAccount(faces.db, 'sam'),
    await makeAccount(faces.db, 'root', true),
  ]
  for (const visibility of ['public', 'private'] as const) {
    const description = visibility === 'private' ? marker : null
    await createRepository(faces.db, { ownerId: olive.id, name: `the-${visibility}`, visibility, description })
    const tag = visibility === 'private' ? { tag: marker } : {}
    await makeImage(faces.db, { ownerId: olive.id, ownerLogin: 'olive', name: `the-${visibility}`, visibility, ...tag })
  }
  await createToken(faces.db, { account: 'sam', name: marker, expiresAt: null }, systemRandomness)
  return { faces, olive, sam, admin }
}

/** Parameters in the order of the pattern; `*` is one. */
export function parametersOf({ url }: RouteFacts): string[] {
  return [...url.matchAll(/:(\w+)|\*/g)].map(([whole, name]) => name ?? whole)
}

const ordinary: Readonly<Record<string, string>> = {
  owner: 'olive',
  repo: 'the-public',
  login: 'olive',
  org: 'olive',
  image: 'the-public',
  package_type: 'container',
  package_name: 'the-public',
  package: 'the-public',
  reference: 'latest',
  tag: 'latest',
  '*': 'main',
}

/** What stands for the rest of a path. */
const rests = [
  { prefix: '/v2/', '*': 'the-public/manifests/main' },
  { prefix: '/npm/-/', package: '@olive%2fthe-public' },
  { prefix: '/npm/', '*': 'olive/the-public' },
] as const

/** The path with these values in place of parameters, as they are; ordinary ones for the others. */
export function pathOf({ url }: RouteFacts, values: Readonly<Record<string, string>>): string {
  const usual: typeof ordinary = { ...ordinary, ...rests.find(({ prefix }) => url.startsWith(prefix)) }
  return url.replace(/:(\w+)|\*/g, (whole, name?: string) => values[name ?? whole] ?? usual[name ?? whole] ?? '1')
}

export interface HostileRequest {
  readonly token?: string | undefined
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
}

export function ask(
  { faces }: Stand,
  { method, url }: { readonly method: string; readonly url: string },
  { token, headers, body }: HostileRequest = {},
) {
  const type = url.includes('/git-') ? `application/x-${/git-[a-z-]+/.exec(url)?.[0] ?? ''}-request` : 'application/json'
  return faces.listener.inject({
    method: method as 'GET',
    url,
    headers: {
      ...(body === undefined ? {} : { 'content-type': type }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(body === undefined ? {} : { payload: body }),
  })
}

/** What is wrong with an answer to a hostile request, whoever sent it; null: nothing. 503 says that the database was too busy: no request leads to it. */
export function faultIn(answer: LightMyRequestResponse): string | null {
  const { statusCode, headers, body } = answer
  if (statusCode >= 500 && statusCode !== 503) return `${statusCode} ${body.slice(0, 120)}`
  if (Object.keys(headers).some((name) => name.startsWith('x-injected'))) return 'a header was injected'
  if (body.length > 1 << 20) return `${body.length} bytes`
  if (statusCode >= 400 && /json/.test(String(headers['content-type'])) && !hasMessage(JSON.parse(body)))
    return `an error of another shape: ${body.slice(0, 120)}`
  return null
}

/** GitHub's form, npm's, or the registry's for images. */
function hasMessage(error: {
  readonly message?: unknown
  readonly error?: unknown
  readonly errors?: readonly { readonly code?: unknown; readonly message?: unknown }[]
}): boolean {
  if (typeof error.error === 'string') return true
  const [first] = error.message === undefined ? (error.errors ?? []) : [error]
  return typeof first?.message === 'string'
}

/** The routes once each: HEAD goes with GET. */
export function routesOf({ faces }: Stand): RouteFacts[] {
  return faces.listener.routes.filter(({ method }) => method !== 'HEAD')
}

// What the routes of an image have in common: how they are declared, what a reference stands for, and how faults of reading are told.
import type { FastifyRequest } from 'fastify'
import { type Action, identityKey, onPackage, packageOf } from '../access/index.ts'
import { InputError, UnavailableError } from '../base/index.ts'
import { addressKey, notFound, Refusal, type RouteAccess } from '../http/index.ts'
import { type PlainImage, plainImage, resolveReference, storedBlobs, type Layer } from '../oci/index.ts'
import { UnreadJson } from './image-schemas.ts'
import type { ApiOptions } from './index.ts'
import { ErrorJson } from './schemas.ts'

export const imageTags = ['Image']
export const imageErrors = { 400: ErrorJson, 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 422: ErrorJson }
/** Of routes that look into layers: 202, ask again. */
export const fileErrors = { 202: UnreadJson, ...imageErrors }

export function onImage(action: Action): { readonly access: RouteAccess; readonly encodedSlash: true } {
  const nameOf = (request: FastifyRequest) => {
    const { owner, image } = request.params as { readonly owner: string; readonly image: string }
    return { owner, name: image }
  }
  return { access: onPackage('oci', action, nameOf), encodedSlash: true }
}

/** The manifest that a tag or digest of the request's image stands for. Refusal 404. */
export async function manifestOf({ db }: ApiOptions, request: FastifyRequest, reference: string): Promise<Uint8Array> {
  const digest = await resolveReference(db, packageOf(request).id, reference)
  if (digest === null) throw notFound()
  return digest
}

/** The image behind it, for one platform, with its layers as they are stored. */
export interface OpenedImage extends PlainImage {
  readonly stored: readonly Layer[]
}

export async function openImage(
  options: ApiOptions,
  request: FastifyRequest,
  reference: string,
  platform: string | undefined,
): Promise<OpenedImage> {
  const { queries } = options.db
  const { id } = packageOf(request)
  const root = await manifestOf(options, request, reference)
  const plain = await plainImage(queries, id, root, platform ?? null)
  const stored = await storedBlobs(
    queries,
    id,
    plain.layers.map(({ digest }) => digest),
  )
  return { ...plain, stored }
}

/** Whose part of what is shared it is. */
export function ofCaller({ identity, ip }: FastifyRequest): string {
  return identityKey(identity) ?? addressKey(ip)
}

const missing = new Set(['no-such-manifest', 'no-such-platform', 'no-such-blob', 'no-such-file'])

/** Answers of what the room says: what isn't there is 404, what can't be looked into 422. */
export async function told<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    if (missing.has(error.code)) throw new Refusal(404, 'not-found', `Not Found: ${error.message}`)
    throw new Refusal(422, 'invalid', error.message)
  }
}

/** True where it takes a while, and is under way. */
export function isUnread(error: unknown): error is UnavailableError {
  return error instanceof UnavailableError && error.code === 'layers-unread'
}

// Answers about files that stand in archives: pages of them, their bytes, and that they are still being read.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Readable } from 'node:stream'
import type { FilePlace, Layer } from '../oci/index.ts'
import { isUnread, ofCaller, told } from './image-call.ts'
import type { ApiOptions } from './index.ts'
import type { Page } from './paging.ts'

/** As `pageOf`, with longer pages: files are many and short. */
export function filePageOf({ page = 1, per_page: perPage = 30 }: { readonly page?: number; readonly per_page?: number }): Page {
  return { page: Math.min(Math.max(page, 1), 1_000_000), perPage: Math.min(Math.max(perPage, 1), 1000) }
}

export function partOf({ page, perPage }: Page): { readonly skip: number; readonly most: number } {
  return { skip: (page - 1) * perPage, most: perPage }
}

/** 202 where layers are still being read. */
export async function orUnread<T>(reply: FastifyReply, answer: () => Promise<T>): Promise<T> {
  try {
    return await told(answer())
  } catch (error) {
    if (!isUnread(error)) throw error
    return reply.code(202).header('retry-after', '5').send({ message: error.message }) as never
  }
}

/** A file's bytes as they are: never as a page of this host's. */
export function sendFile({ layerFiles }: ApiOptions, request: FastifyRequest, reply: FastifyReply, layer: Layer, place: FilePlace) {
  const tag = `"${Buffer.from(place.sha256).toString('hex')}"`
  reply.header('etag', tag)
  if ((request.headers['if-none-match'] ?? '').split(',').some((known) => known.trim().replace(/^W\//, '') === tag)) {
    return reply.code(304).send() as never
  }
  return reply
    .type('application/octet-stream')
    .header('content-length', place.sizeBytes)
    .header('x-content-type-options', 'nosniff')
    .header('content-security-policy', "default-src 'none'; sandbox")
    .send(Readable.from(layerFiles.read(layer, place, ofCaller(request)))) as never
}

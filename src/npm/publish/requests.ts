// What comes to a package's own paths to change it: PUT and DELETE.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { identityKey } from '../../access/index.ts'
import { InputError } from '../../base/index.ts'
import { addressKey, requestBody } from '../../http/index.ts'
import { targetAmong } from '../protocol/targets.ts'
import type { NpmRegistry } from '../registry.ts'
import { Incoming } from './incoming.ts'
import { publish } from './publish.ts'
import { deleteTarball, deleteWhole, writeBack, writeRevision } from './write-back.ts'

/** Of objects and lists in each other, and of keys: the largest documents that there are have a tenth. */
const most = { depth: 100, nodes: 200_000 }
/** A tarball may unpack to so many times its size, from so many bytes on. */
const inflation = { times: 200, freeBytes: 64 << 20 }

/** PUT NAME, PUT NAME/-rev/REV */
export async function putPackument(registry: NpmRegistry, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const target = targetAmong(request, ['packument', 'revision'])
  const incoming = incomingOf(registry, request, reply)
  const attachment = await incoming.begin()
  if (attachment !== null && target.kind === 'revision') throw new InputError('bad-document', 'A version is published without a revision')
  if (attachment !== null) return publish(registry, request, reply, target.name, incoming, attachment)
  if (target.kind === 'revision') return writeRevision(registry, request, reply, target, incoming.document())
  return writeBack(registry, request, reply, target.name, incoming.document())
}

/** DELETE NAME/-rev/REV, DELETE NAME/-/FILE/-rev/REV */
export async function dropPackument(registry: NpmRegistry, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const target = targetAmong(request, ['revision', 'tarball-revision'])
  return target.kind === 'revision' ? deleteWhole(registry, request, reply, target) : deleteTarball(registry, request, reply, target)
}

/** A publish's body, read as it comes. Of large documents few are in memory at one time. */
export function incomingOf({ limits, largeDocuments }: NpmRegistry, request: FastifyRequest, reply: FastifyReply): Incoming {
  const { tarballBytes, documentBytes, unpackedBytes, entries } = limits
  // base64 is a third longer; what it is too long by the store finds out, byte by byte
  const limitBytes = 2 * tarballBytes + documentBytes
  return new Incoming(requestBody(request, { limitBytes }), {
    document: { documentBytes, ...most },
    tarball: { entries, documentBytes, unpackedBytes, ...inflation },
    onLarge: async () => {
      const free = await largeDocuments.take(identityKey(request.identity) ?? addressKey(request.ip))
      if (reply.raw.destroyed) free()
      else reply.raw.once('close', free)
    },
  })
}

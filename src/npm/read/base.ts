// Where the client reaches the registry that it asks: what URLs in documents begin with.
import type { FastifyRequest } from 'fastify'
import { sentOrigin } from '../../http/index.ts'
import type { RegistryBase } from '../format/packument.ts'
import type { NpmRegistry } from '../registry.ts'

/** @param owner his registry; null: the root */
export function baseOf({ publicUrl }: NpmRegistry, request: FastifyRequest, owner: string | null): RegistryBase {
  return `${publicUrl ?? sentOrigin(request)}/npm${owner === null ? '' : `/${owner}`}`
}

// Clients of images' upstreams: the shared ones, of registries.
import type { ClientKind, Source, UpstreamClients } from '../../packages/index.ts'
import { RegistryClient } from './client/registry-client.ts'
import { behind } from './format/places.ts'

export type RegistryClients = UpstreamClients<RegistryClient>
export type RegistrySource = Source<RegistryClient>

export const registryClients: ClientKind<RegistryClient> = {
  make: (parts, address) => new RegistryClient(parts, address),
  nameThere: (upstream, name) => {
    const rest = behind(upstream.path, name)
    const path = new URL(upstream.url).pathname.slice(1)
    return rest === null || path === '' ? rest : `${path}/${rest}`
  },
}

// What plain packages are to all that is about packages of every format.
import { versionedRoom } from '../packages/index.ts'

export const genericFormat = versionedRoom({
  format: 'generic',
  type: 'generic',
  registry: { name: 'Stemma registry of plain packages', type: 'generic', path: '/generic' },
  isForEver: false,
  tags: null,
  fileUrl: (origin, { ownerLogin, name }, version, file) => [origin, 'generic', ownerLogin, name, version, file].join('/'),
  upstream: null,
})

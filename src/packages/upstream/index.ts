// Packages that come from elsewhere when somebody asks for them: what every format's upstreams have in common. docs/design/oci-upstream.md, docs/design/npm-upstream.md.
export { ask, type Authorizing, failureOf, type Question } from './client/asking.ts'
export { type BodyParts, openAnswer, openBody, sizeIn } from './client/body.ts'
export { type Credentials, failed, type Failure, type OpenBody, type Outcome, type UpstreamAddress } from './client/connection.ts'
export { limitedBody, paced, withDeadline } from './client/reading.ts'
export { type CachedName, cachedPackage } from './cached-packages.ts'
export { type ClientKind, type ClientParts, notDeclared, type Source, UpstreamClients } from './clients.ts'
export { addressOf } from './credentials.ts'
export { evict, type Evictable, evictionJob } from './eviction.ts'
export type { FlightReader } from './flight/flight-reader.ts'
export { type Departure, Flights } from './flight/flights.ts'
export { formatPlace, parseAuthOrigin, parsePlace, parseUpstreamUrl, type PlaceGrammar } from './format/declared.ts'
export type { UpstreamFormat, UpstreamFormatName } from './upstream-format.ts'
export {
  type Declared,
  findDeclared,
  findDeclaredById,
  findUpstreamById,
  isUpstream,
  listDeclared,
  listUpstreams,
  type Upstream,
  type UpstreamSettings,
} from './upstream-rows.ts'
export {
  changeUpstream,
  claimPlace,
  declareUpstream,
  type NewUpstream,
  removeDeclared,
  type UpstreamChange,
  type UpstreamParts,
} from './upstreams.ts'

// npm: the registry for npm packages, over the content store. docs/design/npm.md.
export { type Dependant, listDependants } from './browse/dependants.ts'
export {
  findNpmVersion,
  listNpmVersions,
  type Manifest,
  npmDownloads,
  type NpmPackageFacts,
  npmPackageFacts,
  type NpmVersionFacts,
} from './browse/package-facts.ts'
export { type Dependency, dependenciesOf, dependencyKinds } from './format/dependencies.ts'
export { npmFormat } from './format-room.ts'
export {
  judgePrereleases,
  type PrereleasePolicy,
  type PrereleaseVerdict,
  removePrereleases,
} from './keeping/prereleases.ts'
export { registerNpm } from './routes.ts'
export { openRoots } from './publish/open-roots.ts'
export type { Roots } from './publish/provenance.ts'
export type { NpmLimits, NpmOptions } from './registry.ts'
export type { PeopleOptions } from './account/parts.ts'
export { evictablePackages } from './upstream/eviction.ts'
export { npmUpstreams } from './upstream/npm-upstreams.ts'

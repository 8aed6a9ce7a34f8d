// paths: which commits changed which paths, and what is answered from it, in a worker. `repository.paths` is the index (path-index): stored parts of the
// network's path table (docs/design/paths-key.md) and what came since. Whoever calls has made sure that the caller may see the commit; what comes back
// are ancestors of it.
export { type Blame, type BlameRange, blame } from './blame.ts'
export { lastCommits } from './last-commits.ts'
export { pathHistory } from './history.ts'
export { pathTableBuilder } from './table-builder.ts'

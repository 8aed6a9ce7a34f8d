// npm: the registry for npm's packages, over the content store. docs/design/npm.md.
export { npmUpstreams } from './upstream/npm-upstreams.ts'

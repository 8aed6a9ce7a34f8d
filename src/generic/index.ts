// generic: plain packages, which are names, versions and files. docs/design/generic.md.
export { genericFormat } from './format-room.ts'
export type { GenericOptions } from './registry.ts'
export { registerGeneric } from './routes.ts'

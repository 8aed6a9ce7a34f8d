// disk: reads a Git repository as git keeps it on disk. For imports, and for tests that bring repositories along; the server itself keeps none.
export { type DiskCode, wrong } from './errors.ts'
export type { DiskObject } from './loose.ts'
export { DiskObjects, type DiskObjectsOptions } from './objects.ts'
export { DiskPack } from './pack-file.ts'
export { DiskIdx } from './pack-idx.ts'
export type { BrokenRef, DiskHead, DiskRef, DiskRefs } from './refs.ts'
export { type DiskRepository, findGitFolder, isGitFolder, openDiskRepository } from './repository.ts'
export { type DiskSettings, parseSettings, setting, truth } from './settings.ts'

// export: repositories as git keeps them on disk, the way out.
export { type Exported, exportRepository } from './export-repository.ts'

// backup: everything to a folder without stopping, and back into an empty place. docs/backup.md.
export { type BackupOptions, type BackupParts, type BackupResult, backUp } from './backup.ts'
export { type BackupFolder, backupFolder } from './folder.ts'
export type { DumpedTable, Manifest } from './manifest.ts'
export { assertEmpty, readBackup, restore, type Backup, type RestoreOptions, type RestoreParts } from './restore.ts'

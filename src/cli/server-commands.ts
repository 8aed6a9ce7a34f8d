// The commands about the server and what it stores: what each takes of the command line, and what it runs.
// What a command needs is imported when it runs: --help must not wait for the whole server.
import { makeLog } from '../base/index.ts'
import type { Config } from '../config.ts'
import type { Commands } from './command.ts'
import { type FlagName, type Flags, print, printDone } from './usage.ts'

const upstreamFlags = [
  ...(['format', 'user', 'password-file', 'auth', 'visibility', 'fresh', 'keep', 'size', 'min-age'] as const),
  ...(['json', 'data', 'config'] as const),
] as const satisfies readonly FlagName[]

export const serverCommands: Commands = {
  serve: { flags: ['data', 'listen', 'config'], run: async (config, given) => (await import('./serve.ts')).runServe(config, given) },
  migrate: { flags: ['json', 'data', 'config'], run: runMigrate },
  'config check': { flags: ['data', 'listen', 'config'], run: checkConfig },
  import: {
    flags: ['owner', 'name', 'public', 'token-file', 'no-strict', 'dry-run', 'json', 'data', 'config'],
    takes: ['SOURCE'],
    run: async (config, given, [source = '']) => (await import('./import.ts')).runImport(config, given, source),
  },
  'mirror add': {
    flags: ['pull', 'push', 'every', 'refs', 'token-file', 'public', 'json', 'data', 'config'],
    takes: ['OWNER/REPO', 'URL'],
    run: async (...given) => (await import('./mirror.ts')).runMirrorAdd(...given),
  },
  'mirror list': {
    flags: ['json', 'data', 'config'],
    run: async (config, given) => (await import('./mirror.ts')).runMirrorList(config, given),
  },
  'mirror run': {
    flags: ['json', 'data', 'config'],
    takes: ['[OWNER/REPO]'],
    run: async (...given) => (await import('./mirror.ts')).runMirrorRun(...given),
  },
  'mirror remove': {
    flags: ['json', 'data', 'config'],
    takes: ['OWNER/REPO', '[URL]'],
    run: async (...given) => (await import('./mirror.ts')).runMirrorRemove(...given),
  },
  'upstream declare': {
    flags: upstreamFlags,
    takes: ['PLACE', 'URL'],
    run: async (...given) => (await import('./upstream.ts')).runDeclareUpstream(...given),
  },
  'upstream change': {
    flags: upstreamFlags,
    takes: ['PLACE'],
    run: async (...given) => (await import('./upstream.ts')).runChangeUpstream(...given),
  },
  'upstream list': {
    flags: ['json', 'data', 'config'],
    run: async (config, given) => (await import('./upstream.ts')).runListUpstreams(config, given),
  },
  'upstream claim': {
    flags: ['format', 'json', 'data', 'config'],
    takes: ['PLACE'],
    run: async (...given) => (await import('./upstream.ts')).runClaimPlace(...given),
  },
  'upstream remove': {
    flags: ['format', 'yes', 'json', 'data', 'config'],
    takes: ['PLACE'],
    run: async (...given) => (await import('./upstream.ts')).runRemoveUpstream(...given),
  },
  backup: {
    flags: ['to', 'json', 'data', 'config'],
    run: async (config, given) => (await import('./backup.ts')).runBackup(config, given),
  },
  'backup hold': {
    flags: ['for', 'json', 'data', 'config'],
    run: async (config, given) => (await import('./backup.ts')).runHold(config, given),
  },
  'backup release': {
    flags: ['json', 'data', 'config'],
    run: async (config, given) => (await import('./backup.ts')).runRelease(config, given),
  },
  restore: {
    flags: ['from', 'json', 'data', 'config'],
    run: async (config, given) => (await import('./backup.ts')).runRestore(config, given),
  },
  export: {
    flags: ['to', 'json', 'data', 'config'],
    takes: ['[OWNER/REPO…]'],
    run: async (config, given, names) => (await import('./export.ts')).runExport(config, given, names),
  },
  fsck: {
    flags: ['rebuild', 'json', 'data', 'config'],
    takes: ['[OWNER/REPO]'],
    run: async (config, given, [repository]) => (await import('./fsck.ts')).runFsck(config, given, repository),
  },
  repack: {
    flags: ['window', 'depth', 'no-reuse', 'threads', 'memory', 'json', 'data', 'config'],
    takes: ['OWNER/REPO'],
    run: async (...given) => (await import('./repack.ts')).runRepack(...given),
  },
  gc: {
    flags: ['grace', 'dry-run', 'yes', 'json', 'data', 'config'],
    takes: ['[OWNER/REPO]'],
    run: async (...given) => (await import('./gc.ts')).runGc(...given),
  },
  purge: {
    flags: ['yes', 'json', 'data', 'config'],
    takes: ['OWNER/REPO', 'OBJECT_ID', '[OBJECT_ID…]'],
    run: async (...given) => (await import('./gc.ts')).runPurge(...given),
  },
}

async function runMigrate(config: Config, given: Flags): Promise<void> {
  const log = makeLog(config.log.level)
  const { withDatabaseUrl } = await import('./database.ts')
  const { migrate } = await import('../db/index.ts')
  const applied = await withDatabaseUrl(config, log, true, (url) => migrate({ url, log, mayApply: true }))
  printDone(given.json === true, { applied }, applied.length === 0 ? 'The database is up to date.' : `Applied: ${applied.join(', ')}`)
}

async function checkConfig({ database, adminToken, secretKey, ...config }: Config): Promise<void> {
  const bucket = config.bucket.kind === 's3' ? { ...config.bucket, secretAccessKey: hidden(config.bucket.secretAccessKey) } : config.bucket
  const shown = {
    ...config,
    bucket,
    adminToken: hidden(adminToken),
    secretKey: hidden(secretKey),
    database: { ...database, url: hidden(database.url) },
  }
  print(JSON.stringify(shown, null, 2))
}

function hidden(value: string | null): string | null {
  return value === null ? null : '(set)'
}

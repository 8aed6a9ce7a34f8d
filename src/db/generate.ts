// The text of schema.gen.ts, from the live schema. `make ms-gen` (generate-schema.ts) writes it; a test compares it.
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
export const generatedFile = join(import.meta.dirname, 'schema.gen.ts')

/** int8 and timestamptz as our connections parse them (connection.ts); bytes as the plain type that Buffer is one of. */
const typeMapping = { int8: 'number', timestamptz: 'Date', bytea: 'Uint8Array' }
/** Columns whose check constraint lists their values. */
const overrides = {
  columns: {
    'account.kind': `Generated<'user' | 'organization'>`,
    'network.object_format': `'sha1' | 'sha256'`,
    'repository.visibility': `'public' | 'internal' | 'private'`,
    'token.kind': `Generated<'personal' | 'session' | 'deploy' | 'ci' | 'lfs'>`,
  },
}

/** The text of schema.gen.ts for a database that has all migrations. */
export async function generateTypes(url: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'stemma-generate-'))
  const out = join(folder, 'schema.ts')
  const command = join(dirname(createRequire(import.meta.url).resolve('kysely-codegen/package.json')), 'dist', 'cli', 'bin.js')
  const flags = ['--dialect', 'postgres', '--url', url, '--out-file', out, '--exclude-pattern', 'schema_migrations']
  flags.push('--type-mapping', JSON.stringify(typeMapping), '--overrides', JSON.stringify(overrides))
  try {
    await run(process.execPath, [command, ...flags], { cwd: folder })
    return await readFile(out, 'utf8')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

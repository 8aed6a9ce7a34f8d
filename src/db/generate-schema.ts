// `make ms-gen`: applies the migrations to an empty embedded PostgreSQL in a temporary folder and writes schema.gen.ts from what came out.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeLog } from '../base/index.ts'
import { EmbeddedPostgres } from './embedded/embedded-postgres.ts'
import { generatedFile, generateTypes } from './generate.ts'
import { migrate } from './migrate.ts'

const log = makeLog('warn')
const folder = await mkdtemp(join(tmpdir(), 'stemma-generate-'))
try {
  const embedded = await EmbeddedPostgres.start({ folder: join(folder, 'postgres'), log, settings: { fsync: 'off' } })
  try {
    await migrate({ url: embedded.url, log, mayApply: true })
    await writeFile(generatedFile, await generateTypes(embedded.url))
  } finally {
    await embedded.stop()
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}

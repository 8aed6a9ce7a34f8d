// Migrations: on an empty database, down and up again, twice, two nodes at once, and what an old or a newer server does.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import pg from 'pg'
import { makeLog, UnavailableError } from '../base/index.ts'
import { emptyDatabase } from '../../tests/support/test-database.ts'
import { generatedFile, generateTypes } from './generate.ts'
import { dbmateUrl, migrate, migrationsFolder, runDbmate } from './migrate.ts'
import { readFile } from 'node:fs/promises'

const log = makeLog('silent')
const files = readdirSync(migrationsFolder)
  .filter((name) => name.endsWith('.sql'))
  .sort()
const versions = files.map((name) => name.split('_')[0])

/** Everything that a schema is made of, as text that can be compared. */
async function describeSchema(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const columns =
      await client.query(`select table_name, column_name, data_type, is_nullable, column_default, identity_generation, collation_name
      from information_schema.columns where table_schema = 'public' and table_name <> 'schema_migrations' order by 1, 2`)
    const constraints =
      await client.query(`select conrelid::regclass::text as t, conname, pg_get_constraintdef(oid) as def from pg_constraint
      where connamespace = 'public'::regnamespace and conrelid::regclass::text <> 'schema_migrations' order by 1, 2`)
    const indexes = await client.query(
      `select tablename, indexname, indexdef from pg_indexes where schemaname = 'public' and tablename <> 'schema_migrations' order by 1, 2`,
    )
    const options = await client.query(
      `select relname, reloptions from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' order by 1`,
    )
    return JSON.stringify(
      [columns.rows, constraints.rows, indexes.rows, options.rows.filter((row) => row.relname !== 'schema_migrations')],
      null,
      1,
    )
  } finally {
    await client.end()
  }
}

describe('migrations', () => {
  let target: Awaited<ReturnType<typeof emptyDatabase>>
  before(async () => {
    target = await emptyDatabase()
  })
  after(() => target.drop())

  test('an empty database gets all of them, a second time nothing; two nodes at once do it once', async () => {
    const runs = await Promise.all([1, 2, 3].map(() => migrate({ url: target.url, log, mayApply: true })))
    assert.deepEqual(runs.flat(), versions)
    assert.deepEqual(await migrate({ url: target.url, log, mayApply: true }), [])
  })

  test('each goes down and up again, and the schema is the same', async () => {
    const whole = await describeSchema(target.url)
    for (const _ of versions) await runDbmate(target.url, 'down')
    assert.equal(JSON.parse(await describeSchema(target.url)).flat().length, 0, 'down leaves nothing')
    for (let count = 1; count <= files.length; count++) await upAndDownAndUp(target.url, files.slice(0, count))
    assert.equal(await describeSchema(target.url), whole)
  })

  test('schema.gen.ts is what the schema gives (else: make ms-gen)', async () => {
    assert.equal(await generateTypes(target.url), await readFile(generatedFile, 'utf8'))
  })
})

/** Applies a folder with just these files; the last of them comes, goes and comes again. */
async function upAndDownAndUp(url: string, names: readonly string[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'stemma-migrations-'))
  try {
    for (const name of names) await copyFile(join(migrationsFolder, name), join(folder, name))
    await migrate({ url, log, mayApply: true, folder })
    const up = await describeSchema(url)
    await runDbmate(url, 'down', folder)
    await migrate({ url, log, mayApply: true, folder })
    assert.equal(await describeSchema(url), up, names.at(-1))
  } finally {
    await rm(folder, { recursive: true })
  }
}

test('protected refs that stood among the settings become rules that mean the same, and settings again', async () => {
  const target = await emptyDatabase()
  const folder = await mkdtemp(join(tmpdir(), 'stemma-migrations-'))
  const client = new pg.Client({ connectionString: target.url })
  try {
    const last = files.findIndex((name) => name.endsWith('_ref_rules.sql'))
    for (const name of files.slice(0, last)) await copyFile(join(migrationsFolder, name), join(folder, name))
    await migrate({ url: target.url, log, mayApply: true, folder })
    await client.connect()
    await client.query(`insert into account (login) values ('a'); insert into network (object_format) values ('sha1')`)
    await client.query(`insert into repository (owner_id, network_id, name, visibility, settings)
      select account.id, network.id, name, 'public', settings::jsonb from account, network, (values
        ('with', '{"stemma.protectedrefs": ["main", "release/*", "v*", "refs/tags/*"], "receive.denydeletes": ["true"]}'), ('without', '{}')
      ) as of_each (name, settings)`)
    await copyFile(join(migrationsFolder, files[last] as string), join(folder, files[last] as string))
    await migrate({ url: target.url, log, mayApply: true, folder })
    const rules = await client.query(`select pattern, array_agg(coalesce(act || ' ' || role, act || ' deploy') order by role) as grants
      from ref_rule join ref_rule_grant on rule_id = ref_rule.id group by ref_rule.id order by pattern collate "C"`)
    const heads = 'refs/heads'
    const patterns = [`${heads}/main`, `${heads}/release/**`, `${heads}/v*`, `${heads}/v*/**/*`, 'refs/tags/**']
    assert.deepEqual(
      rules.rows,
      patterns.map((pattern) => ({ pattern, grants: ['push write', 'push deploy'] })),
    )
    const rows = async () => (await client.query('select has_ref_rules, settings from repository order by id')).rows
    const settings = { 'receive.denydeletes': ['true'] }
    assert.deepEqual(await rows(), [
      { has_ref_rules: true, settings },
      { has_ref_rules: false, settings: {} },
    ])
    await runDbmate(target.url, 'down', folder)
    const back = await client.query(`select settings -> 'stemma.protectedrefs' as patterns from repository order by id`)
    assert.deepEqual(back.rows[1], { patterns: null })
    assert.ok(['main', 'release/*', 'v*'].every((name) => back.rows[0].patterns.includes(`${heads}/${name}`)))
  } finally {
    await client.end()
    await target.drop()
    await rm(folder, { recursive: true })
  }
})

describe('which databases a server takes', () => {
  let target: Awaited<ReturnType<typeof emptyDatabase>>
  before(async () => {
    target = await emptyDatabase()
  })
  after(() => target.drop())

  test('without permission to migrate, an old database is refused and nothing is changed', async () => {
    await assert.rejects(migrate({ url: target.url, log, mayApply: false }), { code: 'outdated-schema', message: /stemma migrate/ })
    assert.equal(JSON.parse(await describeSchema(target.url)).flat().length, 0)
  })

  test('a newer migration that is no bar is passed over; one that raises the floor is refused', async () => {
    await migrate({ url: target.url, log, mayApply: true })
    const client = new pg.Client({ connectionString: target.url })
    await client.connect()
    await client.query(`insert into schema_migrations (version) values ('29990101000000')`)
    assert.deepEqual(await migrate({ url: target.url, log, mayApply: true }), [])
    await client.query(`update server_fact set value = '999' where name = 'schema_floor'`)
    await assert.rejects(migrate({ url: target.url, log, mayApply: true }), { code: 'newer-schema', message: /999/ })
    await client.end()
  })

  test('a migration that fails changes nothing and its words are told', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'stemma-migrations-'))
    const other = await emptyDatabase()
    try {
      await writeFile(join(folder, '20260101000000_bad.sql'), '-- migrate:up\ncreate table a (b int);\nselect wrong;\n-- migrate:down\n')
      await assert.rejects(migrate({ url: other.url, log, mayApply: true, folder }), { code: 'migration-failed', message: /wrong/ })
      assert.equal(JSON.parse(await describeSchema(other.url)).flat().length, 0)
    } finally {
      await other.drop()
      await rm(folder, { recursive: true })
    }
  })
})

test('URLs mean the same to dbmate as to us', () => {
  assert.equal(dbmateUrl('postgresql://u:p@/db?host=%2Fa%20b'), 'postgres://u:p@/db?socket=%2Fa+b')
  assert.equal(dbmateUrl('postgres://u:p@db.example:5433/x'), 'postgres://u:p@db.example:5433/x?sslmode=disable')
  assert.equal(dbmateUrl('postgres://u@h/x?sslmode=require'), 'postgres://u@h/x?sslmode=require')
})

test('a database that cannot be reached: its host and port are told, its password is not', async () => {
  const ask = (url: string): Promise<unknown> => migrate({ url, log, mayApply: true }).catch((error: unknown) => error)
  for (const [host, words] of [
    ['127.0.0.1:1', /^cannot connect to the database at 127\.0\.0\.1:1: .*ECONNREFUSED/],
    ['nowhere.invalid', /^cannot connect to the database at nowhere\.invalid:5432: ./],
  ] as const) {
    const error = await ask(`postgresql://user:hunter2@${host}/db`)
    assert.ok(error instanceof UnavailableError)
    assert.equal(error.code, 'database-unavailable')
    assert.match(error.message, words)
    assert.equal(error.message.includes('hunter2'), false)
  }
})

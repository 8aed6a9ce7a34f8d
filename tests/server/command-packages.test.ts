// `stemma package` as whoever administers the server uses it.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createRepository } from '../../src/access/index.ts'
import { stemma } from '../support/command.ts'
import { openApi, type TestApi } from '../support/api.ts'
import { makeImage } from '../support/images.ts'

let api: TestApi
const folder = mkdtempSync(join(tmpdir(), 'stemma-packages-'))
before(async () => {
  api = await openApi()
})
after(async () => {
  await api?.close()
  rmSync(folder, { recursive: true, force: true })
})

async function run(...args: string[]) {
  return stemma([...args, '--data', folder], { DATABASE_URL: api.databaseUrl })
}

async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args)
  assert.deepEqual([code, stderr], [0, ''], args.join(' '))
  return stdout
}

async function wrong(words: RegExp, ...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await run(...args)
  assert.notEqual(code, 0, args.join(' '))
  assert.equal(stdout, '')
  assert.match(stderr, words)
}

test('packages are listed, shown, changed and deleted, and the audit tells of it', async () => {
  const { db, owner, stranger } = api
  const image = await makeImage(db, { ownerId: owner.id, ownerLogin: 'Olive', name: 'tools/app', tag: '1.0' })
  await makeImage(db, { ownerId: stranger.id, ownerLogin: 'sam', name: 'other' })
  await createRepository(db, { ownerId: owner.id, name: 'source', visibility: 'private' })
  await createRepository(db, { ownerId: stranger.id, name: 'elsewhere', visibility: 'public' })

  const listed = (await ok('package', 'list', '--json'))
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { name: string }).name)
  assert.deepEqual(listed, ['Olive/tools/app', 'sam/other'])
  const [heads, line] = (await ok('package', 'list', '--owner', 'olive')).split('\n')
  assert.deepEqual(heads?.split('\t'), ['PACKAGE', 'VISIBILITY', 'REPOSITORY', 'VERSIONS', 'SIZE', 'CHANGED'])
  assert.deepEqual(line?.split('\t').slice(0, 4), ['Olive/tools/app', 'private', '-', '1'])
  assert.match(
    await ok('package', 'show', 'olive/tools/app'),
    /^Olive\/tools\/app is private, linked to no repository\n1 versions, 1 tags, 0 blobs/,
  )
  assert.deepEqual((await ok('package', 'tags', 'olive/tools/app')).split('\n')[1]?.split('\t').slice(0, 2), ['1.0', image.digest])

  assert.equal(await ok('package', 'set-visibility', 'olive/tools/app', 'internal'), 'Olive/tools/app is internal now\n')
  assert.equal(await ok('package', 'link', 'olive/tools/app', 'source'), 'Olive/tools/app is linked to Olive/source now\n')
  const shown = JSON.parse(await ok('package', 'show', 'olive/tools/app', '--json')) as Record<string, unknown>
  assert.deepEqual([shown.visibility, shown.repository, shown.pullsIn30Days], ['internal', 'Olive/source', 0])
  await wrong(/same owner/, 'package', 'link', 'olive/tools/app', 'sam/elsewhere')
  assert.equal(await ok('package', 'unlink', 'olive/tools/app'), 'Olive/tools/app is linked to no repository now\n')
  await wrong(/--yes does it/, 'package', 'delete', 'olive/tools/app')
  assert.match(await ok('package', 'delete', 'olive/tools/app', '--yes'), /^olive\/tools\/app is gone/)
  await wrong(/there is no package 'olive\/tools\/app'/, 'package', 'show', 'olive/tools/app')
  const audit = await db.queries
    .selectFrom('audit')
    .select(['action', 'actor'])
    .where('target', '=', 'oci Olive/tools/app')
    .orderBy('id')
    .execute()
  const words = ['package.create', 'package.change', 'package.change', 'package.change', 'package.delete']
  assert.deepEqual(
    audit,
    words.map((action) => ({ action, actor: 'the operator' })),
  )
})

test('what isn’t there, and what is no name, is told', async () => {
  await wrong(/there is no package 'olive\/nothing'/, 'package', 'tags', 'olive/nothing')
  await wrong(/'olive' is not OWNER\/NAME/, 'package', 'show', 'olive')
  await wrong(/'secret' is none of public, internal, private/, 'package', 'set-visibility', 'sam/other', 'secret')
  await wrong(/there is no repository 'sam\/nothing'/, 'package', 'link', 'sam/other', 'nothing')
})

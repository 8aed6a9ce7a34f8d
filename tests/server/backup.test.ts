// `stemma backup` while clients push, `stemma restore` into an empty place: every ref is there as it was at the backup's moment, every repository can be
// cloned, and git and `stemma fsck` find them right.
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { zstdDecompressSync } from 'node:zlib'
import { stemma } from '../support/command.ts'
import { sha256 } from '../support/content.ts'
import { openDatabase } from '../support/database.ts'
import { wholeClone } from '../support/git.ts'
import { makeHistory } from '../support/history.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'
import { noise } from '../support/seeded.ts'
import { Server } from '../support/server.ts'
import { until } from '../support/until.ts'

let host: Host
before(async () => {
  if (stemmaOnly.skip === undefined) host = await openHost('backup', { STEMMA_GIT_TAIL_BYTES: '20KiB' })
})
after(async () => await host?.close())

const to = () => host.folder.join('backup')

async function run(command: string, ...args: string[]) {
  const { stdout, stderr, code } = await stemma([command, ...args, '--json'])
  const result = stdout === '' ? null : JSON.parse(stdout.split('\n')[0] ?? '')
  return { code, stderr, result }
}

/** Rows of a table as the backup has them. */
// oxlint-disable-next-line typescript/no-explicit-any -- rows of any table
function dumped(table: string): any[] {
  const { dump } = JSON.parse(readFileSync(join(to(), 'manifest.json'), 'utf8'))
  const text = zstdDecompressSync(readFileSync(join(to(), 'dumps', dump, `${table}.jsonl.zst`))).toString()
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}

const large = noise(1, 2 << 20)

function lfsObject(server: Server, method: 'PUT' | 'GET'): Promise<Response> {
  const body = method === 'PUT' ? { body: new Uint8Array(large) } : {}
  const headers = { authorization: `Bearer ${server.token}` }
  return fetch(`${server.url}/admin/one.git/info/lfs/objects/${sha256(large)}`, { method, headers, ...body })
}

test('beside pushes, then again: only what is new is copied', stemmaOnly, async () => {
  const { git, server } = host
  const history = makeHistory(120)
  for (const name of ['one', 'two']) await git.run(['push', '-q', await host.create(name), 'main', '--tags'], { cwd: history })
  await git.run(['push', '-q', await host.create('wide', 'sha256'), 'main'], { cwd: makeHistory(10, 'sha256') })
  assert.equal((await lfsObject(server, 'PUT')).status, 200) // its row makes others, by a trigger
  // a separator of lines for some, and none in JSON
  assert.equal((await server.api('PATCH', '/api/v3/repos/admin/one', { description: 'line\u2028line "quoted" \\' })).status, 200)
  const work = await git.makeRepository(host.folder.join('work'), 3)
  let isPushing = true
  const pushes = (async () => {
    for (let step = 0; isPushing || step < 3; step++) {
      await git.commit(work, { [`file-${step}.txt`]: `${Math.sin(step)}\n`.repeat(2000) })
      const url = server.repositoryUrl(step % 2 === 0 ? 'one' : 'two')
      await git.run(['push', '-qf', url, `HEAD:refs/heads/new-${step}`, `HEAD:refs/heads/moving`], { cwd: work })
    }
  })()
  const first = await run('backup', '--to', to(), '--data', server.data)
  isPushing = false
  await pushes
  assert.equal(first.code, 0, first.stderr)
  assert.ok(first.result.keys >= 2 && first.result.copied === first.result.keys)
  await server.api('DELETE', '/api/v3/repos/admin/two')
  const second = await run('backup', '--to', to(), '--data', server.data)
  assert.equal(second.code, 0, second.stderr)
  assert.ok(second.result.copied < second.result.keys && second.result.removed > 0, JSON.stringify(second.result))
  assert.equal(readdirSync(join(to(), 'dumps')).length, 1)
})

test('restored into an empty place: refs as at the moment of the backup, clonable, right, and it goes on', stemmaOnly, async () => {
  const { git } = host
  await git.run(['push', '-q', host.server.repositoryUrl('one'), 'main~5:refs/heads/after-the-backup'], { cwd: makeHistory(120) })
  const data = host.folder.join('restored')
  const restored = await run('restore', '--from', to(), '--data', data)
  assert.equal(restored.code, 0, restored.stderr)
  const server = await Server.start({ data, env: { STEMMA_GIT_TAIL_BYTES: '20KiB' } })
  try {
    const repositories = dumped('repository')
    assert.deepEqual(repositories.map(({ name }) => name).sort(), ['one', 'wide'])
    for (const { id, name, description } of repositories) {
      const refs = dumped('ref')
        .filter(({ repository_id }) => repository_id === id)
        .map(({ oid, name: ref }) => `${oid.slice(2)} ${ref}`)
        .sort()
      const clone = host.folder.join(`restored-${name}.git`)
      await wholeClone(git, server.repositoryUrl(name), clone)
      const found = await git.read(['for-each-ref', '--format=%(objectname) %(refname)'], { cwd: clone })
      assert.deepEqual(found.split('\n').sort(), refs)
      assert.ok(!found.includes('after-the-backup'))
      assert.equal((await server.api('GET', `/api/v3/repos/admin/${name}`)).body.description, description)
    }
    assert.ok(Buffer.from(await (await lfsObject(server, 'GET')).arrayBuffer()).equals(large))
    const checked = await stemma(['fsck', '--data', data])
    assert.equal(checked.code, 0, checked.stdout + checked.stderr)
    // numbers go on behind those that were put back
    const url = await server.create('later')
    await git.run(['push', '-q', url, 'main'], { cwd: makeHistory(120) })
    await git.run(['push', '-q', server.repositoryUrl('one'), 'main~3:refs/heads/later'], { cwd: makeHistory(120) })
  } finally {
    await server.stop()
  }
  const again = await run('restore', '--from', to(), '--data', data)
  assert.equal(again.code, 1)
  assert.match(again.stderr, /there is a Stemma already: the table [a-z]+ has rows/)
})

/** What stands below a folder, but for spool files, which come and go. */
function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => !/(^|\/)tmp(\/|$)/.test(name))
}

test(
  'N2: a backup into the live data folder or bucket, or into a folder of something else, is refused before it touches any',
  stemmaOnly,
  async () => {
    const { server, folder } = host
    const live = join(server.data, 'bucket')
    const before = filesOf(live)
    assert.ok(before.length > 0)
    const linked = folder.join('linked')
    symlinkSync(server.data, linked)
    const around = folder.join('around')
    mkdirSync(around)
    symlinkSync(live, join(around, 'bucket'))
    for (const place of [
      server.data,
      live,
      join(server.data, 'new', 'backup'),
      dirname(server.data),
      linked,
      join(linked, 'new'),
      around,
    ]) {
      const refused = await run('backup', '--to', place, '--data', server.data)
      assert.equal(refused.code, 1, place)
      assert.match(refused.stderr, /is, holds or lies in .*data.*: a backup there would remove it\. Give a folder of its own/, place)
    }
    const foreign = folder.join('foreign')
    mkdirSync(join(foreign, 'bucket'), { recursive: true })
    writeFileSync(join(foreign, 'bucket', 'mine'), 'mine')
    const refused = await run('backup', '--to', foreign, '--data', server.data)
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /isn't empty and holds no backup.*Give a folder that is empty or isn't there yet/)
    assert.deepEqual(filesOf(foreign), ['bucket', 'bucket/mine'])
    writeFileSync(join(foreign, 'manifest.json'), '{"format":1,"name":"another program’s"}')
    assert.match((await run('backup', '--to', foreign, '--data', server.data)).stderr, /no manifest of a backup that this release knows/)
    const left = new Set(filesOf(live))
    assert.deepEqual(
      before.filter((name) => !left.has(name)),
      [],
    )
    for (const name of ['manifest.json', 'dumps', 'new']) assert.ok(!existsSync(join(server.data, name)), name)
  },
)

test('N2: a first backup that was interrupted is gone on with', stemmaOnly, async () => {
  const begun = host.folder.join('begun')
  cpSync(to(), begun, { recursive: true })
  rmSync(join(begun, 'manifest.json'))
  assert.match((await run('backup', '--to', begun, '--data', host.server.data)).stderr, /holds no backup/)
  writeFileSync(join(begun, 'stemma-backup-begun'), '')
  const done = await run('backup', '--to', begun, '--data', host.server.data)
  assert.equal(done.code, 0, done.stderr)
  assert.ok(done.result.copied < done.result.keys)
  assert.deepEqual(readdirSync(begun).sort(), ['bucket', 'dumps', 'manifest.json'])
})

test('N5: a restore into the place of a live server is refused before a key is copied', stemmaOnly, async () => {
  const key = filesOf(join(to(), 'bucket')).find((name) => /^pack\/..\/[0-9a-f-]{36}$/.test(name))
  assert.ok(key)
  const other = `${key.slice(0, -12)}000000000000`
  cpSync(join(to(), 'bucket', key), join(to(), 'bucket', other))
  const refused = await run('restore', '--from', to(), '--data', host.server.data)
  rmSync(join(to(), 'bucket', other))
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /there is a Stemma already.*Restore into an empty place/)
  assert.ok(!existsSync(join(host.server.data, 'bucket', other)), 'nothing was copied')
})

test('what is no backup, or a damaged one, is refused, and nothing of it is put back', stemmaOnly, async () => {
  const data = host.folder.join('refused')
  assert.match((await run('restore', '--from', host.folder.join('nothing'), '--data', data)).stderr, /holds no backup/)
  assert.ok(!existsSync(data), 'N5: no database was made for it')
  const { dump } = JSON.parse(readFileSync(join(to(), 'manifest.json'), 'utf8'))
  const path = join(to(), 'dumps', dump, 'ref.jsonl.zst')
  const bytes = readFileSync(path)
  writeFileSync(path, bytes.subarray(0, -1))
  const cut = await run('restore', '--from', to(), '--data', data)
  writeFileSync(path, bytes)
  assert.equal(cut.code, 1)
  assert.match(cut.stderr, /ref\.jsonl\.zst is not what was written[^]*Nothing was restored: .*Don't start the server there/) // N5: it would begin empty
  assert.equal((await run('restore', '--from', to(), '--data', data)).code, 0, 'the same place is still empty')
})

test('a backup that lost a key is put back without it, which is said', stemmaOnly, async () => {
  const [{ key }] = dumped('pack').filter((pack) => pack.key !== null)
  const [path, away] = [join(to(), 'bucket', key), host.folder.join('away')]
  renameSync(path, away)
  try {
    const restored = await run('restore', '--from', to(), '--data', host.folder.join('lacking'))
    assert.equal(restored.code, 1)
    assert.deepEqual(restored.result.missing, [key])
  } finally {
    renameSync(away, path)
  }
})

test('while keys are held, none is deleted', stemmaOnly, async () => {
  const database = await openDatabase(host.server)
  const waiting = async () => (await database.query<{ n: number }>('select count(*)::int n from key_deletion')).rows[0]?.n
  assert.match((await stemma(['backup', 'hold', '--for', '1h', '--data', host.server.data])).stdout, /^No key is deleted until 2\d{3}-/)
  await database.query('update key_deletion set not_before = now()')
  await database.query(`update job set due_at = now() where kind = 'sweep-orphans'`)
  const before = await waiting()
  assert.ok(before && before > 0)
  await until('a sweep', async () => {
    const { rows } = await database.query(`select 1 from job where kind = 'sweep-orphans' and due_at > now() and holder is null`)
    return rows.length > 0
  })
  assert.equal(await waiting(), before)
  await stemma(['backup', 'release', '--data', host.server.data])
  await database.query(`update job set due_at = now() where kind = 'sweep-orphans'`)
  await until('a sweep that deletes', async () => (await waiting()) === 0)
  await database.end()
  rmSync(to(), { recursive: true })
})

// `stemma repack` beside the running server: clones and pushes go on, what was pushed meanwhile stays, a repack that is killed leaves nothing wrong.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { setTimeout as sleep } from 'node:timers/promises'
import { startStemma, stemma } from '../support/command.ts'
import { openDatabase } from '../support/database.ts'
import { Forks } from '../support/forks.ts'
import { contentOf, wholeClone } from '../support/git.ts'
import { makeHistory } from '../support/history.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'

let host: Host
let db: pg.Client
let clones = 0
before(async () => {
  if (stemmaOnly.skip !== undefined) return
  host = await openHost('repack')
  db = await openDatabase(host.server)
})
after(async () => {
  await db?.end()
  await host?.close()
})

async function repacked(name: string, ...args: readonly string[]) {
  const { code, stdout, stderr } = await stemma(['repack', name, '--json', ...args, '--data', host.server.data])
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout)
}

/** A new mirror clone, which git finds whole. */
async function cloned(url: string): Promise<{ objects: string; refs: string }> {
  return await contentOf(host.git, await wholeClone(host.git, url, host.folder.join(`clone-${clones++}.git`)))
}

async function rows<T extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<T[]> {
  return (await db.query<T>(text, [...values])).rows
}

function packs(name: string) {
  return rows<{ id: number; key: string | null; objects: number }>(
    `select p.id::int, p.key, p.object_count::int objects from pack p join repository r using (network_id) where r.name = $1 order by p.id`,
    [name],
  )
}

/** Repacks that run, or were killed while they did. */
const leases = () => rows(`select kind from job where kind like 'repack %'`)

/** Pushed in so many steps: as many packs. */
async function pushed(name: string, commits: number, steps: number, format: 'sha1' | 'sha256' = 'sha1') {
  const work = makeHistory(commits, format)
  const url = await host.create(name, format)
  for (let step = steps - 1; step > 0; step--) {
    await host.git.run(['push', '-q', url, `main~${Math.floor((commits * step) / steps)}:refs/heads/main`], { cwd: work })
  }
  await host.git.run(['push', '-q', '--mirror', url], { cwd: work })
  return { url, work }
}

for (const format of ['sha1', 'sha256'] as const) {
  test(`many packs become one that git clones and finds whole, in ${format}`, stemmaOnly, async () => {
    const name = `many-${format}`
    const { url } = await pushed(name, 200, 6, format)
    const [content, old] = [await cloned(url), await packs(name)]
    assert.equal(old.length, 6)
    const result = await repacked(`admin/${name}`, '--no-reuse')
    assert.equal(result.packsBefore, 6)
    assert.ok(result.bytesAfter < result.bytesBefore)
    assert.deepEqual(await cloned(url), content)
    const [only, ...more] = await packs(name)
    assert.deepEqual(more, [])
    assert.equal(only?.objects, result.objects)
    const replaced = old.flatMap(({ key }) => key ?? [])
    const due = await rows<{ key: string }>(`select key from key_deletion where not_before > now() + interval '50 minutes'`)
    for (const key of replaced)
      assert.ok(
        due.some((row) => row.key === key),
        'readers have time',
      )
    assert.deepEqual(await rows(`select key from upload_intent where key like 'pack/%'`), [])
    // once more: it is what it is
    const again = await repacked(`admin/${name}`)
    assert.equal(again.objects, result.objects)
    assert.deepEqual(await cloned(url), content)
  })
}

test('clones, fetches and pushes go on meanwhile, and what was pushed stays', stemmaOnly, async () => {
  const { url, work } = await pushed('busy', 400, 4)
  const before = await packs('busy')
  const follower = host.folder.join('follower.git')
  await host.git.run(['clone', '-q', '--bare', url, follower])
  const clone = host.folder.join('busy')
  await host.git.run(['clone', '-q', url, clone])
  const repack = startStemma(['repack', 'admin/busy', '--no-reuse', '--data', host.server.data])
  const ended = once(repack.child, 'exit')
  let rounds = 0
  while (repack.child.exitCode === null || rounds < 3) {
    await host.git.commit(clone, { [`new/${rounds}`]: `file ${rounds}\n` }, `commit ${rounds}`)
    await host.git.run(['push', '-q', 'origin', 'HEAD:main'], { cwd: clone })
    await host.git.run(['fetch', '-q', url, 'main:main'], { cwd: follower })
    await cloned(url)
    rounds++
  }
  assert.deepEqual(await ended, [0, null], repack.said())
  const now = await packs('busy')
  assert.ok(!now.some(({ id }) => before.some((old) => old.id === id)))
  // those that came before it began are in it
  assert.ok(now.length > 1 && now.length <= 1 + rounds, `${now.length} packs after ${rounds} pushes`)
  await host.git.run(['fetch', '-q', url, 'main:main'], { cwd: follower })
  await host.git.run(['fsck', '--full', '--strict'], { cwd: follower })
  assert.equal(await host.git.read(['rev-parse', 'main'], { cwd: follower }), await host.git.read(['rev-parse', 'HEAD'], { cwd: clone }))
  assert.notEqual(await host.git.read(['rev-parse', 'main'], { cwd: work }), await host.git.read(['rev-parse', 'HEAD'], { cwd: clone }))
  await repacked('admin/busy')
  assert.equal((await packs('busy')).length, 1)
  await cloned(url)
})

test('a repack that is killed has changed nothing; the next one waits for its lease, and takes its place', stemmaOnly, async () => {
  const { url } = await pushed('killed', 300, 3)
  const [content, old] = [await cloned(url), await packs('killed')]
  for (const phase of ['searching deltas', 'writing', 'checking']) {
    await rows(`delete from job where kind like 'repack %'`)
    const repack = startStemma(['repack', 'admin/killed', '--no-reuse', '--data', host.server.data])
    const ended = once(repack.child, 'exit')
    while (!repack.said().includes(phase) && repack.child.exitCode === null) await sleep(2)
    repack.child.kill('SIGKILL')
    const [code] = await ended
    // it may have been faster than the signal
    if (code === 0) break
    assert.deepEqual(await packs('killed'), old)
    assert.deepEqual(await cloned(url), content)
  }
  if ((await leases()).length > 0) {
    const { code, stderr } = await stemma(['repack', 'admin/killed', '--data', host.server.data])
    assert.equal(code, 1)
    assert.match(stderr, /is being repacked already/)
    await rows(`update job set leased_until = now() where kind like 'repack %'`)
  }
  await repacked('admin/killed')
  assert.deepEqual(await cloned(url), content)
  assert.deepEqual(await leases(), [])
})

test('a network of forks is one: what only a fork has stays with it, and hidden from the others', stemmaOnly, async () => {
  const { url } = await pushed('parent', 100, 3)
  const forks = Forks.open(host.server)
  try {
    const account = await forks.account('forker')
    const fork = await forks.fork(['admin', 'parent'], account, 'fork', 'private')
    const clone = host.folder.join('fork')
    await host.git.run(['clone', '-q', fork, clone])
    const secret = await host.git.commit(clone, { secret: 'only here\n' }, 'of the fork alone')
    await host.git.run(['push', '-q', 'origin', 'HEAD:main'], { cwd: clone })
    const contents = [await cloned(url), await cloned(fork)]
    const { packsBefore } = await repacked('admin/parent')
    assert.equal(packsBefore, 4)
    assert.deepEqual([await cloned(url), await cloned(fork)], contents)
    const other = host.folder.join('other.git')
    await host.git.run(['init', '-q', '--bare', other])
    const asked = await host.git.run(['fetch', '-q', url, secret], { cwd: other, mayFail: true })
    assert.notEqual(asked.code, 0)
    assert.match(asked.stderr, /not our ref/)
  } finally {
    await forks.close()
  }
})

test('what is not there, or is empty, is told in one line', stemmaOnly, async () => {
  const none = await stemma(['repack', 'admin/nothing', '--data', host.server.data])
  assert.deepEqual(
    [none.code, none.stderr],
    [1, "stemma: there is no repository 'admin/nothing'; stemma repository list shows those that there are\n"],
  )
  for (const wrong of [['nothing'], ['admin/x', '--window', '0'], ['admin/x', '--depth', 'deep'], ['admin/x', '--memory', '1MiB']]) {
    const { code, stderr } = await stemma(['repack', ...wrong, '--data', host.server.data])
    assert.equal(code, 2)
    assert.match(stderr, /^stemma: [^\n]+\n$/)
  }
  await host.create('empty')
  const empty = await stemma(['repack', 'admin/empty', '--data', host.server.data])
  assert.deepEqual([empty.code, empty.stdout], [0, 'admin/empty has no objects: there is nothing to repack\n'])
})

// `stemma fsck` beside a running server: whatever real clients push is found right, while they push; damage is told with exit code 1.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { stemma } from '../support/command.ts'
import { sha256 } from '../support/content.ts'
import { Forks } from '../support/forks.ts'
import { openDatabase } from '../support/database.ts'
import { wholeClone } from '../support/git.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'
import { makeHistory } from '../support/history.ts'
import { noise } from '../support/seeded.ts'

let host: Host
before(async () => {
  // small tails, so that packs of both kinds are there
  if (stemmaOnly.skip === undefined) host = await openHost('fsck', { STEMMA_GIT_TAIL_BYTES: '20KiB' })
})
after(async () => await host?.close())

async function fsck(...args: string[]) {
  const { stdout, stderr, code } = await stemma(['fsck', ...args, '--json', '--data', host.server.data])
  const records = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
  return {
    code,
    stderr,
    findings: records.filter(({ type }) => type === 'finding'),
    rebuilt: records.find(({ type }) => type === 'rebuilt'),
    summary: records.find(({ type }) => type === 'summary'),
  }
}

test('what clients pushed, thin packs, forks, forced pushes and tags among it, is right', stemmaOnly, async () => {
  const { git } = host
  const url = await host.create('busy')
  const source = makeHistory(300)
  const work = host.folder.join('work')
  await git.run(['clone', '-q', '--branch', 'main', source, work])
  await git.run(['push', '-q', url, 'main~200:refs/heads/main'], { cwd: work })
  // by steps: thin packs that rest on what is there
  for (let back = 180; back >= 0; back -= 30) await git.run(['push', '-q', url, `main~${back}:refs/heads/main`], { cwd: work })
  await git.run(['push', '-q', '--tags', url], { cwd: work })
  await git.commit(work, { 'file.txt': 'on the fork\n' })
  const forks = Forks.open(host.server)
  const fork = await forks.fork(['admin', 'busy'], await forks.account('bob'), 'fork', 'private')
  await forks.close()
  await git.run(['push', '-q', fork, 'HEAD:refs/heads/other'], { cwd: work })
  await git.run(['push', '-qf', url, 'main~50:refs/heads/main'], { cwd: work })
  await git.run(['push', '-q', await host.create('wide', 'sha256'), 'main'], { cwd: makeHistory(30, 'sha256') })
  const { code, findings, summary, stderr } = await fsck()
  assert.deepEqual(findings, [], stderr)
  assert.equal(code, 0, stderr)
  assert.ok(summary.packs > 8 && summary.objects > 1000 && summary.keys > 0, JSON.stringify(summary))
})

test('while clients push', stemmaOnly, async () => {
  const { git } = host
  const url = await host.create('moving')
  const work = await git.makeRepository(host.folder.join('moving'), 40)
  let isChecking = true
  const pushing = (async () => {
    for (let step = 0; isChecking || step === 0; step++) {
      await git.commit(work, { [`file-${step}.txt`]: `${Math.sin(step)}\n`.repeat(3000) })
      await git.run(['push', '-qf', url, `HEAD:refs/heads/${step % 3}`], { cwd: work })
    }
  })()
  try {
    for (let run = 0; run < 2; run++)
      assert.deepEqual(await fsck().then(({ code, findings }) => ({ code, findings })), { code: 0, findings: [] })
  } finally {
    isChecking = false
    await pushing
  }
})

test('damage is told, for one repository too, and is no trouble for the others; text is for people', stemmaOnly, async () => {
  const [file] = host.server.bucketFiles().filter(({ path, sizeBytes }) => path.includes('/pack/') && sizeBytes > 40_000)
  assert.ok(file)
  const bytes = readFileSync(file.path)
  const at = Math.floor(bytes.length / 3)
  const was = bytes[at] as number
  bytes[at] = was ^ 16
  writeFileSync(file.path, bytes)
  const all = await fsck()
  const [{ dependents, key, severity }] = all.findings
  assert.equal(all.code, 1)
  assert.ok(file.path.endsWith(key))
  assert.equal(severity, 'error')
  const names: string[] = dependents.repositories
  assert.ok(names.length > 0)
  for (const name of ['admin/busy', 'admin/moving', 'admin/wide']) assert.equal((await fsck(name)).code, names.includes(name) ? 1 : 0, name)
  const text = await stemma(['fsck', '--data', host.server.data])
  assert.match(text.stdout, new RegExp(`^error\t[a-z-]+\t${key}\t.*; needed by admin/.*; to do: .*\n`, 'm'))
  assert.match(text.stdout, /\n\d+ errors, 0 warnings: \d+ repositories/)
  bytes[at] = was
  writeFileSync(file.path, bytes)
  assert.equal((await fsck()).code, 0)
})

test('a repacked network is right', stemmaOnly, async () => {
  const { code, stderr } = await stemma(['repack', 'admin/busy', '--data', host.server.data])
  assert.equal(code, 0, stderr)
  assert.deepEqual(await fsck().then((result) => [result.code, result.findings]), [0, []])
})

test('rows of packs are made again: of repositories that pushes made, too', stemmaOnly, async () => {
  const { git, server } = host
  const url = server.repositoryUrl('by-push') // there is none of that name yet
  const work = makeHistory(300)
  await git.run(['push', '-q', url, 'main'], { cwd: work })
  const database = await openDatabase(server)
  await database.query('delete from pack where key is not null')
  await database.query('update network set packs_version = packs_version + 1')
  await database.end()
  assert.equal((await fsck()).code, 1)
  const rebuilt = await fsck('--rebuild')
  assert.equal(rebuilt.code, 0, JSON.stringify(rebuilt.findings))
  const clone = await wholeClone(git, url, host.folder.join('rebuilt.git'))
  assert.equal(await git.read(['rev-parse', 'main'], { cwd: clone }), await git.read(['rev-parse', 'main'], { cwd: work }))
  assert.equal((await fsck('admin/by-push', '--rebuild')).code, 2)
})

test('rows of content are made again', stemmaOnly, async () => {
  const { server } = host
  await host.create('large')
  const bytes = noise(5, 5 << 20)
  const url = `${server.url}/admin/large.git/info/lfs/objects/${sha256(bytes)}`
  const headers = { authorization: `Bearer ${server.token}` }
  const put = await fetch(url, { method: 'PUT', headers, body: new Uint8Array(bytes) })
  assert.equal(put.status, 200)
  const database = await openDatabase(server)
  await database.query('delete from content_reference')
  await database.query('delete from content')
  await database.query('truncate segment, content_segment, chunk')
  const lost = await fsck()
  assert.deepEqual([lost.code, lost.findings.map(({ code }) => code)], [1, ['key-stray', 'lfs-content-missing']])
  assert.deepEqual(lost.findings[1].dependents.lfsObjects, [{ repository: 'admin/large', oid: sha256(bytes) }])
  const { code, rebuilt, findings } = await fsck('--rebuild')
  assert.deepEqual(
    [code, findings, rebuilt.content],
    [0, [], { segments: 1, contents: 1, wholes: 0, corrected: 0, held: 1, heldBlobs: 0, unresolved: 0, left: [] }],
  )
  await database.end()
  assert.deepEqual(Buffer.from(await (await fetch(url, { headers })).arrayBuffer()).equals(bytes), true)
  const text = await stemma(['fsck', '--rebuild', '--data', server.data])
  assert.match(
    text.stdout,
    /^rebuilt: 0 contents out of 1 segments, 0 that are stored as they came, 0 rows corrected, 0 LFS objects and 0 blobs and files of packages held again; of 0 something is nowhere$/m,
  )
})

test('a damaged block of a segment is named with the LFS objects that rest on it', stemmaOnly, async () => {
  const { server } = host
  const oid = sha256(noise(5, 5 << 20))
  const file = server.bucketFiles().find(({ path }) => path.includes('/segment/')) as { path: string }
  const key = file.path.slice(file.path.indexOf('segment/'))
  const good = readFileSync(file.path)
  const damaged = Buffer.from(good)
  damaged[3 << 20] = (damaged[3 << 20] as number) ^ 16
  writeFileSync(file.path, damaged)
  const { code, findings, summary } = await fsck()
  assert.deepEqual([code, summary.content.errors, findings.map((one) => [one.code, one.key])], [1, 1, [['block-damaged', key]]])
  assert.deepEqual(findings[0].dependents.lfsObjects, [{ repository: 'admin/large', oid }])
  assert.deepEqual((await fsck('admin/large')).findings, findings)
  assert.deepEqual((await fsck('admin/busy')).findings, [])
  const text = await stemma(['fsck', '--data', server.data])
  assert.match(text.stdout, new RegExp(`^error\tblock-damaged\t${key}\t.*; needed by admin/large LFS object ${oid}; to do: `, 'm'))
  writeFileSync(file.path, good)
  const { rows } = await queried('delete from content_reference returning 1')
  assert.equal(rows.length, 1)
  assert.deepEqual(
    (await fsck()).findings.map((one) => one.code),
    ['lfs-unheld'],
  )
  assert.equal((await fsck('--rebuild')).rebuilt.content.held, 1)
})

async function queried(text: string) {
  const database = await openDatabase(host.server)
  try {
    return await database.query(text)
  } finally {
    await database.end()
  }
}

test('what could not be found out has exit code 2', stemmaOnly, async () => {
  const none = await fsck('admin/none')
  assert.deepEqual([none.code, none.stderr], [2, 'stemma: there is no repository admin/none\n'])
  assert.equal((await fsck('none')).code, 2)
  const elsewhere = await stemma(['fsck', '--data', host.folder.join('nowhere')])
  assert.deepEqual([elsewhere.code, elsewhere.stdout], [2, ''])
})

// `stemma import` from folders: what git finds in a clone is what it finds in the source, whatever state git left the source in; what is
// interrupted goes on, what is damaged is refused and named, what somebody else did is left alone.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startStemma, stemma } from '../support/command.ts'
import { openDatabase } from '../support/database.ts'
import { contentOf } from '../support/git.ts'
import { type Host, openHost, stemmaOnly } from '../support/host.ts'

let host: Host
before(async () => {
  if (stemmaOnly.skip === undefined) host = await openHost('import')
})
after(async () => {
  await host?.close()
})

const data = () => ['--data', host.server.data]

async function importJson(...args: readonly string[]) {
  const { stdout, stderr, code } = await stemma(['import', ...args, ...data(), '--json'])
  const results = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
  return { code, stderr, results }
}

/** A clone has what the source has. */
async function assertSame(name: string, source: string): Promise<void> {
  const clone = host.folder.join(`clone-${randomBytes(4).toString('hex')}.git`)
  await host.git.run(['clone', '-q', '--mirror', host.server.repositoryUrl(name), clone])
  await host.git.run(['fsck', '--full', '--strict'], { cwd: clone })
  assert.deepEqual(await contentOf(host.git, clone), await contentOf(host.git, source))
  const head = (path: string) => host.git.read(['symbolic-ref', 'HEAD'], { cwd: path })
  assert.equal(await head(clone), await head(source))
}

/** Repositories in many of the states that git leaves them in. */
async function makeFolder(root: string): Promise<void> {
  const { git } = host
  const plain = await git.makeRepository(join(root, 'team/plain'), 25)
  await git.run(['branch', '-m', 'main', 'trunk'], { cwd: plain })
  await git.run(['tag', '-a', 'v1', '-m', 'tag'], { cwd: plain })
  await git.run(['tag', '-a', 'v1-nested', '-m', 'tag of a tag', 'v1'], { cwd: plain })
  await git.run(['update-ref', 'refs/pull/1/head', 'HEAD~3'], { cwd: plain })
  await git.run(['update-ref', 'refs/notes/commits', 'HEAD~4'], { cwd: plain })
  await git.run(['tag', 'of-a-blob', 'HEAD:file-1.txt'], { cwd: plain })
  const packed = join(root, 'team/packed.git')
  await git.run(['clone', '-q', '--mirror', plain, packed])
  await git.run(['pack-refs', '--all'], { cwd: packed })
  await git.run(['repack', '-q', '-adb'], { cwd: packed })
  const mixed = await git.makeRepository(join(root, 'mixed'), 20)
  await git.run(['repack', '-q'], { cwd: mixed })
  await git.commit(mixed, { more: 'second pack\n' })
  await git.run(['repack', '-qa'], { cwd: mixed })
  await git.commit(mixed, { loose: 'loose\n' })
  await git.run(['clone', '-q', '--bare', '--shared', packed, join(root, 'borrowing.git')])
  await git.makeRepository(join(root, 'sha256'), 5, ['--object-format=sha256'])
  await git.run(['init', '-q', '--bare', '-b', 'develop', join(root, 'empty.git')])
}

test('a folder: every repository in it, by names made of the paths, and nothing twice', stemmaOnly, async () => {
  const root = host.folder.join('folder')
  await makeFolder(root)
  const listed = await stemma(['import', root, '--dry-run', ...data()])
  assert.deepEqual(
    listed.stdout.split('\n').map((line) => line.split('\t')[1]),
    ['admin/borrowing', 'admin/empty', 'admin/mixed', 'admin/sha256', 'admin/team-packed', 'admin/team-plain', undefined],
  )
  const first = await importJson(root, '--public')
  assert.equal(first.code, 0, first.stderr)
  assert.deepEqual(
    first.results.map((result) => `${result.repository} ${result.outcome}`),
    ['borrowing', 'empty', 'mixed', 'sha256', 'team-packed', 'team-plain'].map((name) => `admin/${name} imported`),
  )
  for (const [name, path] of [
    ['borrowing', 'borrowing.git'],
    ['mixed', 'mixed'],
    ['sha256', 'sha256'],
    ['team-packed', 'team/packed.git'],
    ['team-plain', 'team/plain'],
  ] as const) {
    await assertSame(name, join(root, path))
    const objects = (await contentOf(host.git, join(root, path))).objects.split('\n').length
    assert.equal(first.results.find((result) => result.repository === `admin/${name}`).objects, objects)
  }
  assert.equal((await host.server.api('GET', '/api/v3/repos/admin/empty')).body.default_branch, 'develop')
  assert.equal((await host.server.api('GET', '/api/v3/repos/admin/mixed')).body.private, false)
  const again = await importJson(root)
  assert.ok(again.results.every((result) => result.outcome === 'present'))
  assert.equal(again.code, 0)
})

test('the reflog and the outbox say that it was an import', stemmaOnly, async () => {
  const source = await host.git.makeRepository(host.folder.join('logged'), 2)
  await importJson(source)
  const database = await openDatabase(host.server)
  try {
    const { rows } = await database.query(
      `select l.reason, l.name from reflog l join repository r on r.id = l.repository_id where r.name = 'logged'`,
    )
    assert.deepEqual(rows, [{ reason: 'import', name: 'refs/heads/main' }])
    const told = await database.query(`select o.payload->>'reason' as reason from outbox o join repository r on r.id = o.repository_id
      where r.name = 'logged' and o.kind = 'push'`)
    assert.deepEqual(told.rows, [{ reason: 'import' }])
  } finally {
    await database.end()
  }
})

test('what the source has since is brought; what was pushed here since is not undone', stemmaOnly, async () => {
  const source = await host.git.makeRepository(host.folder.join('growing'), 10)
  await host.git.run(['branch', 'old'], { cwd: source })
  assert.equal((await importJson(source)).results[0].outcome, 'imported')
  await host.git.commit(source, { 'file-1.txt': 'new\n' })
  await host.git.run(['branch', '-D', 'old'], { cwd: source })
  await host.git.run(['branch', 'old/below'], { cwd: source })
  const updated = await importJson(source)
  assert.equal(updated.results[0].outcome, 'updated', updated.stderr)
  assert.ok(updated.results[0].packBytes < 2000, 'only what is new came')
  await assertSame('growing', source)
  const clone = host.folder.join('pusher')
  await host.git.run(['clone', '-q', host.server.repositoryUrl('growing'), clone])
  await host.git.commit(clone, { pushed: 'here\n' })
  await host.git.run(['push', '-q', 'origin', 'HEAD:main'], { cwd: clone })
  const refused = await importJson(source)
  assert.equal(refused.code, 1)
  assert.match(refused.results[0].error.message, /admin\/growing exists and has other refs than the origin: it was pushed to since/)
  assert.equal(
    await host.git.read(['ls-remote', 'origin', 'refs/heads/main'], { cwd: clone }).then((line) => line.slice(0, 40)),
    await host.git.read(['rev-parse', 'HEAD'], { cwd: clone }),
  )
})

test('a repository that was not imported is not touched, nor one that names objects otherwise', stemmaOnly, async () => {
  await host.create('taken')
  await host.create('other-format', 'sha256')
  const source = await host.git.makeRepository(host.folder.join('source'), 2)
  await host.git.run(['push', '-q', await host.create('full'), 'main'], { cwd: source })
  const other = await host.git.makeRepository(host.folder.join('other'), 3)
  assert.match((await importJson(other, '--name', 'full')).results[0].error.message, /it was not imported from there/)
  assert.equal((await importJson(other, '--name', 'taken')).results[0].outcome, 'imported', 'an empty one is filled')
  assert.equal((await importJson(source, '--name', 'full')).results[0].outcome, 'verified', 'one that is the same is verified')
  assert.match(
    (await importJson(other, '--name', 'other-format')).results[0].error.message,
    /the origin names objects by sha1, the repository by sha256/,
  )
})

test('what no ref reaches may be broken: it is left behind', stemmaOnly, async () => {
  const { git } = host
  const source = await git.makeRepository(host.folder.join('dangling'), 6)
  const lost = await git.commit(source, { lost: 'lost\n' }, 'a commit that was thrown away')
  const tree = await git.read(['rev-parse', `${lost}^{tree}`], { cwd: source })
  await git.run(['reset', '-q', '--hard', 'HEAD~1'], { cwd: source })
  await git.run(['update-ref', 'refs/stash', 'HEAD'], { cwd: source })
  rmSync(join(source, '.git/objects', tree.slice(0, 2), tree.slice(2)))
  const { results, code } = await importJson(source)
  assert.equal(code, 0, JSON.stringify(results))
  assert.ok(results[0].objectsLeftOut >= 2)
  assert.deepEqual(results[0].refsLeftOut, ['refs/stash'])
  await git.run(['update-ref', '-d', 'refs/stash'], { cwd: source })
  await assertSame('dangling', source)
})

test('a pack without its index comes too', stemmaOnly, async () => {
  const work = await host.git.makeRepository(host.folder.join('unindexed-work'), 20)
  const source = host.folder.join('unindexed.git')
  await host.git.run(['clone', '-q', '--bare', '--no-local', work, source])
  const packs = join(source, 'objects/pack')
  for (const name of readdirSync(packs)) if (!name.endsWith('.pack')) rmSync(join(packs, name))
  const { results } = await importJson(source)
  assert.equal(results[0].outcome, 'imported', JSON.stringify(results))
  await assertSame('unindexed', work)
})

test('damage that the refs reach fails that repository, names the place, and leaves nothing', stemmaOnly, async () => {
  const { git, server } = host
  const root = host.folder.join('damage')
  const good = await git.makeRepository(join(root, 'a-good'), 3)
  const missing = await git.makeRepository(join(root, 'b-missing'), 3)
  await git.commit(missing, { gone: 'gone\n' })
  const blob = await git.read(['rev-parse', 'HEAD:gone'], { cwd: missing })
  rmSync(join(missing, '.git/objects', blob.slice(0, 2), blob.slice(2)))
  const flipped = join(root, 'c-flipped.git')
  await git.run(['clone', '-q', '--bare', '--no-local', await git.makeRepository(host.folder.join('whole'), 30), flipped])
  const packs = join(flipped, 'objects/pack')
  const pack = join(packs, readdirSync(packs).find((name) => name.endsWith('.pack')) as string)
  const bytes = readFileSync(pack)
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 4
  writeFileSync(`${pack}.new`, bytes)
  renameSync(`${pack}.new`, pack)
  const torn = await git.makeRepository(join(root, 'd-torn-ref'), 2)
  writeFileSync(join(torn, '.git/refs/heads/torn'), '')
  const shallow = join(root, 'e-shallow.git')
  await git.run(['clone', '-q', '--bare', '--depth=1', `file://${good}`, shallow])
  const before = server.bucketFiles()
  const { results, code } = await importJson(root)
  assert.equal(code, 1)
  const said = new Map(results.map((result) => [result.repository, result.error?.message ?? result.outcome]))
  assert.equal(said.get('admin/a-good'), 'imported')
  assert.match(said.get('admin/b-missing'), new RegExp(`b-missing.*object ${blob} is missing; object [0-9a-f]{40} refers to it`))
  assert.match(said.get('admin/c-flipped'), /pack-[0-9a-f]+\.pack: is damaged at offset \d+/)
  assert.match(said.get('admin/d-torn-ref'), /broken ref.*refs\/heads\/torn/)
  assert.match(said.get('admin/e-shallow'), /the history is cut off \(a shallow clone\)/)
  assert.deepEqual(server.bucketFiles(), before)
  for (const name of ['b-missing', 'c-flipped']) {
    const refs = await git.read(['ls-remote', server.repositoryUrl(name)])
    assert.equal(refs, '', `${name} has refs without objects`)
  }
})

test('objects with faults come only when it is said that they may', stemmaOnly, async () => {
  const { git } = host
  const source = await git.makeRepository(host.folder.join('faulty'), 2)
  const tree = await git.read(['rev-parse', 'HEAD^{tree}'], { cwd: source })
  const text = `tree ${tree}\nauthor A <a@example.com> 1700000000 +0000\ncommitter <> 1700000000 +0000\n\nno name, no space before the address\n`
  const bad = await git.read(['hash-object', '-t', 'commit', '-w', '--stdin', '--literally'], { cwd: source, input: text })
  await git.run(['update-ref', 'refs/heads/bad', bad], { cwd: source })
  const refused = await importJson(source)
  assert.match(refused.results[0].error.message, new RegExp(`object ${bad}: missingSpaceBeforeEmail|object ${bad}: missingNameBeforeEmail`))
  const taken = await importJson(source, '--no-strict')
  assert.equal(taken.results[0].outcome, 'imported', JSON.stringify(taken.results))
})

test('killed in the middle, it goes on: what was done is passed over, and the end is the same', stemmaOnly, async () => {
  const { git } = host
  const root = host.folder.join('long')
  for (let n = 0; n < 3; n++) {
    const path = await git.makeRepository(join(root, `r${n}`), 2)
    mkdirSync(join(path, 'big'))
    for (let i = 0; i < 8; i++) writeFileSync(join(path, 'big', String(i)), randomBytes(3 << 20))
    await git.commit(path, {})
  }
  for (const signal of ['SIGKILL', 'SIGINT', 'SIGTERM'] as const) {
    const run = startStemma(['import', root, ...data()])
    while (!/r1: (receiving|checking)/.test(run.said()) && run.child.exitCode === null) await sleep(2)
    run.child.kill(signal)
    if (run.child.exitCode === null && run.child.signalCode === null) await once(run.child, 'exit')
    if (signal === 'SIGINT' && run.child.exitCode !== 0) {
      assert.equal(run.child.exitCode, 130, run.said())
      assert.match(run.said(), /stemma: interrupted; the same command goes on with what is left\n$/)
    }
  }
  const { results, code } = await importJson(root)
  assert.equal(code, 0)
  assert.equal(results[0].outcome, 'present')
  for (let n = 0; n < 3; n++) await assertSame(`r${n}`, join(root, `r${n}`))
})

test('a wrong command line, and an account that is none', stemmaOnly, async () => {
  const source = host.folder.join('source')
  assert.equal((await stemma(['import', ...data()])).code, 2)
  assert.match((await stemma(['import', ...data()])).stderr, /'stemma import' takes SOURCE/)
  assert.match((await stemma(['import', source, 'more', ...data()])).stderr, /'stemma import' takes SOURCE/)
  assert.match((await stemma(['import', source, '--owner', 'nobody', ...data()])).stderr, /there is no account 'nobody'/)
  assert.match((await stemma(['import', host.folder.join('none'), ...data()])).stderr, /none: there is no such folder/)
  assert.match((await stemma(['import', host.folder.join('folder'), '--name', 'x', ...data()])).stderr, /--name is for one repository/)
  assert.match((await stemma(['import', source, '--name', 'a/b', ...data()])).stdout, /A repository name is/)
})

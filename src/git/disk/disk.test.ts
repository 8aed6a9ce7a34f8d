// Repositories on disk as git makes them: what git reads there is what is read here; what git could not read either has an error that names
// the file.
import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Git, TempFolder } from '../../../tests/support/git.ts'
import { InputError } from '../../base/index.ts'
import { kindName, objectIdOf } from '../format/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import { type DiskRepository, findGitFolder, openDiskRepository, parseSettings, setting, truth } from './index.ts'

const folder = new TempFolder('disk')
const git = new Git(folder)
after(() => folder.remove())

async function bare(name: string, commits = 30, initArgs: readonly string[] = []): Promise<string> {
  const work = folder.join(`${name}-work`)
  await git.makeRepository(work, commits, initArgs)
  const path = folder.join(`${name}.git`)
  await git.run(['clone', '-q', '--bare', work, path])
  return path
}

/** Every ref and every object is what git says; returns how many objects there are. */
async function assertAsGit(path: string): Promise<number> {
  const repository = openDiskRepository(path)
  const refs = await git.read(['for-each-ref', '--format=%(objectname) %(refname)'], { cwd: path })
  assert.equal(
    repository
      .readRefs()
      .refs.map(({ name, oid }) => `${oid} ${name}`)
      .join('\n'),
    refs,
  )
  const objects = repository.openObjects()
  try {
    const all = await git.read(['cat-file', '--batch-all-objects', '--batch-check=%(objectname) %(objecttype) %(objectsize)'], {
      cwd: path,
    })
    const lines = all.split('\n').filter((line) => line !== '')
    const ids = new Set(objects.ids())
    assert.deepEqual(
      [...ids].sort(),
      lines.map((line) => line.split(' ')[0]),
    )
    for (const line of lines) {
      const [oid, type, size] = line.split(' ') as [ObjectId, string, string]
      const object = objects.read(oid)
      assert.ok(object !== null && objects.has(oid))
      assert.equal(`${kindName(object.kind)} ${object.bytes.length}`, `${type} ${size}`)
      assert.equal(objectIdOf(object.kind, object.bytes, repository.format), oid)
      assert.equal(objects.kind(oid), object.kind)
    }
    return lines.length
  } finally {
    objects.close()
  }
}

function withObjects<T>(repository: DiskRepository, use: (objects: ReturnType<DiskRepository['openObjects']>) => T): T {
  const objects = repository.openObjects()
  try {
    return use(objects)
  } finally {
    objects.close()
  }
}

function throwsNaming(run: () => unknown, code: string, words: RegExp): void {
  assert.throws(run, (error) => error instanceof InputError && error.code === code && words.test(error.message))
}

let packed: string
before(async () => {
  packed = await bare('packed', 60)
  await git.run(['repack', '-adq'], { cwd: packed })
})

test('one pack, and the same with an index of version 1', async () => {
  const count = await assertAsGit(packed)
  assert.ok(count > 100)
  const old = folder.join('old-idx.git')
  await git.run(['clone', '-q', '--bare', packed, old])
  await git.run(['-c', 'pack.indexVersion=1', 'repack', '-adfq'], { cwd: old })
  assert.equal(await assertAsGit(old), count)
  const [idx] = readdirSync(join(old, 'objects/pack')).filter((name) => name.endsWith('.idx'))
  assert.equal(readFileSync(join(old, 'objects/pack', idx as string)).readUInt32BE(0) === 0xff744f63, false, 'git wrote version 2')
})

test('several packs, loose objects, a work tree, a detached HEAD and deltas by name', async () => {
  const work = await git.makeRepository(folder.join('mixed'), 20)
  await git.run(['repack', '-adq'], { cwd: work })
  await git.commit(work, { 'file-1.txt': 'second pack\n'.repeat(50) })
  await git.run(['-c', 'repack.useDeltaBaseOffset=false', 'repack', '-dq'], { cwd: work })
  await git.commit(work, { 'loose.txt': 'loose\n', empty: '' })
  await git.run(['tag', '-a', 'v1', '-m', 'a tag'], { cwd: work })
  await git.run(['tag', '-a', 'v1-again', '-m', 'a tag of a tag', 'v1'], { cwd: work })
  await git.run(['checkout', '-q', '--detach', 'HEAD~3'], { cwd: work })
  await assertAsGit(work)
  const repository = openDiskRepository(work)
  assert.equal(repository.isBare, false)
  assert.equal(repository.folder, join(work, '.git'))
  assert.deepEqual(repository.readRefs().head, { oid: await git.read(['rev-parse', 'HEAD'], { cwd: work }) })
  assert.equal(
    withObjects(repository, (objects) => objects.packs.length),
    2,
  )
})

test('deltas that name their base by id', async () => {
  const path = folder.join('ref-delta.git')
  await git.run(['clone', '-q', '--bare', packed, path])
  await git.run(['-c', 'repack.useDeltaBaseOffset=false', 'repack', '-adfq'], { cwd: path })
  await assertAsGit(path)
})

test('sha256', async () => {
  const path = await bare('sha256', 10, ['--object-format=sha256'])
  assert.equal(openDiskRepository(path).format, 'sha256')
  await assertAsGit(path)
})

test('packed refs are overruled by loose ones; symbolic refs are followed; refs of work trees are not there', async () => {
  const path = folder.join('refs.git')
  await git.run(['clone', '-q', '--bare', packed, path])
  for (const name of ['a', 'a-b', 'deep/er/branch', 'ünï']) await git.run(['branch', name, 'main~1'], { cwd: path })
  await git.run(['tag', '-a', 'v1', '-m', 'annotated', 'main'], { cwd: path })
  await git.run(['update-ref', 'refs/pull/7/head', 'main~2'], { cwd: path })
  await git.run(['pack-refs', '--all'], { cwd: path })
  await git.run(['branch', '-f', 'a', 'main'], { cwd: path })
  await git.run(['branch', '-D', 'a-b'], { cwd: path })
  await git.run(['symbolic-ref', 'refs/remotes/origin/HEAD', 'refs/heads/deep/er/branch'], { cwd: path })
  await git.run(['symbolic-ref', 'refs/heads/nowhere', 'refs/heads/unborn'], { cwd: path })
  await git.run(['worktree', 'add', '-q', '--detach', folder.join('linked')], { cwd: path })
  writeFileSync(join(path, 'refs/heads/b.lock'), '')
  await assertAsGit(path)
  const { head, refs, broken } = openDiskRepository(path).readRefs()
  assert.deepEqual(head, { ref: 'refs/heads/main' })
  assert.deepEqual(broken, [])
  assert.equal(refs.find((ref) => ref.name === 'refs/remotes/origin/HEAD')?.symref, 'refs/heads/deep/er/branch')
  // the linked work tree leads to the same repository
  assert.equal(openDiskRepository(folder.join('linked')).readRefs().refs.length, refs.length)
})

test('HEAD as a link, as old repositories have it: to a branch, and to one that is not born yet', async () => {
  const path = await bare('linked-head', 2)
  const { refs } = openDiskRepository(path).readRefs()
  for (const target of ['refs/heads/main', 'refs/heads/unborn']) {
    rmSync(join(path, 'HEAD'))
    symlinkSync(target, join(path, 'HEAD'))
    assert.deepEqual(openDiskRepository(path).readRefs(), { head: { ref: target }, refs, broken: [] })
  }
})

test('an empty repository has an unborn HEAD and nothing else', async () => {
  const path = folder.join('empty.git')
  await git.run(['init', '-q', '--bare', '-b', 'trunk', path])
  assert.deepEqual(openDiskRepository(path).readRefs(), { head: { ref: 'refs/heads/trunk' }, refs: [], broken: [] })
  assert.equal(await assertAsGit(path), 0)
})

test('alternates are followed: relative, absolute, quoted, and one behind another', async () => {
  const borrowed = folder.join('borrowed.git')
  await git.run(['clone', '-q', '--bare', '--shared', packed, borrowed])
  const second = folder.join('second work')
  await git.run(['clone', '-q', '--shared', borrowed, second])
  await git.commit(second, { own: 'of its own\n' })
  await assertAsGit(borrowed)
  await assertAsGit(second)
  const list = join(second, '.git/objects/info/alternates')
  for (const line of ['../../../borrowed.git/objects', `"${folder.join('borrow')}\\145d.git/objects"`, `# remark\n\n${borrowed}/objects`]) {
    writeFileSync(list, `${line}\n`)
    await assertAsGit(second)
  }
})

test('alternates in a circle are followed once; missing ones and too many are refused', async () => {
  const path = folder.join('circle.git')
  await git.run(['clone', '-q', '--bare', packed, path])
  const list = join(path, 'objects/info/alternates')
  writeFileSync(list, `${path}/objects\n${packed}/objects\n`)
  assert.equal(
    withObjects(openDiskRepository(path), (objects) => objects.folders.length),
    2,
  )
  writeFileSync(list, '/no/such/folder\n')
  throwsNaming(() => openDiskRepository(path).openObjects(), 'disk-alternate', /circle\.git.*names \/no\/such\/folder, which is no folder/)
  let previous = path
  rmSync(list)
  for (let depth = 0; depth < 7; depth++) {
    const next = folder.join(`chain-${depth}.git`)
    await git.run(['init', '-q', '--bare', next])
    writeFileSync(join(next, 'objects/info/alternates'), `${previous}/objects\n`)
    previous = next
  }
  throwsNaming(() => openDiskRepository(previous).openObjects(), 'disk-alternate', /nested too deep/)
})

test('shallow and partial clones say so', async () => {
  const shallow = folder.join('shallow.git')
  await git.run(['clone', '-q', '--bare', '--depth=3', `file://${packed}`, shallow])
  const cut = (await git.read(['rev-list', '--max-parents=0', 'main'], { cwd: shallow })).split('\n')
  assert.deepEqual(openDiskRepository(shallow).shallow, cut)
  assert.equal(openDiskRepository(packed).shallow, null)
  await git.run(['config', 'uploadpack.allowFilter', 'true'], { cwd: packed })
  const partial = folder.join('partial.git')
  await git.run(['clone', '-q', '--bare', '--filter=blob:none', `file://${packed}`, partial])
  assert.equal(openDiskRepository(partial).isPartial, true)
  assert.ok(withObjects(openDiskRepository(partial), (objects) => objects.packs.every((pack) => pack.isPromisor)))
  assert.equal(openDiskRepository(packed).isPartial, false)
})

test('the config file: subsections, many values, escapes, continued lines, includes left alone', () => {
  const text = [
    '[core]\n\tbare\n\tRepositoryFormatVersion = 0 # remark',
    '[receive] denyDeletes = Yes',
    '[transfer]\n\thideRefs = refs/pull\n\thideRefs = "!refs/pull/1"',
    '[remote "A \\"b\\" C"]\n\turl = "https://example.com/ü # x"\n\tpromisor = on',
    '[include]\n\tpath = /etc/passwd',
    '[x.Sub]\n\tlong = one \\\n two\\tthree\n\tnumber = -3',
  ].join('\n')
  const settings = parseSettings(Buffer.from(text), 'config')
  assert.equal(truth(settings, 'core.bare'), true)
  assert.equal(setting(settings, 'core.repositoryformatversion'), '0')
  assert.equal(truth(settings, 'receive.denydeletes'), true)
  assert.deepEqual(settings.get('transfer.hiderefs'), ['refs/pull', '!refs/pull/1'])
  assert.equal(setting(settings, 'remote.A "b" C.url'), 'https://example.com/ü # x')
  assert.equal(setting(settings, 'x.sub.long'), 'one  two\tthree')
  assert.equal(truth(settings, 'x.sub.number'), true)
  assert.equal(truth(settings, 'no.such'), null)
  assert.equal(setting(settings, 'include.path'), '/etc/passwd')
  throwsNaming(() => parseSettings(Buffer.from('[core]\n\tbare = "open\n'), '/x/config'), 'disk-config', /^\/x\/config: bad config line/)
})

test('what is no repository, or one of a kind that is not read', async () => {
  throwsNaming(() => openDiskRepository(folder.join('nowhere')), 'disk-not-a-repository', /nowhere: is not a git repository/)
  assert.equal(findGitFolder(folder.join('.')), null)
  const path = folder.join('kinds.git')
  await git.run(['init', '-q', '--bare', path])
  const config = readFileSync(join(path, 'config'), 'utf8')
  const withConfig = (more: string) => {
    writeFileSync(join(path, 'config'), `${config}\n${more}`)
    return () => openDiskRepository(path)
  }
  throwsNaming(
    withConfig('[core] repositoryformatversion = 1\n[extensions] refStorage = reftable'),
    'disk-unsupported',
    /'reftable'.*git refs migrate/,
  )
  throwsNaming(withConfig('[core] repositoryformatversion = 1\n[extensions] novelty = 1'), 'disk-unsupported', /extension 'novelty'/)
  throwsNaming(withConfig('[core] repositoryformatversion = 2'), 'disk-unsupported', /version 2/)
  throwsNaming(withConfig('[core'), 'disk-config', /kinds\.git\/config: bad config line/)
})

test('damaged refs name the file', async () => {
  const path = folder.join('bad-refs.git')
  await git.run(['clone', '-q', '--bare', packed, path])
  const repository = openDiskRepository(path)
  writeFileSync(join(path, 'refs/heads/torn'), '') // as a crash leaves it
  writeFileSync(join(path, 'refs/heads/noise'), 'noise\n')
  writeFileSync(join(path, 'refs/heads/bad..name'), `${'1'.repeat(40)}\n`)
  const { broken, refs } = repository.readRefs()
  assert.deepEqual(broken.map(({ name }) => name).sort(), ['refs/heads/bad..name', 'refs/heads/noise', 'refs/heads/torn'])
  assert.ok(broken.every((ref) => ref.path === join(path, ref.name)))
  assert.ok(refs.some((ref) => ref.name === 'refs/heads/main'))
  writeFileSync(join(path, 'packed-refs'), `${'1'.repeat(40)} refs/heads/x\n${'1'.repeat(40)} ref`)
  throwsNaming(() => repository.readRefs(), 'disk-ref', /packed-refs: ends in the middle of a line/)
  writeFileSync(join(path, 'packed-refs'), 'x refs/heads/x\n')
  throwsNaming(() => repository.readRefs(), 'disk-ref', /packed-refs: line 1 is no ref/)
  writeFileSync(join(path, 'HEAD'), '\n')
  rmSync(join(path, 'packed-refs'))
  throwsNaming(() => repository.readRefs(), 'disk-ref', /bad-refs\.git\/HEAD/)
})

test('damaged packs, indexes and loose objects name the file; no byte of them goes through as another object', async () => {
  const path = folder.join('damaged.git')
  await git.run(['clone', '-q', '--bare', '--no-local', packed, path])
  const packs = join(path, 'objects/pack')
  const file = (end: string) => join(packs, readdirSync(packs).find((name) => name.endsWith(end)) as string)
  const [pack, idx] = [readFileSync(file('.pack')), readFileSync(file('.idx'))]
  const [packPath, idxPath] = [file('.pack'), file('.idx')]
  const write = (to: string, bytes: Uint8Array) => {
    rmSync(to, { force: true }) // git leaves them read-only
    writeFileSync(to, bytes)
  }
  const flipped = (bytes: Buffer, at: number) => {
    const copy = Buffer.from(bytes)
    copy[at] = (copy[at] as number) ^ 0x55
    return copy
  }
  const open = () => openDiskRepository(path).openObjects()
  for (const at of [0, 5, 9, 700, 1100, idx.length - 50, idx.length - 1]) {
    write(idxPath, flipped(idx, at))
    throwsNaming(open, 'disk-pack', /damaged\.git\/objects\/pack\/pack-.*\.(idx|pack):/)
  }
  write(idxPath, idx.subarray(0, 600))
  throwsNaming(open, 'disk-pack', /\.idx: pack index/)
  write(idxPath, idx)
  write(packPath, pack.subarray(0, pack.length - 200))
  throwsNaming(open, 'disk-pack', /\.pack: is not the pack that its index was made for/)
  write(packPath, Buffer.from('PACK'))
  throwsNaming(open, 'disk-pack', /\.pack: is too small/)
  for (let at = 12; at < pack.length - 20; at += 1 + Math.floor(pack.length / 40)) {
    write(packPath, flipped(pack, at))
    const objects = open()
    for (const disk of objects.packs) {
      for (let rank = 0; rank < disk.idx.count; rank++) {
        const isHit = (disk.order.offsets[rank] as number) <= at && at < disk.endOf(rank)
        if (isHit) throwsNaming(() => disk.checkCrc(rank, disk.entry(rank)), 'disk-pack', /\.pack: is damaged at offset/)
        else disk.checkCrc(rank, disk.entry(rank))
        try {
          objects.readEntry(disk, rank)
        } catch (error) {
          assert.ok(error instanceof InputError && error.code === 'disk-pack', String(error))
        }
      }
    }
    objects.close()
  }
  renameSync(idxPath, join(packs, 'away'))
  const objects = open()
  assert.deepEqual([objects.packs.length, objects.unindexed], [0, [packPath]])
  objects.close()
})

test('a pack that has lost its index is read through for one when that is asked for: git would make the same', async () => {
  for (const [name, args] of [
    ['offsets', []],
    ['names', ['-c', 'repack.useDeltaBaseOffset=false']],
    ['sha256', []],
  ] as const) {
    const path = folder.join(`unindexed-${name}.git`)
    if (name === 'sha256')
      await git.run(['clone', '-q', '--bare', await git.makeRepository(folder.join('u256'), 20, ['--object-format=sha256']), path])
    else await git.run(['clone', '-q', '--bare', '--no-local', packed, path])
    await git.run([...args, 'repack', '-adfq'], { cwd: path })
    const packs = join(path, 'objects/pack')
    const idx = join(packs, readdirSync(packs).find((one) => one.endsWith('.idx')) as string)
    const expected = readFileSync(idx)
    rmSync(idx)
    const objects = openDiskRepository(path).openObjects({ makesIndexes: true })
    try {
      const [pack] = objects.packs
      assert.deepEqual(objects.unindexed, [])
      const made = pack?.idx
      assert.ok(pack && made)
      writeFileSync(idx, expected)
      const own = openDiskRepository(path).openObjects()
      const [theirs] = own.packs
      for (let i = 0; i < made.count; i++) {
        assert.deepEqual([made.oid(i), made.offset(i), made.crc(i)], [theirs?.idx.oid(i), theirs?.idx.offset(i), theirs?.idx.crc(i)])
      }
      assert.equal(made.count, theirs?.idx.count)
      own.close()
      rmSync(idx)
      const bytes = pack.read(0, pack.sizeBytes)
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1
      rmSync(pack.path)
      writeFileSync(pack.path, bytes)
      throwsNaming(
        () => openDiskRepository(path).openObjects({ makesIndexes: true }),
        'disk-pack',
        /\.pack: is damaged: it does not match its own trailer/,
      )
    } finally {
      objects.close()
    }
  }
})

test('damaged loose objects', async () => {
  const work = await git.makeRepository(folder.join('loose'), 1)
  await git.commit(work, { a: 'one\n' })
  const oid = (await git.read(['rev-parse', 'HEAD'], { cwd: work })) as ObjectId
  const path = join(work, '.git/objects', oid.slice(0, 2), oid.slice(2))
  const bytes = readFileSync(path)
  const other = (await git.read(['rev-parse', 'HEAD:a'], { cwd: work })) as ObjectId
  const otherBytes = readFileSync(join(work, '.git/objects', other.slice(0, 2), other.slice(2)))
  for (const bad of [Buffer.alloc(0), bytes.subarray(0, 10), Buffer.concat([Buffer.from('x'), bytes]), otherBytes]) {
    rmSync(path, { force: true })
    writeFileSync(path, bad)
    withObjects(openDiskRepository(work), (objects) => throwsNaming(() => objects.read(oid), 'disk-object', /loose object is corrupt/))
  }
  mkdirSync(join(work, '.git/objects/ff'), { recursive: true })
  appendFileSync(join(work, '.git/objects/ff/tmp_obj_123'), 'left over')
  withObjects(openDiskRepository(work), (objects) => assert.equal([...objects.looseIds()].includes('tmp' as ObjectId), false))
})

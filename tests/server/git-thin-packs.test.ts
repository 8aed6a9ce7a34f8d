// Repositories that grew by many small pushes: each is stored about as large as it was sent, resting on objects of older packs, and every way
// to get the repository out again comes to the same as with git.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type pg from 'pg'
import { openDatabase } from '../support/database.ts'
import { Forks } from '../support/forks.ts'
import { contentOf, type Git } from '../support/git.ts'
import { git as bytesOfGit } from '../support/history.ts'
import { type Host, onPeer, openHost, stemmaOnly } from '../support/host.ts'
import { blob, copyingDelta, delta, deltaCopy, deltaInsert, object, PackBuilder, rootCommit } from '../support/pack-builder.ts'
import { seededBytes } from '../support/random.ts'
import { stemmaStorage } from '../support/target.ts'
import { push, zeroId } from '../support/wire.ts'

const pushes = 60
let host: Host
let git: Git
let database: pg.Client | undefined

before(async () => {
  host = await openHost('thin-packs')
  git = host.git
  if (!onPeer) database = await openDatabase(host.server)
})
after(async () => {
  await database?.end()
  await host?.close()
})

/** A file of 50 KB that every commit changes a line of, some small ones, and a first commit with enough noise for a pack in the bucket. */
async function makeWork(path: string, format: 'sha1' | 'sha256'): Promise<string> {
  await git.run(['init', '-q', `--object-format=${format}`, path])
  const lines = Array.from({ length: 1500 }, (_, i) => `line ${i} ${Buffer.from(seededBytes(i, 12)).toString('hex')}`)
  const data = (bytes: Uint8Array | string) => `data ${bytes.length}\n${Buffer.from(bytes).toString('latin1')}\n`
  const stream: string[] = []
  for (let n = 0; n <= pushes; n++) {
    lines[(n * 131) % lines.length] = `changed in ${n}`
    stream.push(`commit refs/heads/main\ncommitter Tester <tester@example.com> ${1700000000 + n} +0000\n${data(`commit ${n}`)}`)
    if (n === 0) stream.push(`M 100644 inline noise\n${data(seededBytes(9, 400_000))}`)
    stream.push(`M 100644 inline large.txt\n${data(`${lines.join('\n')}\n`)}`)
    stream.push(`M 100644 inline folder/deep/${n % 7}.txt\n${data(`deep in ${n}\n`.repeat(20))}`)
  }
  await git.run(['fast-import', '--quiet', '--done'], { cwd: path, input: Buffer.from(`${stream.join('')}done\n`, 'latin1') })
  await git.run(['reset', '-q', '--hard', 'main'], { cwd: path })
  return path
}

for (const format of ['sha1', 'sha256'] as const) {
  describe(`a repository of many small pushes, ${format}`, () => {
    let work: string
    let url: string
    let early: string
    let first: number

    before(async () => {
      work = await makeWork(host.folder.join(format), format)
      url = await host.create(format, format)
      await git.run(['push', '-q', url, `main~${pushes}:refs/heads/main`], { cwd: work })
      early = host.folder.join(`${format}-early`)
      await git.run(['clone', '-q', url, early])
      first = await newestPack()
      for (let n = pushes - 1; n >= 0; n--) await git.run(['push', '-q', url, `main~${n}:refs/heads/main`], { cwd: work })
    })

    it('stores each push about as large as it was sent', stemmaStorage, async () => {
      const { rows } = await (database as pg.Client).query<{ sizes: number[]; keys: number; indexes: number }>(
        `select array_agg(pack_bytes::int order by id) sizes, count(key)::int keys, max(size_bytes - pack_bytes)::int indexes from pack where id > $1`,
        [first],
      )
      const { sizes = [], keys, indexes = 0 } = rows[0] ?? {}
      const old = await (database as pg.Client).query<{ keys: number }>('select count(key)::int keys from pack where id = $1', [first])
      assert.equal(old.rows[0]?.keys, 1, 'what the first of them rests on is in the bucket')
      assert.equal(sizes.length, pushes)
      assert.equal(keys, 0)
      // five objects, what they rest on, and of what they refer to the parent alone
      assert.ok(indexes < 1100, `an index of ${indexes} bytes`)
      // the file deflates to some 30 KB; chains are cut once
      const large = sizes.filter((sizeBytes) => sizeBytes > 5000)
      assert.ok(large.length >= 1 && large.length <= 4, `packs of ${large.join(', ')} bytes`)
    })

    for (const version of ['0', '2']) {
      it(`is cloned whole, by version ${version}`, async () => {
        const copy = host.folder.join(`${format}-copy-${version}.git`)
        await git.run(['-c', `protocol.version=${version}`, 'clone', '-q', '--mirror', url, copy])
        await git.run(['fsck', '--strict'], { cwd: copy })
        assert.deepEqual((await contentOf(git, copy)).objects, (await contentOf(git, work)).objects)
      })
    }

    it('is fetched by those who have a part of it', async () => {
      await git.run(['fetch', '-q', url, `main`], { cwd: early })
      await git.run(['fsck', '--strict'], { cwd: early })
      assert.equal(await git.read(['rev-parse', 'FETCH_HEAD'], { cwd: early }), await git.read(['rev-parse', 'main'], { cwd: work }))
    })

    it('is cloned shallow, and deepened', async () => {
      const copy = host.folder.join(`${format}-shallow`)
      await git.run(['clone', '-q', '--depth=2', url, copy])
      for (const deepen of ['--deepen=20', '--unshallow']) {
        await git.run(['fsck', '--strict'], { cwd: copy })
        await git.run(['fetch', '-q', deepen], { cwd: copy })
      }
      await git.run(['fsck', '--strict'], { cwd: copy })
      assert.equal(await git.read(['rev-list', '--count', 'HEAD'], { cwd: copy }), String(pushes + 1))
    })

    it('takes all of it again from a client whose deltas name their bases, among them ends of long chains', async () => {
      const tip = await git.read(['rev-parse', 'main'], { cwd: work })
      const pack = bytesOfGit(work, ['pack-objects', '-q', '--revs', '--stdout', '--no-reuse-delta', '--window=2', '--depth=200'], 'main\n')
      const refs = [{ old: '0'.repeat(tip.length), new: tip, ref: 'refs/heads/again' }]
      const report = await push(url, refs, pack, { capabilities: `report-status side-band-64k object-format=${format}` })
      assert.deepEqual([report.unpack, report.refs.get('refs/heads/again')], ['ok', 'ok'], report.text)
      const copy = host.folder.join(`${format}-again.git`)
      await git.run(['clone', '-q', '--bare', '--single-branch', '--branch', 'again', url, copy])
      await git.run(['fsck', '--strict'], { cwd: copy })
    })

    for (const filter of ['blob:none', 'tree:0', 'blob:limit=1k']) {
      it(`is cloned with ${filter}, and the rest is fetched when it is asked for`, async () => {
        const copy = host.folder.join(`${format}-${filter.replace(/\W/g, '-')}`)
        await git.run(['clone', '-q', `--filter=${filter}`, url, copy])
        await git.run(['fsck', '--strict'], { cwd: copy })
        for (const revision of ['HEAD~50', 'HEAD~7']) {
          await git.run(['checkout', '-q', revision], { cwd: copy })
          const named = `${revision.replace('HEAD', 'main')}:large.txt`
          assert.equal(await git.read(['hash-object', 'large.txt'], { cwd: copy }), await git.read(['rev-parse', named], { cwd: work }))
          await git.run(['checkout', '-q', 'main'], { cwd: copy })
        }
      })
    }

    it('is cloned by a dumb client', { ...stemmaOnly }, async () => {
      const copy = host.folder.join(`${format}-dumb.git`)
      await git.run(['clone', '-q', '--mirror', url, copy], { env: { GIT_SMART_HTTP: '0' }, timeoutMs: 300_000 })
      await git.run(['fsck', '--strict'], { cwd: copy })
      assert.deepEqual((await contentOf(git, copy)).objects, (await contentOf(git, work)).objects)
    })

    it('is as good after a restart, and is pushed to by one who fetched it', stemmaOnly, async () => {
      await host.server.stop()
      await database?.end()
      await host.server.begin()
      database = await openDatabase(host.server)
      const copy = host.folder.join(`${format}-restarted`)
      await git.run(['clone', '-q', url, copy])
      const tip = await git.commit(copy, { 'large.txt': 'made small\n', 'new.txt': 'new\n' })
      await git.run(['push', '-q', 'origin', 'HEAD:refs/heads/side'], { cwd: copy })
      const other = host.folder.join(`${format}-other.git`)
      await git.run(['clone', '-q', '--bare', '--single-branch', '--branch', 'side', url, other])
      await git.run(['fsck', '--strict'], { cwd: other })
      assert.equal(await git.read(['rev-parse', 'side'], { cwd: other }), tip)
    })
  })
}

async function newestPack(): Promise<number> {
  const found = await database?.query<{ id: number }>('select coalesce(max(id), 0)::int as id from pack')
  return found?.rows[0]?.id ?? 0
}

describe('deltas that no git makes', () => {
  it('are taken: a commit and a tag on stored ones, whose history is followed all the same', async () => {
    const url = await host.create('odd-deltas')
    const file = blob('a file\n')
    const { tip, pack } = rootCommit([['100644', 'file', file.id]], [file])
    const tag = object('tag', `object ${tip.id}\ntype commit\ntag v1\ntagger A <a@example.com> 1700000000 +0000\n\nthe first one\n`)
    const refs = (next: string, old: string, tags: readonly [string, string][]) => [
      { old, new: next, ref: 'refs/heads/main' },
      ...tags.map(([name, id]) => ({ old: zeroId, new: id, ref: `refs/tags/${name}` })),
    ]
    await push(url, refs(tip.id, zeroId, [['v1', tag.id]]), pack.addAll(tag).build())
    // the next commit has one more parent line, the next tag another end
    const text = tip.bytes.toString()
    const treeLine = text.slice(0, text.indexOf('\n') + 1)
    const next = object('commit', `${treeLine}parent ${tip.id}\n${text.slice(treeLine.length)}`)
    const again = object('tag', `${tag.bytes.toString()}again\n`)
    const thin = new PackBuilder()
    const sizes = [tip.bytes.length, next.bytes.length] as const
    const rest = tip.bytes.length - treeLine.length
    thin.addRefDelta(
      tip.id,
      delta(...sizes, deltaCopy(0, treeLine.length), deltaInsert(`parent ${tip.id}\n`), deltaCopy(treeLine.length, rest)),
    )
    thin.addRefDelta(tag.id, copyingDelta(tag.bytes.length, 0, tag.bytes.length, 'again\n'))
    const report = await push(url, refs(next.id, tip.id, [['v2', again.id]]), thin.build())
    assert.deepEqual(
      [...report.refs],
      [
        ['refs/heads/main', 'ok'],
        ['refs/tags/v2', 'ok'],
      ],
      report.text,
    )
    const copy = host.folder.join('odd-deltas.git')
    await git.run(['clone', '-q', '--mirror', url, copy])
    await git.run(['fsck', '--strict'], { cwd: copy })
    assert.equal(await git.read(['rev-parse', 'main^', 'v2^{tag}'], { cwd: copy }), `${tip.id}\n${again.id}`)
    // what follows has to know that the stored delta is a commit on the one before
    const forced = await git.run(['push', '-q', '--porcelain', url, `${tip.id}:refs/heads/main`], { cwd: copy, mayFail: true })
    assert.notEqual(forced.code, 0)
  })
})

describe('forks whose packs rest on each other’s', stemmaOnly, () => {
  it('send nothing of one another, and each comes out whole', async () => {
    const forks = Forks.open(host.server)
    try {
      const work = await makeWork(host.folder.join('forked'), 'sha1')
      const upstream = await host.server.create('upstream', { private: false })
      await git.run(['push', '-q', upstream, 'main~20:refs/heads/main'], { cwd: work })
      const fork = await forks.fork(['admin', 'upstream'], await forks.account('carol'), 'fork', 'private')
      const mine = host.folder.join('mine')
      await git.run(['clone', '-q', fork, mine])
      const tips: string[] = []
      for (const word of ['one', 'two', 'three']) {
        tips.push(await git.commit(mine, { 'large.txt': `${await git.read(['show', 'HEAD:large.txt'], { cwd: mine })}\n${word}\n` }, word))
        await git.run(['push', '-q', 'origin', 'main'], { cwd: mine })
      }
      // the parent goes on from the same file; its deltas and the fork's have one base
      for (const n of [10, 5, 0]) await git.run(['push', '-q', upstream, `main~${n}:refs/heads/main`], { cwd: work })
      for (const [url, own] of [
        [upstream, work],
        [fork, mine],
      ] as const) {
        const copy = host.folder.join(`copy-of-${url === fork ? 'fork' : 'upstream'}.git`)
        await git.run(['clone', '-q', '--bare', url, copy])
        await git.run(['fsck', '--strict'], { cwd: copy })
        assert.deepEqual((await contentOf(git, copy)).objects, (await contentOf(git, own)).objects)
      }
      const seen = await git.run(['cat-file', '-e', tips[0] as string], { cwd: host.folder.join('copy-of-upstream.git'), mayFail: true })
      assert.notEqual(seen.code, 0)
    } finally {
      await forks.close()
    }
  })
})

// The real git client against upload-pack over HTTP, on repositories whose packs git wrote: no database, no bucket.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { type FetchServer, loadRepository, type ServedRepository, startFetchServer } from '../../../tests/support/fetch-server.ts'
import { contentOf, Git, TempFolder } from '../../../tests/support/git.ts'
import { flush, pkt, readPkts } from '../../../tests/support/wire.ts'

const folder = new TempFolder('upload-pack')
const git = new Git(folder)
const bare = folder.join('served.git')
const work = folder.join('work')
let served: ServedRepository
let server: FetchServer
let next = 0

const target = () => folder.join(`clone-${next++}`)
const version = (n: number) => ['-c', `protocol.version=${n}`]

/** Stores what `work` has now as one more pack of the served repository, completed where it is thin, as a push would. */
async function push(...refspecs: string[]): Promise<void> {
  await git.run(['push', '-q', bare, ...refspecs], { cwd: work })
  served = await loadRepository(bare)
}

async function dated(seconds: number): Promise<void> {
  await git.run(['commit', '-q', '--amend', '--no-edit'], { cwd: work, env: { GIT_COMMITTER_DATE: `${seconds} +0000` } })
}

before(async () => {
  await git.makeRepository(work, 60)
  await git.run(['init', '-q', '--bare', bare])
  await git.run(['config', 'receive.unpackLimit', '1'], { cwd: bare })
  await push('main~40:refs/heads/main')
  await push('main~20:refs/heads/main')
  await git.run(['switch', '-q', '-c', 'side', 'main~30'], { cwd: work })
  await git.commit(work, { 'folder/side.txt': 'aside\n'.repeat(400), 'file-1.txt': 'changed on the side\n' }, 'side')
  await dated(1700000065)
  await git.run(['tag', '-a', 'v1', '-m', 'the first', 'main~25'], { cwd: work })
  await git.run(['tag', '-a', 'outer', '-m', 'a tag on a tag', 'v1'], { cwd: work })
  await git.run(['tag', 'light', 'main~26'], { cwd: work })
  await git.run(['switch', '-q', 'main'], { cwd: work })
  await git.run(['merge', '-q', '-m', 'merge', 'side'], { cwd: work, mayFail: true })
  await git.commit(work, { 'file-1.txt': 'settled\n' }, 'merge')
  await dated(1700000070)
  await push('main:refs/heads/main', 'side:refs/heads/side', '+refs/tags/*:refs/tags/*')
  server = await startFetchServer(() => served)
})

after(async () => {
  await server.close()
  folder.remove()
})

async function fsck(repository: string): Promise<void> {
  const { stdout, stderr } = await git.run(['fsck', '--strict', '--no-dangling', '--no-progress'], { cwd: repository })
  assert.equal(stdout + stderr.replace(/^notice: .*\n/gm, ''), '')
}

describe('clone and fetch, all versions', () => {
  for (const n of [0, 1, 2]) {
    test(`clone --mirror, version ${n}`, async () => {
      const clone = target()
      await git.run([...version(n), 'clone', '-q', '--mirror', server.url, clone])
      assert.deepEqual(await contentOf(git, clone), await contentOf(git, bare))
      await fsck(clone)
    })

    test(`incremental fetch takes only what is new, version ${n}`, async () => {
      const clone = target()
      await git.run([...version(n), 'clone', '-q', '--bare', '--single-branch', '-b', 'side', server.url, clone])
      const old = await git.read(['rev-list', '--objects', '--all', '--no-object-names'], { cwd: clone })
      const { stderr } = await git.run([...version(n), 'fetch', '--progress', 'origin', 'main:main'], { cwd: clone })
      const all = await git.read(['rev-list', '--objects', '--no-object-names', 'main'], { cwd: clone })
      const lacked = all.split('\n').filter((id) => !old.includes(id)).length
      const total = Number(/Total (\d+)/.exec(stderr)?.[1])
      assert.ok(total >= lacked && total <= lacked + 5, `${total} objects sent for ${lacked}`)
      await fsck(clone)
    })

    test(`depth, deepen, unshallow, version ${n}`, async () => {
      const clone = target()
      await git.run([...version(n), 'clone', '-q', '--depth', '2', server.url, clone])
      assert.equal(await git.read(['log', '--first-parent', '--format=%s'], { cwd: clone }), 'merge\ncommit 60')
      await fsck(clone)
      await git.run([...version(n), 'fetch', '-q', '--deepen', '3'], { cwd: clone })
      assert.equal(await git.read(['rev-list', '--count', '--first-parent', 'HEAD'], { cwd: clone }), '5')
      await fsck(clone)
      await git.run([...version(n), 'fetch', '-q', '--depth', '1'], { cwd: clone })
      await git.run([...version(n), 'fetch', '-q', '--unshallow'], { cwd: clone })
      assert.equal(
        await git.read(['rev-list', '--count', 'HEAD'], { cwd: clone }),
        await git.read(['rev-list', '--count', 'main'], { cwd: bare }),
      )
      await fsck(clone)
    })

    test(`shallow-since and shallow-exclude, version ${n}`, async () => {
      for (const limit of ['--shallow-since=1700000050', '--shallow-exclude=light']) {
        const clone = target()
        await git.run([...version(n), 'clone', '-q', limit, server.url, clone])
        const peer = target()
        await git.run([...version(n), 'clone', '-q', limit, `file://${bare}`, peer])
        assert.deepEqual(await contentOf(git, clone), await contentOf(git, peer))
        await fsck(clone)
      }
    })

    test(`a clone of an unborn branch, version ${n}`, async () => {
      const whole = served
      served = { ...whole, refs: { head: 'refs/heads/trunk', refs: [], byName: new Map() } }
      try {
        const clone = target()
        await git.run([...version(n), 'clone', '-q', server.url, clone])
        assert.equal(await git.read(['symbolic-ref', 'HEAD'], { cwd: clone }), n === 2 ? 'refs/heads/trunk' : 'refs/heads/main')
      } finally {
        served = whole
      }
    })

    test(`two thousand haves of another history, version ${n}`, async () => {
      const clone = target()
      await git.makeRepository(clone, 2000)
      await git.run(['commit', '-q', '--amend', '-m', 'own'], { cwd: clone })
      await git.run([...version(n), 'fetch', '-q', server.url, 'main:theirs'], { cwd: clone })
      await fsck(clone)
    })
  }

  test('annotated tags come with what they point to', async () => {
    const clone = target()
    await git.run(['clone', '-q', '--single-branch', '-b', 'main', server.url, clone])
    assert.equal(await git.read(['tag'], { cwd: clone }), 'light\nouter\nv1')
    await fsck(clone)
  })

  test('ls-remote names HEAD, peeled tags and only what was asked for', async () => {
    for (const n of [0, 1, 2]) {
      const url = ['ls-remote', '--symref']
      assert.equal(
        await git.read([...version(n), ...url, server.url], { cwd: folder.path }),
        await git.read([...version(n), ...url, `file://${bare}`], { cwd: folder.path }),
      )
    }
    const head = await git.read(['ls-remote', server.url, 'refs/heads/s*'], { cwd: folder.path })
    assert.match(head, /^[0-9a-f]{40}\trefs\/heads\/side$/)
  })
})

describe('what the refs do not reach', () => {
  test('is refused by id, and is not sent with its pack', async () => {
    await git.run(['switch', '-q', '-c', 'secret', 'main'], { cwd: work })
    const secret = await git.commit(work, { 'secret.txt': 'not for you\n' }, 'secret')
    await push('secret:refs/hidden/secret')
    for (const n of [0, 2]) {
      const clone = target()
      await git.run(['init', '-q', '--bare', clone])
      const { code, stderr } = await git.run([...version(n), 'fetch', server.url, secret], { cwd: clone, mayFail: true })
      assert.notEqual(code, 0)
      assert.match(stderr, new RegExp(`remote error: upload-pack: not our ref ${secret}`))
      await git.run([...version(n), 'fetch', '-q', server.url, '+refs/*:refs/*'], { cwd: clone })
      const { code: found } = await git.run(['cat-file', '-e', secret], { cwd: clone, mayFail: true })
      assert.notEqual(found, 0)
    }
  })

  test('a commit, tree and blob that they do reach are served by id', async () => {
    for (const name of ['main~33', 'main~33^{tree}', 'main~33:file-1.txt', 'v1']) {
      const oid = await git.read(['rev-parse', name], { cwd: work })
      const clone = target()
      await git.run(['init', '-q', '--bare', clone])
      await git.run(['fetch', '-q', server.url, oid], { cwd: clone })
      assert.equal(await git.read(['cat-file', '-t', oid], { cwd: clone }), await git.read(['cat-file', '-t', oid], { cwd: work }))
    }
  })
})

describe('clients that can do less', () => {
  async function post(...lines: Buffer[]): Promise<Buffer> {
    const response = await fetch(`${server.url}/git-upload-pack`, { method: 'POST', body: Buffer.concat(lines) })
    return Buffer.from(await response.arrayBuffer())
  }

  test('no side-band, no ofs-delta, no multi_ack: a bare pack with ids as bases', async () => {
    const tip = await git.read(['rev-parse', 'main'], { cwd: bare })
    const answer = await post(pkt(`want ${tip}\n`), flush, pkt('done\n'))
    assert.equal(answer.subarray(0, 12).toString('latin1'), '0008NAK\nPACK')
    const clone = target()
    await git.run(['init', '-q', '--bare', clone])
    await git.run(['index-pack', '--stdin', '--strict'], { cwd: clone, input: answer.subarray(8) })
    assert.equal(await git.read(['cat-file', '-t', tip], { cwd: clone }), 'commit')
  })

  test('side-band: frames of at most 1000 bytes', async () => {
    const tip = await git.read(['rev-parse', 'main'], { cwd: bare })
    const answer = await post(pkt(`want ${tip} side-band ofs-delta\n`), flush, pkt('done\n'))
    const pack: Buffer[] = []
    for (const line of readPkts(answer.subarray(8))) {
      assert.ok(line.length <= 996)
      if (typeof line !== 'string' && line[0] === 1) pack.push(line.subarray(1))
    }
    const clone = target()
    await git.run(['init', '-q', '--bare', clone])
    await git.run(['index-pack', '--stdin', '--strict'], { cwd: clone, input: Buffer.concat(pack) })
  })

  test('each kind of multi_ack answers with its own words', async () => {
    const tip = await git.read(['rev-parse', 'main'], { cwd: bare })
    const old = await git.read(['rev-parse', 'main~5'], { cwd: bare })
    const unknown = '1'.repeat(40)
    const talk = (capabilities: string) =>
      post(pkt(`want ${tip}${capabilities}\n`), flush, pkt(`have ${old}\n`), pkt(`have ${unknown}\n`), flush)
    const said = (...lines: string[]) => Buffer.concat(lines.map((line) => pkt(line)))
    assert.deepEqual(await talk(''), said(`ACK ${old}\n`))
    assert.deepEqual(await talk(' multi_ack'), said(`ACK ${old} continue\n`, `ACK ${unknown} continue\n`, 'NAK\n'))
    assert.deepEqual(await talk(' multi_ack_detailed'), said(`ACK ${old} common\n`, `ACK ${unknown} ready\n`, 'NAK\n'))
    const noDone = await talk(' multi_ack_detailed no-done')
    assert.ok(noDone.includes(Buffer.concat([said('NAK\n', `ACK ${old}\n`), Buffer.from('PACK')])))
  })
})

test('a SHA-256 repository is served whole and in part', async () => {
  const path = folder.join('sha256.git')
  const source = await git.makeRepository(folder.join('sha256'), 12, ['--object-format=sha256'])
  await git.run(['clone', '-q', '--bare', source, path])
  await git.run(['repack', '-q', '-a', '-d'], { cwd: path })
  const own = await loadRepository(path)
  const second = await startFetchServer(() => own)
  try {
    for (const n of [0, 2]) {
      const clone = target()
      await git.run([...version(n), 'clone', '-q', '--depth', '2', second.url, clone])
      await git.run([...version(n), 'fetch', '-q', '--unshallow'], { cwd: clone })
      await fsck(clone)
      assert.equal(await git.read(['rev-parse', 'HEAD'], { cwd: clone }), await git.read(['rev-parse', 'HEAD'], { cwd: source }))
    }
  } finally {
    await second.close()
  }
})

test('the served repository has several packs', () => {
  assert.ok(readdirSync(`${bare}/objects/pack`).filter((name) => name.endsWith('.pack')).length >= 3)
})

// Bad input from the outside: each case gets git's kind of message, leaves no row and no key, and costs bounded memory.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import http from 'node:http'
import { deflateSync, gzipSync } from 'node:zlib'
import type pg from 'pg'
import { assertStoredAgain, openDatabase, type Stored, stored } from '../support/database.ts'
import type { Git } from '../support/git.ts'
import { type Host, openHost } from '../support/host.ts'
import {
  type BuiltObject,
  blob,
  commit,
  delta,
  deltaCopy,
  deltaInsert,
  object,
  PackBuilder,
  rootCommit,
  type TreeEntry,
  tree,
} from '../support/pack-builder.ts'
import { seededBytes } from '../support/random.ts'
import { advertisedRefs, flush, type PushReport, pkt, push, pushBody, send, zeroId } from '../support/wire.ts'

const skip = process.env.STEMMA_TEST_HOST === 'peer' ? { skip: 'looks into Stemma’s own storage' } : {}
const mib = 1024 * 1024
let host: Host
let git: Git
let database: pg.Client
let url: string
/** A repository that holds one commit: its tip is what thin packs may rest on. */
let base: { readonly tip: BuiltObject; readonly file: BuiltObject }

before(async () => {
  if (skip.skip !== undefined) return
  host = await openHost('bad-input')
  git = host.git
  database = await openDatabase(host.server)
  url = await host.create('target')
  const file = blob('the base of all deltas\n'.repeat(40))
  const { tip, pack } = rootCommit([{ mode: '100644', name: 'base.txt', id: file.id }], [file])
  const report = await push(url, [{ old: zeroId, new: tip.id, ref: 'refs/heads/main' }], pack.build())
  assert.equal(report.refs.get('refs/heads/main'), 'ok', report.text)
  base = { tip, file }
})
after(async () => {
  await database?.end()
  await host?.close()
})

/** Pushes the pack as a new branch, and checks that it was refused, with words that match, and that nothing is left of it. */
async function assertRefused(
  tip: string,
  pack: Uint8Array,
  words: RegExp,
  ref = `refs/heads/bad-${randomUUID().slice(0, 8)}`,
): Promise<PushReport> {
  const before: Stored = await stored(host.server, database)
  const refs = await advertisedRefs(url)
  const report = await push(url, [{ old: zeroId, new: tip, ref }], pack)
  assert.equal(report.status, 200, `a refusal inside the protocol, not HTTP ${report.status}: ${report.text}`)
  assert.notEqual(report.unpack, null, `a report was sent: ${report.text}`)
  assert.notEqual(report.refs.get(ref), 'ok')
  const said = `unpack ${report.unpack}\n${[...report.refs.values()].join('\n')}\n${report.text}`
  assert.match(said, words)
  assert.deepEqual(await advertisedRefs(url), refs)
  await assertStoredAgain(host.server, database, before)
  return report
}

/** The same through the real git: a loose or packed object that git itself would not make, pushed from a repository that holds it. */
async function assertGitRefused(objects: readonly BuiltObject[], tip: string, words: RegExp): Promise<void> {
  const before: Stored = await stored(host.server, database)
  const source = host.folder.join(`source-${randomUUID()}`)
  await git.run(['init', '-q', source])
  const builder = new PackBuilder().addAll(...objects)
  await git.run(['unpack-objects', '-q'], { cwd: source, input: builder.build() })
  await git.run(['update-ref', 'refs/heads/bad', tip], { cwd: source })
  const refused = await git.run(['push', url, 'bad:refs/heads/by-git'], { cwd: source, mayFail: true })
  assert.notEqual(refused.code, 0)
  assert.match(refused.stderr, words)
  assert.match(refused.stderr, /! \[remote rejected\] bad -> by-git|remote: |error: /)
  assert.equal((await advertisedRefs(url)).has('refs/heads/by-git'), false)
  await assertStoredAgain(host.server, database, before)
}

/** A good commit with one file in it, for packs that are wrong elsewhere. */
function good(name = 'good.txt'): { tip: BuiltObject; top: BuiltObject; file: BuiltObject; pack: PackBuilder } {
  const file = blob(`good ${name} ${randomUUID()}\n`)
  const top = tree([{ mode: '100644', name, id: file.id }])
  const tip = commit(top.id)
  return { tip, top, file, pack: new PackBuilder().addAll(tip, top, file) }
}

describe('bad packs', skip, () => {
  it('truncated pack', async () => {
    const { tip, pack } = good()
    const bytes = pack.build()
    for (const cut of [4, 11, 12, 40, bytes.length - 21, bytes.length - 20, bytes.length - 1]) {
      await assertRefused(tip.id, bytes.subarray(0, cut), /truncat|early EOF|unexpected end|short|ends|incomplete/i)
    }
  })

  it('no pack at all', async () => {
    await assertRefused(good().tip.id, Buffer.alloc(0), /truncat|early EOF|unexpected end|short|no pack|missing|ends|incomplete/i)
  })

  it('bytes after the pack', async () => {
    const { tip, pack } = good()
    await assertRefused(tip.id, Buffer.concat([pack.build(), Buffer.from('more')]), /after|trailing|garbage|extra/i)
  })

  it('wrong trailer', async () => {
    const { tip, pack } = good()
    const bytes = pack.build()
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
    await assertRefused(tip.id, bytes, /checksum|trailer|corrupt|SHA1 mismatch/i)
  })

  it('wrong signature, version and object count', async () => {
    for (const lie of [{ signature: 'KCAP' }, { version: 4 }, { count: 2 }, { count: 4 }, { count: 0xffffffff }, { count: 0 }]) {
      const { tip, pack } = good()
      await assertRefused(tip.id, pack.build(lie), /./)
    }
  })

  it('bad zlib', async () => {
    const { tip, top, file } = good()
    for (const spoil of ['header', 'middle', 'adler'] as const) {
      const deflated = deflateSync(file.bytes)
      const at = spoil === 'header' ? 0 : spoil === 'middle' ? 4 : deflated.length - 1
      deflated[at] = (deflated[at] ?? 0) ^ 0xff
      const pack = new PackBuilder().addAll(tip, top)
      pack.add(file, { deflated })
      await assertRefused(tip.id, pack.build(), /inflate|zlib|deflate|corrupt|bad/i)
    }
  })

  it('entries of types that do not exist', async () => {
    for (const kind of [0, 5]) {
      const { tip, top, file } = good()
      const pack = new PackBuilder().addAll(tip, top)
      pack.add(file, { kind })
      await assertRefused(tip.id, pack.build(), /type|kind|entry/i)
    }
  })

  it('declared sizes that lie', async () => {
    for (const difference of [-1, 1, 1000, 2 ** 31, 2 ** 40]) {
      const { tip, top, file } = good()
      const pack = new PackBuilder().addAll(tip, top)
      pack.add(file, { declaredBytes: file.bytes.length + difference })
      await assertRefused(tip.id, pack.build(), /size|length|inflate|large|limit|truncat|longer|shorter|bad/i)
    }
  })

  it('missing base of a delta', async () => {
    const { tip, top } = good()
    const pack = new PackBuilder().addAll(tip, top)
    pack.addRefDelta('12'.repeat(20), delta(10, 5, deltaInsert('hello')))
    await assertRefused(tip.id, pack.build(), /unresolved|missing|base|delta/i)
  })

  it('OFS_DELTA whose base is no entry', async () => {
    for (const distance of [1, 5, 1_000_000]) {
      const { tip, pack } = good()
      const at = pack.sizeBytes
      pack.addOfsDelta(at - distance, delta(10, 5, deltaInsert('hello')))
      await assertRefused(tip.id, pack.build(), /offset|base|delta|bound/i)
    }
  })

  it('delta out of range', async () => {
    const bad: Buffer[] = [
      delta(base.file.bytes.length, 100, deltaCopy(base.file.bytes.length - 10, 100)),
      delta(base.file.bytes.length, 100, deltaCopy(0xffffff00, 100)),
      delta(base.file.bytes.length, 5, deltaInsert('longer than it says')),
      delta(base.file.bytes.length, 500, deltaInsert('shorter than it says')),
      delta(base.file.bytes.length + 1, 5, deltaInsert('hello')),
      delta(base.file.bytes.length, 5, Buffer.from([0])),
      delta(base.file.bytes.length, 50, Buffer.from([50, 1, 2, 3])),
      delta(base.file.bytes.length, 50, Buffer.from([0xff, 1])),
      Buffer.from([0x80, 0x80, 0x80]),
      Buffer.alloc(0),
    ]
    for (const bytes of bad) {
      const { tip, pack } = good()
      pack.addRefDelta(base.file.id, bytes)
      await assertRefused(tip.id, pack.build(), /delta|size|range|corrupt/i)
    }
  })

  it('delta cycle', async () => {
    // Two REF_DELTAs that each name the other's result as base: neither can be made.
    const first = blob('first of the cycle')
    const second = blob('second of the cycle')
    const { tip, pack } = good()
    pack.addRefDelta(second.id, delta(second.bytes.length, first.bytes.length, deltaInsert(first.bytes)))
    pack.addRefDelta(first.id, delta(first.bytes.length, second.bytes.length, deltaInsert(second.bytes)))
    const self = blob('its own base')
    pack.addRefDelta(self.id, delta(self.bytes.length, self.bytes.length, deltaInsert(self.bytes)))
    await assertRefused(tip.id, pack.build(), /unresolved|cycle|base|delta/i)
  })

  it('delta chain deeper than any writer makes', async () => {
    const { tip, pack } = good()
    let at = pack.add(blob('x'.repeat(64)))
    for (let n = 0; n < 20_000; n++)
      at = pack.addOfsDelta(at, delta(64, 64, deltaCopy(0, 60), deltaInsert(String(n % 10_000).padStart(4, '0'))))
    const before = await stored(host.server, database)
    const ref = 'refs/heads/deep'
    const report = await push(url, [{ old: zeroId, new: tip.id, ref }], pack.build())
    assert.equal(report.status, 200)
    if (report.refs.get(ref) === 'ok') return // kept: then it must be readable, which git-round-trip's fsck of a clone checks for its own
    assert.match(`${report.unpack}${report.text}`, /depth|deep|chain/i)
    await assertStoredAgain(host.server, database, before)
  })

  it('zlib bomb', async () => {
    const { tip, top } = good()
    host.server.resetPeak()
    const zeros = deflateSync(Buffer.alloc(512 * mib), { level: 9 })
    const pack = new PackBuilder().addAll(tip, top)
    pack.add(blob('tiny'), { declaredBytes: 4, deflated: zeros })
    await assertRefused(tip.id, pack.build(), /size|length|inflate|longer|large|bad|corrupt/i)
    assert.ok(host.server.memory().peakBytes < 600 * mib, `peak ${host.server.memory().peakBytes / mib} MiB`)
  })

  it('zlib bomb that tells its size', async () => {
    const { tip, top } = good()
    host.server.resetPeak()
    const pack = new PackBuilder().addAll(tip, top)
    pack.add(blob('tiny'), { declaredBytes: 2 ** 37, deflated: deflateSync(Buffer.alloc(256 * mib), { level: 9 }) })
    await assertRefused(tip.id, pack.build(), /size|large|limit|big|inflate|length/i)
    assert.ok(host.server.memory().peakBytes < 600 * mib, `peak ${host.server.memory().peakBytes / mib} MiB`)
  })

  it('delta bomb', async () => {
    // Each delta copies its base 64 times: 8 MiB, 512 MiB, 32 GiB from some hundred bytes.
    const { tip, pack } = good()
    host.server.resetPeak()
    const piece = 8 * mib
    let at = pack.add(blob(Buffer.alloc(piece)))
    let sizeBytes = piece
    for (let n = 0; n < 2; n++) {
      const copies: Buffer[] = []
      for (let copy = 0; copy < 64; copy++) for (let from = 0; from < sizeBytes; from += piece) copies.push(deltaCopy(from, piece))
      at = pack.addOfsDelta(at, delta(sizeBytes, copies.length * piece, ...copies))
      sizeBytes = copies.length * piece
    }
    await assertRefused(tip.id, pack.build(), /size|large|limit|expan|big|delta/i)
    assert.ok(host.server.memory().peakBytes < 700 * mib, `peak ${host.server.memory().peakBytes / mib} MiB`)
  })
})

describe('missing objects', skip, () => {
  it('a tip that nobody has', async () => {
    const { pack } = good()
    await assertRefused('ab'.repeat(20), pack.build(), /missing|not found|bad object|unpacker|necessary/i)
  })

  it('a parent, a tree, a blob and a tag’s target', async () => {
    const nowhere = 'cd'.repeat(20)
    const { top, file } = good()
    const orphan = commit(top.id, [nowhere])
    await assertRefused(orphan.id, new PackBuilder().addAll(orphan, top, file).build(), /missing|not found|connect|necessary|did not send/i)
    const treeless = commit(nowhere)
    await assertRefused(treeless.id, new PackBuilder().addAll(treeless).build(), /missing|not found|connect|necessary|did not send/i)
    const blobless = commit(top.id)
    await assertRefused(blobless.id, new PackBuilder().addAll(blobless, top).build(), /missing|not found|connect|necessary|did not send/i)
    const dangling = object('tag', `object ${nowhere}\ntype commit\ntag t\ntagger T <t@example.com> 1700000000 +0000\n\nt\n`)
    await assertRefused(
      dangling.id,
      new PackBuilder().addAll(dangling).build(),
      /missing|not found|connect|necessary|did not send/i,
      'refs/tags/dangling',
    )
  })

  it('a tree entry of the wrong type', async () => {
    const { file } = good()
    const inner = tree([{ mode: '40000', name: 'folder', id: file.id }])
    const tip = commit(inner.id)
    await assertRefused(
      tip.id,
      new PackBuilder().addAll(tip, inner, file).build(),
      /type|kind|not a tree|missing|connect|necessary|is a blob/i,
    )
  })

  it('a branch that is no commit', async () => {
    const { file, pack } = good()
    const report = await assertRefused(file.id, pack.build(), /commit|not a|type|kind/i)
    assert.notEqual(report.status, 500)
  })

  it('another repository’s objects', async () => {
    const other = await host.create('other')
    const { tip, pack } = good()
    const pushed = await push(other, [{ old: zeroId, new: tip.id, ref: 'refs/heads/main' }], pack.build())
    assert.equal(pushed.refs.get('refs/heads/main'), 'ok')
    const top = tree([])
    const stolen = commit(top.id, [tip.id])
    await assertRefused(stolen.id, new PackBuilder().addAll(stolen, top).build(), /missing|not found|connect|necessary|did not send/i)
  })
})

describe('bad objects', skip, () => {
  const names: readonly (readonly [string, RegExp])[] = [
    ['..', /\.\.|hasDotdot/i],
    ['.', /hasDot|'\.'|\./i],
    ['.git', /\.git|hasDotgit/i],
    ['.GIT', /\.git|hasDotgit/i],
    ['.gIt', /\.git|hasDotgit/i],
    ['git~1', /\.git|hasDotgit|git~1/i],
    ['.git ', /\.git|hasDotgit/i],
    ['.git.', /\.git|hasDotgit/i],
    ['.g\u200cit', /\.git|hasDotgit/i],
    ['', /empty|name/i],
    ['a/b', /slash|full path|name|fullPathname/i],
  ]
  for (const [name, words] of names) {
    it(`tree entry ${JSON.stringify(name)}`, async () => {
      const file = blob('contents\n')
      const entries: TreeEntry[] = [{ mode: '100644', name, id: file.id }]
      const top = tree(entries)
      const tip = commit(top.id)
      await assertRefused(tip.id, new PackBuilder().addAll(tip, top, file).build(), words)
      if (name !== '') await assertGitRefused([tip, top, file], tip.id, words)
      const folder = tree([{ mode: '40000', name, id: tree([]).id }])
      const tip2 = commit(folder.id)
      await assertRefused(tip2.id, new PackBuilder().addAll(tip2, folder, tree([])).build(), words)
    })
  }

  it('.gitmodules that is a link', async () => {
    const target = blob('../elsewhere')
    for (const name of ['.gitmodules', '.GITMODULES', 'gitmod~1']) {
      const top = tree([{ mode: '120000', name, id: target.id }])
      const tip = commit(top.id)
      await assertGitRefused([tip, top, target], tip.id, /gitmodules/i)
    }
  })

  it('.gitmodules with tricks in it', async () => {
    const tricks = [
      '[submodule "../../escape"]\n\tpath = a\n\turl = https://example.com/a\n',
      '[submodule "a"]\n\tpath = a\n\turl = -u./payload\n',
      '[submodule "a"]\n\tpath = -a\n\turl = https://example.com/a\n',
      '[submodule "a"]\n\tpath = a\n\turl = https://example.com/a\n\tupdate = !touch owned\n',
      '[submodule "a"]\n\tpath = a\n\turl = "https://example.com/\\nhost=evil"\n',
    ]
    for (const trick of tricks) {
      const file = blob(trick)
      const top = tree([{ mode: '100644', name: '.gitmodules', id: file.id }])
      const tip = commit(top.id)
      await assertGitRefused([tip, top, file], tip.id, /gitmodules|submodule/i)
    }
    const fine = blob('[submodule "a"]\n\tpath = a\n\turl = https://example.com/a\n')
    const { tip, pack } = rootCommit([{ mode: '100644', name: '.gitmodules', id: fine.id }], [fine])
    const report = await push(url, [{ old: zeroId, new: tip.id, ref: 'refs/heads/submodule' }], pack.build())
    assert.equal(report.refs.get('refs/heads/submodule'), 'ok', report.text)
  })

  it('trees out of order and with doubles', async () => {
    const file = blob('x')
    const entry = (name: string): TreeEntry => ({ mode: '100644', name, id: file.id })
    const bad: readonly (readonly TreeEntry[])[] = [
      [entry('b'), entry('a')],
      [entry('a'), entry('a')],
    ]
    for (const entries of bad) {
      const top = tree(entries)
      const tip = commit(top.id)
      await assertRefused(tip.id, new PackBuilder().addAll(tip, top, file).build(), /sort|order|duplicate|mode|zero|tree/i)
    }
  })

  it('trees, commits and tags that cannot be parsed', async () => {
    const top = tree([])
    const bad = [
      object('tree', Buffer.from('100644 name-without-id\0abc')),
      object('tree', Buffer.from('no spaces or zeros at all')),
      object('commit', 'no headers at all\n'),
      object('commit', `tree ${top.id}\nauthor nobody\n\nx\n`),
      object('commit', `tree ${'zz'.repeat(20)}\nauthor A <a@example.com> 1 +0000\ncommitter A <a@example.com> 1 +0000\n\nx\n`),
      object('tag', 'object nothing\n'),
    ]
    for (const built of bad) {
      const { tip, pack } = good()
      pack.add(built)
      await assertRefused(built.kind === 'commit' ? built.id : tip.id, pack.build(), /./)
    }
  })
})

describe('bad commands', skip, () => {
  const names = [
    'refs/heads/..',
    'refs/heads/a..b',
    'refs/heads/a b',
    'refs/heads/a~1',
    'refs/heads/a^',
    'refs/heads/a:b',
    'refs/heads/a?',
    'refs/heads/[a',
  ]
  names.push(
    'refs/heads/*',
    'refs/heads/.a',
    'refs/heads/a.lock',
    'refs/heads/a.',
    'refs/heads/a/',
    'refs/heads//a',
    'refs/heads/a@{1}',
    'refs/heads/\\',
  )
  names.push(
    'refs/heads/\u007f',
    'refs/heads/a\tb',
    'HEAD',
    'heads/main',
    'main',
    '../../etc/passwd',
    'refs/',
    'refs',
    `refs/heads/${'x'.repeat(5000)}`,
  )

  it('bad ref names', async () => {
    for (const name of names) {
      const before = await stored(host.server, database)
      const report = await push(url, [{ old: zeroId, new: base.tip.id, ref: name }], new PackBuilder().build())
      assert.ok(report.status === 200 || report.status === 400, `${name}: HTTP ${report.status}`)
      assert.notEqual(report.refs.get(name), 'ok', name)
      assert.match(`${[...report.refs.values()].join()}${report.unpack}${report.text}`, /funny refname|name|ref|bad|invalid/i)
      await assertStoredAgain(host.server, database, before)
    }
  })

  it('directory/file conflicts, also inside one push', async () => {
    const before = await stored(host.server, database)
    const update = (ref: string): { old: string; new: string; ref: string } => ({ old: zeroId, new: base.tip.id, ref })
    const under = await push(url, [update('refs/heads/main/below')], new PackBuilder().build())
    assert.notEqual(under.refs.get('refs/heads/main/below'), 'ok')
    const both = await push(url, [update('refs/heads/both'), update('refs/heads/both/below')], new PackBuilder().build(), {
      capabilities: 'report-status side-band-64k atomic',
    })
    assert.deepEqual(
      [...both.refs.values()].filter((word) => word === 'ok'),
      [],
    )
    await assertStoredAgain(host.server, database, before)
  })

  it('the same ref twice in one push', async () => {
    const before = await stored(host.server, database)
    const twice = { old: zeroId, new: base.tip.id, ref: 'refs/heads/twice' }
    const report = await push(url, [twice, twice], new PackBuilder().build())
    assert.ok(report.status < 500)
    if (report.refs.get(twice.ref) !== 'ok') await assertStoredAgain(host.server, database, before)
  })

  it('ids that are none', async () => {
    for (const id of ['zz'.repeat(20), '12', 'AB'.repeat(20), 'ab'.repeat(32), '']) {
      const before = await stored(host.server, database)
      const report = await push(url, [{ old: zeroId, new: id, ref: 'refs/heads/id' }], new PackBuilder().build())
      assert.ok(report.status === 200 || report.status === 400, `${id}: HTTP ${report.status}`)
      assert.notEqual(report.refs.get('refs/heads/id'), 'ok')
      await assertStoredAgain(host.server, database, before)
    }
  })
})

describe('bad requests', skip, () => {
  const type = { 'content-type': 'application/x-git-receive-pack-request' }
  const fetchType = { 'content-type': 'application/x-git-upload-pack-request' }
  const post = (path: string, body: Uint8Array, headers: Record<string, string>): ReturnType<typeof send> =>
    send(url, path, { method: 'POST', body, headers })

  it('pkt-lines that are huge, short, or no numbers', async () => {
    const lines = [
      Buffer.from('fffftoo short'),
      Buffer.from('zzzz'),
      Buffer.from('0003'),
      Buffer.from('-001'),
      Buffer.from('0001'),
      Buffer.from('00'),
    ]
    lines.push(Buffer.concat([Buffer.from('ffff'), Buffer.alloc(70_000, 0x61)]))
    for (const line of lines) {
      for (const [service, headers] of [
        ['git-receive-pack', type],
        ['git-upload-pack', fetchType],
      ] as const) {
        const before = await stored(host.server, database)
        const answer = await post(`/admin/target.git/${service}`, line, headers)
        assert.ok(
          answer.status === 400 || (answer.status === 200 && /ERR |error|fatal/.test(answer.body.toString())),
          `${line.subarray(0, 8)} on ${service}: ${answer.status} ${answer.body.toString().slice(0, 200)}`,
        )
        await assertStoredAgain(host.server, database, before)
      }
    }
  })

  it('endless commands', async () => {
    host.server.resetPeak()
    const line = (n: number): Buffer => pkt(`${zeroId} ${base.tip.id} refs/heads/endless/${n}/${'x'.repeat(200)}`)
    const body = Buffer.concat(Array.from({ length: 400_000 }, (_, n) => line(n)))
    const before = await stored(host.server, database)
    const answer = await post('/admin/target.git/git-receive-pack', body, type)
    assert.ok(answer.status < 500, `HTTP ${answer.status}`)
    await assertStoredAgain(host.server, database, before)
    assert.ok(host.server.memory().peakBytes < 700 * mib, `peak ${host.server.memory().peakBytes / mib} MiB`)
  })

  it('wrong content type', async () => {
    for (const service of ['git-receive-pack', 'git-upload-pack']) {
      for (const wrong of [
        'text/plain',
        'application/json',
        'application/x-www-form-urlencoded',
        'application/x-git-upload-archive-request',
      ]) {
        const answer = await post(`/admin/target.git/${service}`, flush, { 'content-type': wrong })
        assert.equal(answer.status, 415, `${wrong} on ${service}`)
      }
    }
  })

  it('a body that says gzip and is none, and a gzip bomb', async () => {
    const broken = await post('/admin/target.git/git-upload-pack', Buffer.from('not gzip'), { ...fetchType, 'content-encoding': 'gzip' })
    assert.equal(broken.status, 400)
    const unknown = await post('/admin/target.git/git-upload-pack', Buffer.from('x'), { ...fetchType, 'content-encoding': 'br' })
    assert.ok(unknown.status === 415 || unknown.status === 400)
    host.server.resetPeak()
    const bomb = gzipSync(
      Buffer.concat(Array.from({ length: 64 }, () => Buffer.alloc(4 * mib, '0032want 0000000000000000000000000000000000000000\n'))),
    )
    const answer = await post('/admin/target.git/git-upload-pack', bomb, { ...fetchType, 'content-encoding': 'gzip' })
    assert.ok(answer.status < 500, `HTTP ${answer.status}`)
    assert.ok(host.server.memory().peakBytes < 600 * mib, `peak ${host.server.memory().peakBytes / mib} MiB`)
  })

  it('unknown service', async () => {
    for (const service of ['git-upload-archive', 'nonsense', '', 'git-upload-pack%00']) {
      const answer = await send(url, `/admin/target.git/info/refs?service=${service}`)
      assert.ok(answer.status >= 400 && answer.status < 500, `${service}: ${answer.status}`)
    }
    const dumb = await send(url, '/admin/target.git/info/refs')
    assert.ok(dumb.status >= 400 && dumb.status < 500, `dumb: ${dumb.status}`)
    for (const path of ['git-upload-archive', 'HEAD', 'config', 'objects/info/packs']) {
      const answer = await send(url, `/admin/target.git/${path}`)
      assert.ok(answer.status >= 400 && answer.status < 500, `${path}: ${answer.status}`)
    }
  })

  it('wrong methods', async () => {
    for (const [method, path] of [
      ['GET', 'git-upload-pack'],
      ['GET', 'git-receive-pack'],
      ['POST', 'info/refs?service=git-upload-pack'],
      ['DELETE', 'info/refs'],
    ] as const) {
      const answer = await send(url, `/admin/target.git/${path}`, { method })
      assert.ok(answer.status === 405 || answer.status === 404, `${method} ${path}: ${answer.status}`)
    }
  })

  it('path traversal in the URL', async () => {
    const paths = [
      '/../../etc/passwd',
      '/admin/../../etc/passwd',
      '/admin/..%2f..%2fetc%2fpasswd/info/refs?service=git-upload-pack',
      '/admin/%2e%2e/info/refs?service=git-upload-pack',
    ]
    paths.push(
      '/admin/target.git/../target.git/info/refs?service=git-upload-pack',
      '/admin/target%00.git/info/refs?service=git-upload-pack',
      '/admin//target.git/info/refs?service=git-upload-pack',
    )
    paths.push(
      '/admin\\target.git/info/refs?service=git-upload-pack',
      '/./admin/target.git/info/refs?service=git-upload-pack',
      '/admin/target.git/objects/../../../../../../etc/passwd',
    )
    for (const path of paths) {
      const answer = await send(url, path)
      assert.ok(answer.status >= 400 && answer.status < 500, `${path}: ${answer.status}`)
      assert.ok(!answer.body.includes('root:'), path)
    }
  })

  it('wrong or missing token', async () => {
    const body = pushBody([{ old: zeroId, new: base.tip.id, ref: 'refs/heads/unasked' }], new PackBuilder().build(), 'report-status')
    const before = await stored(host.server, database)
    const plain = host.server.url
    for (const authorization of [
      undefined,
      'Basic !!!',
      'Basic ',
      'Bearer wrong',
      'Bearer ',
      'Digest x',
      `Basic ${Buffer.from('admin:wrong').toString('base64')}`,
      `Basic ${Buffer.from('nocolon').toString('base64')}`,
    ]) {
      const headers = authorization === undefined ? type : { ...type, authorization }
      const answer = await send(plain, '/admin/target.git/git-receive-pack', { method: 'POST', body, headers })
      assert.equal(answer.status, 401, String(authorization))
      assert.match(String(answer.headers['www-authenticate']), /Basic/)
    }
    await assertStoredAgain(host.server, database, before)
  })

  it('wants that are not advertised, and shallow lines that lie', async () => {
    const secret = 'ef'.repeat(20)
    const bodies = [
      Buffer.concat([pkt(`want ${secret} ofs-delta side-band-64k\n`), flush, pkt('done\n')]),
      Buffer.concat([pkt('want nonsense\n'), flush, pkt('done\n')]),
      Buffer.concat([pkt(`want ${base.tip.id}\n`), pkt('shallow nonsense\n'), pkt('deepen -5\n'), flush, pkt('done\n')]),
      Buffer.concat([pkt(`want ${base.tip.id}\n`), pkt('deepen 99999999999999999999\n'), flush, pkt('done\n')]),
    ]
    for (const body of bodies) {
      const answer = await post('/admin/target.git/git-upload-pack', body, fetchType)
      assert.ok(answer.status === 200 || answer.status === 400, `HTTP ${answer.status}`)
      assert.ok(!answer.body.includes('PACK') || body === bodies[3], answer.body.toString('latin1').slice(0, 200))
    }
    const v2 = Buffer.concat([pkt('command=nonsense\n'), flush])
    const answer = await post('/admin/target.git/git-upload-pack', v2, { ...fetchType, 'git-protocol': 'version=2' })
    assert.ok(answer.status === 400 || answer.body.toString().includes('ERR '), `${answer.status} ${answer.body.toString()}`)
  })

  it('still serves after all that', async () => {
    assert.equal(await host.server.isHealthy(), true)
    const copy = host.folder.join('after.git')
    await git.run(['clone', '-q', '--mirror', url, copy])
    await git.run(['fsck', '--strict'], { cwd: copy })
  })
})

describe('a client that goes away in the middle', skip, () => {
  it('leaves no row and no key', async () => {
    const { tip, pack } = rootCommit(
      [{ mode: '100644', name: 'noise', id: blob(seededBytes('gone', 3 * mib)).id }],
      [blob(seededBytes('gone', 3 * mib))],
    )
    const body = pushBody([{ old: zeroId, new: tip.id, ref: 'refs/heads/gone' }], pack.build(), 'report-status')
    const before = await stored(host.server, database)
    for (const part of [0.02, 0.4, 0.9, 0.9999]) {
      await new Promise<void>((resolve) => {
        const target = new URL(url)
        const authorization = `Basic ${Buffer.from(`admin:${host.server.token}`).toString('base64')}`
        const headers = { 'content-type': 'application/x-git-receive-pack-request', authorization, 'content-length': String(body.length) }
        const request = http.request({
          host: target.hostname,
          port: target.port,
          path: '/admin/target.git/git-receive-pack',
          method: 'POST',
          headers,
        })
        request.on('error', () => {})
        request.on('close', () => resolve())
        request.write(body.subarray(0, Math.floor(body.length * part)), () => setTimeout(() => request.destroy(), 60))
      })
    }
    await assertStoredAgain(host.server, database, before, 10_000)
    assert.equal((await advertisedRefs(url)).has('refs/heads/gone'), false)
  })
})

// Bad objects, commands and requests from the outside: each gets git's kind of message, leaves no row and no key, and costs bounded memory.
import assert from 'node:assert/strict'
import http from 'node:http'
import { after, before, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { onPeer } from '../support/host.ts'
import { blob, commit, object, PackBuilder, rootCommit, type TreeEntry, tree } from '../support/pack-builder.ts'
import { seededBytes } from '../support/random.ts'
import { good, stemmaStorage, Target } from '../support/target.ts'
import { advertisedRefs, flush, pkt, push, pushBody, send, zeroId } from '../support/wire.ts'

const mib = 1024 * 1024

let target: Target

before(async () => {
  if (!onPeer) target = await Target.open('bad-input')
})
after(async () => await target?.close())

describe('bad objects', stemmaStorage, () => {
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
    ['', /empty|name|badTree/i],
    ['a/b', /slash|full path|name|fullPathname/i],
  ]
  for (const [name, words] of names) {
    it(`tree entry ${JSON.stringify(name)}`, async () => {
      const file = blob('contents\n')
      const entries: TreeEntry[] = [['100644', name, file.id]]
      const top = tree(...entries)
      const tip = commit(top.id)
      await target.assertRefused(tip.id, new PackBuilder().addAll(tip, top, file).build(), words)
      if (name !== '') await target.assertGitRefused([tip, top, file], tip.id, words)
      const folder = tree(['40000', name, tree().id])
      const tip2 = commit(folder.id)
      await target.assertRefused(tip2.id, new PackBuilder().addAll(tip2, folder, tree()).build(), words)
    })
  }

  it('.gitmodules that is a link', async () => {
    const link = blob('../elsewhere')
    for (const name of ['.gitmodules', '.GITMODULES', 'gitmod~1']) {
      const top = tree(['120000', name, link.id])
      const tip = commit(top.id)
      await target.assertGitRefused([tip, top, link], tip.id, /gitmodules/i)
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
      const top = tree(['100644', '.gitmodules', file.id])
      const tip = commit(top.id)
      await target.assertGitRefused([tip, top, file], tip.id, /gitmodules|submodule/i)
    }
    const fine = blob('[submodule "a"]\n\tpath = a\n\turl = https://example.com/a\n')
    const { tip, pack } = rootCommit([['100644', '.gitmodules', fine.id]], [fine])
    const report = await push(target.url, [{ old: zeroId, new: tip.id, ref: 'refs/heads/submodule' }], pack.build())
    assert.equal(report.refs.get('refs/heads/submodule'), 'ok', report.text)
  })

  it('trees out of order and with doubles', async () => {
    const file = blob('x')
    const entry = (name: string): TreeEntry => ['100644', name, file.id]
    const bad: readonly (readonly TreeEntry[])[] = [
      [entry('b'), entry('a')],
      [entry('a'), entry('a')],
    ]
    for (const entries of bad) {
      const top = tree(...entries)
      const tip = commit(top.id)
      await target.assertRefused(tip.id, new PackBuilder().addAll(tip, top, file).build(), /sort|order|duplicate|mode|zero|tree/i)
    }
  })

  it('trees, commits and tags that cannot be parsed', async () => {
    const top = tree()
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
      await target.assertRefused(built.kind === 'commit' ? built.id : tip.id, pack.build(), /./)
    }
  })
})

describe('bad commands', stemmaStorage, () => {
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
      const before = await target.stored()
      const report = await push(target.url, [{ old: zeroId, new: target.base.tip.id, ref: name }], new PackBuilder().build())
      assert.ok(report.status === 200 || report.status === 400, `${name}: HTTP ${report.status}`)
      assert.notEqual(report.refs.get(name), 'ok', name)
      assert.match(`${[...report.refs.values()].join()}${report.unpack}${report.text}`, /funny refname|name|ref|bad|invalid/i)
      await target.assertStoredAgain(before)
    }
  })

  it('directory/file conflicts, also inside one push', async () => {
    const before = await target.stored()
    const update = (ref: string): { old: string; new: string; ref: string } => ({ old: zeroId, new: target.base.tip.id, ref })
    const under = await push(target.url, [update('refs/heads/main/below')], new PackBuilder().build())
    assert.notEqual(under.refs.get('refs/heads/main/below'), 'ok')
    const both = await push(target.url, [update('refs/heads/both'), update('refs/heads/both/below')], new PackBuilder().build(), {
      capabilities: 'report-status side-band-64k atomic',
    })
    assert.deepEqual(
      [...both.refs.values()].filter((word) => word === 'ok'),
      [],
    )
    await target.assertStoredAgain(before)
  })

  it('the same ref twice in one push', async () => {
    const before = await target.stored()
    const twice = { old: zeroId, new: target.base.tip.id, ref: 'refs/heads/twice' }
    const report = await push(target.url, [twice, twice], new PackBuilder().build())
    assert.ok(report.status < 500)
    if (report.refs.get(twice.ref) !== 'ok') await target.assertStoredAgain(before)
  })

  it('ids that are none', async () => {
    for (const id of ['zz'.repeat(20), '12', 'AB'.repeat(20), 'ab'.repeat(32), '']) {
      const before = await target.stored()
      const report = await push(target.url, [{ old: zeroId, new: id, ref: 'refs/heads/id' }], new PackBuilder().build())
      assert.ok(report.status === 200 || report.status === 400, `${id}: HTTP ${report.status}`)
      assert.notEqual(report.refs.get('refs/heads/id'), 'ok')
      await target.assertStoredAgain(before)
    }
  })
})

describe('bad requests', stemmaStorage, () => {
  const type = { 'content-type': 'application/x-git-receive-pack-request' }
  const fetchType = { 'content-type': 'application/x-git-upload-pack-request' }
  const post = (path: string, body: Uint8Array, headers: Record<string, string>): ReturnType<typeof send> =>
    send(target.url, path, { method: 'POST', body, headers })

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
        const before = await target.stored()
        const answer = await post(`/admin/target.git/${service}`, line, headers)
        assert.ok(
          answer.status === 400 || (answer.status === 200 && /ERR |error|fatal/.test(answer.body.toString())),
          `${line.subarray(0, 8)} on ${service}: ${answer.status} ${answer.body.toString().slice(0, 200)}`,
        )
        await target.assertStoredAgain(before)
      }
    }
  })

  it('endless commands', async () => {
    target.host.server.resetPeak()
    const line = (n: number): Buffer => pkt(`${zeroId} ${target.base.tip.id} refs/heads/endless/${n}/${'x'.repeat(200)}`)
    const body = Buffer.concat(Array.from({ length: 400_000 }, (_, n) => line(n)))
    const before = await target.stored()
    const answer = await post('/admin/target.git/git-receive-pack', body, type)
    assert.ok(answer.status < 500, `HTTP ${answer.status}`)
    await target.assertStoredAgain(before)
    target.assertPeak(700)
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
    target.host.server.resetPeak()
    const bomb = gzipSync(
      Buffer.concat(Array.from({ length: 64 }, () => Buffer.alloc(4 * mib, '0032want 0000000000000000000000000000000000000000\n'))),
    )
    const answer = await post('/admin/target.git/git-upload-pack', bomb, { ...fetchType, 'content-encoding': 'gzip' })
    assert.ok(answer.status < 500, `HTTP ${answer.status}`)
    target.assertPeak(600)
  })

  it('unknown service', async () => {
    for (const service of ['git-upload-archive', 'nonsense', '', 'git-upload-pack%00']) {
      const answer = await send(target.url, `/admin/target.git/info/refs?service=${service}`)
      assert.ok(answer.status >= 400 && answer.status < 500, `${service}: ${answer.status}`)
    }
    const dumb = await send(target.url, '/admin/target.git/info/refs')
    assert.equal(dumb.status, 200, 'a dumb client is none of these')
    for (const path of ['git-upload-archive', 'config', 'objects/info/nothing']) {
      const answer = await send(target.url, `/admin/target.git/${path}`)
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
      const answer = await send(target.url, `/admin/target.git/${path}`, { method })
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
      const answer = await send(target.url, path)
      assert.ok(answer.status >= 400 && answer.status < 500, `${path}: ${answer.status}`)
      assert.ok(!answer.body.includes('root:'), path)
    }
  })

  it('wrong or missing token', async () => {
    const body = pushBody([{ old: zeroId, new: target.base.tip.id, ref: 'refs/heads/unasked' }], new PackBuilder().build(), 'report-status')
    const before = await target.stored()
    const plain = target.host.server.url
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
    await target.assertStoredAgain(before)
  })

  it('wants that are not advertised, and shallow lines that lie', async () => {
    const secret = 'ef'.repeat(20)
    const bodies = [
      Buffer.concat([pkt(`want ${secret} ofs-delta side-band-64k\n`), flush, pkt('done\n')]),
      Buffer.concat([pkt('want nonsense\n'), flush, pkt('done\n')]),
      Buffer.concat([pkt(`want ${target.base.tip.id}\n`), pkt('shallow nonsense\n'), pkt('deepen -5\n'), flush, pkt('done\n')]),
      Buffer.concat([pkt(`want ${target.base.tip.id}\n`), pkt('deepen 99999999999999999999\n'), flush, pkt('done\n')]),
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
    assert.equal(await target.host.server.isHealthy(), true)
    const copy = target.host.folder.join('after.git')
    await target.host.git.run(['clone', '-q', '--mirror', target.url, copy])
    await target.host.git.run(['fsck', '--strict'], { cwd: copy })
  })
})

describe('a client that goes away in the middle', stemmaStorage, () => {
  it('leaves no row and no key', async () => {
    const { tip, pack } = rootCommit([['100644', 'noise', blob(seededBytes('gone', 3 * mib)).id]], [blob(seededBytes('gone', 3 * mib))])
    const body = pushBody([{ old: zeroId, new: tip.id, ref: 'refs/heads/gone' }], pack.build(), 'report-status')
    const before = await target.stored()
    for (const part of [0.02, 0.4, 0.9, 0.9999]) {
      await new Promise<void>((resolve) => {
        const address = new URL(target.url)
        const authorization = `Basic ${Buffer.from(`admin:${target.host.server.token}`).toString('base64')}`
        const headers = { 'content-type': 'application/x-git-receive-pack-request', authorization, 'content-length': String(body.length) }
        const request = http.request({
          host: address.hostname,
          port: address.port,
          path: '/admin/target.git/git-receive-pack',
          method: 'POST',
          headers,
        })
        request.on('error', () => {})
        request.on('close', () => resolve())
        request.write(body.subarray(0, Math.floor(body.length * part)), () => setTimeout(() => request.destroy(), 60))
      })
    }
    await target.assertStoredAgain(before, 10_000)
    assert.equal((await advertisedRefs(target.url)).has('refs/heads/gone'), false)
  })
})

// Fetches against the grain: claims about what no ref reaches, work that nobody waits for, objects that are large, stored bytes that changed.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { setImmediate as immediate } from 'node:timers/promises'
import { after, before, describe, test } from 'node:test'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { type FetchServer, loadRepository, type ServedRepository, startFetchServer } from '../../../tests/support/fetch-server.ts'
import { Git, TempFolder } from '../../../tests/support/git.ts'
import { blob, type BuiltObject, commit, PackBuilder, tree } from '../../../tests/support/pack-builder.ts'
import { delimiter, flush, pkt, readPkts } from '../../../tests/support/wire.ts'
import { CorruptError, fromHex } from '../../base/index.ts'
import type { StoredPack } from '../odb/index.ts'
import { CrcChain } from '../format/crc-chain.ts'
import { type FetchEvent, fetchEvents } from './fetch.ts'
import { answerFetch } from './fetch-answer.ts'
import { fetchTask } from './fetch-task.ts'
import { readGitSettings } from '../settings/index.ts'
import { fetchOffer, plainOffer } from './offer.ts'
import { Pace } from './pace.ts'
import { defaultRequestLimits, type FetchRequest } from './request.ts'
import { parseNow } from './request-lines.ts'
import { parseRequestV2 } from './request-v2.ts'

const folder = new TempFolder('fetch')
const git = new Git(folder)
let next = 0
const path = () => folder.join(`r${next++}`)

/** A bare repository that keeps what is pushed as packs. */
async function bareRepository(): Promise<string> {
  const bare = path()
  await git.run(['init', '-q', '--bare', '-b', 'main', bare])
  await git.run(['config', 'receive.unpackLimit', '1'], { cwd: bare })
  return bare
}

/** The body of a version 2 fetch with these arguments. */
const body = (...lines: string[]) => Buffer.concat([pkt('command=fetch\n'), delimiter, ...lines.map((line) => pkt(`${line}\n`)), flush])

function request(served: ServedRepository, ...lines: string[]): FetchRequest {
  const command = parseNow(parseRequestV2(body(...lines), plainOffer(served.format), defaultRequestLimits))
  assert.ok(command?.command === 'fetch')
  return command.request
}

const events = (served: ServedRepository, asked: FetchRequest, signal?: AbortSignal) =>
  fetchEvents(served.repository, fetchTask(asked, served.refs, plainOffer(served.format)), signal)

/** The answer's pkt-lines, and what the server would have logged. */
async function answer(
  served: ServedRepository,
  lines: readonly string[],
  gone?: AbortController,
  packEnds?: Map<number, Uint8Array>,
): Promise<{ lines: (Buffer | string)[]; error: unknown }> {
  const parts: Buffer[] = []
  const asked = request(served, ...lines)
  let error: unknown
  await answerFetch(
    events(served, asked),
    {
      write: (bytes) => {
        parts.push(Buffer.from(bytes))
        if (parts.length > 2) gone?.abort(new Error('gone'))
        return undefined
      },
    },
    {
      request: asked,
      format: served.format,
      ...(packEnds ? { packEnds } : {}),
      ...(gone ? { gone: gone.signal } : {}),
      region: ({ pack, offset, sizeBytes }) => (served.repository.set.packs[pack] as StoredPack).stream(offset, sizeBytes),
    },
  ).catch((thrown: unknown) => {
    error = thrown
  })
  return { lines: readPkts(Buffer.concat(parts)), error }
}

const words = (lines: (Buffer | string)[]) =>
  lines.filter((line) => typeof line === 'string' || (line[0] as number) > 3).map((line) => line.toString())

after(() => folder.remove())

describe('a client that claims what no visible ref reaches', () => {
  let served: ServedRepository
  const id: Record<string, string> = {}

  before(async () => {
    const work = path()
    await git.makeRepository(work, 5)
    const bare = await bareRepository()
    await git.run(['push', '-q', bare, 'main'], { cwd: work })
    id.main = await git.read(['rev-parse', 'main'], { cwd: work })
    id.old = await git.read(['rev-parse', 'main~2'], { cwd: work })
    id.secret = await git.commit(work, { 'secret.txt': 'not for you\n' }, 'secret')
    id.blob = await git.read(['rev-parse', 'HEAD:secret.txt'], { cwd: work })
    id.child = await git.commit(work, { 'secret.txt': 'removed\n' }, 'child')
    await git.run(['push', '-q', bare, 'HEAD:refs/hidden/secret'], { cwd: work })
    served = await loadRepository(bare)
  })

  test('is not sent what lies behind its "shallow" line, nor told that it is stored', async () => {
    for (const depth of ['deepen 2147483647', 'deepen 1000']) {
      const hidden = await answer(served, [`want ${id.main}`, `shallow ${id.child}`, depth, 'done'])
      const unknown = await answer(served, [`want ${id.main}`, `shallow ${'1'.repeat(40)}`, depth, 'done'])
      assert.equal(hidden.error, undefined)
      assert.deepEqual(words(hidden.lines), ['shallow-info\n', '0001', 'packfile\n', '0000'])
      assert.deepEqual(hidden.lines, unknown.lines)
    }
    const plain = await answer(served, [`want ${id.main}`, `shallow ${id.child}`, 'done'])
    assert.deepEqual(plain.lines, (await answer(served, [`want ${id.main}`, `shallow ${'1'.repeat(40)}`, 'done'])).lines)
  })

  test('is unshallowed where the refs do reach', async () => {
    const { lines } = await answer(served, [`want ${id.main}`, `shallow ${id.old}`, `have ${id.old}`, 'deepen 2147483647', 'done'])
    assert.ok(words(lines).includes(`unshallow ${id.old}`))
  })

  test('gets no ACK for it', async () => {
    const common = await answer(served, [`want ${id.main}`, `have ${id.old}`])
    assert.ok(words(common.lines).includes(`ACK ${id.old}\n`))
    for (const name of ['secret', 'child', 'blob']) {
      const { lines } = await answer(served, [`want ${id.main}`, `have ${id[name]}`])
      assert.deepEqual(words(lines), ['acknowledgments\n', 'NAK\n', '0000'])
    }
  })

  test('gets no delta that rests on it', async () => {
    const { set } = served.repository
    const asked = request(served, 'thin-pack', `want ${id.main}`, `have ${id.child}`, 'done')
    const whole = request(served, 'thin-pack', `want ${id.main}`, 'done')
    const pieces = async (one: FetchRequest) => {
      const found: unknown[] = []
      for await (const event of events(served, one)) found.push(event)
      return found
    }
    assert.ok(set.find(fromHex(id.child as string), 0) >= 0)
    assert.deepEqual(await pieces(asked), await pieces(whole))
  })
})

describe('a repository that lacks what a promisor has', () => {
  const id: Record<string, string> = {}
  let served: ServedRepository
  const remotes = { 'promisor.advertise': ['true'], 'remote.lop.promisor': ['true'], 'remote.lop.url': ['https://example.org/lop'] }

  before(async () => {
    const work = path()
    await git.makeRepository(work, 3)
    const bare = await bareRepository()
    id.old = await git.read(['rev-parse', 'main'], { cwd: work })
    id.tip = await git.commit(work, { large: 'large\n'.repeat(2000), small: 'small\n' })
    id.large = await git.read(['rev-parse', 'main:large'], { cwd: work })
    for (const [revs, without] of [
      ['main~1', ''],
      ['main~1..main', id.large],
    ] as const) {
      const listed = await git.read(['rev-list', '--objects', '--no-object-names', revs], { cwd: work })
      const ids = listed.split('\n').filter((oid) => oid !== without)
      await git.run(['pack-objects', '-q', `${bare}/objects/pack/pack`], { cwd: work, input: `${ids.join('\n')}\n` })
    }
    writeFileSync(`${bare}/refs/heads/main`, `${id.tip}\n`)
    served = await loadRepository(bare)
    served.offer = fetchOffer(readGitSettings(remotes), { format: 'sha1', agent: 'x/1', sessionId: 's' })
  })

  const isPack = ({ type }: FetchEvent) => type === 'chunk' || type === 'region'
  const fetched = async (promisors: string[], ...lines: string[]) => {
    const asked = { ...request(served, ...lines, 'done'), promisors }
    const chunks: FetchEvent[] = []
    for await (const event of events(served, asked)) chunks.push(event)
    return chunks
  }

  test("is no fault of its store to a client that accepts the promisor, and gaps are no other client's pack", async () => {
    const [mine] = await fetched(['lop'], `want ${id.tip}`, `have ${id.old}`)
    assert.ok(mine?.type === 'preamble' && mine.key?.endsWith(' with gaps'))
    await assert.rejects(
      fetched([], `want ${id.tip}`, `have ${id.old}`),
      (error) => error instanceof CorruptError && error.message.includes(id.large as string),
    )
    const again = await fetched(['lop'], `want ${id.tip}`, `have ${id.old}`)
    assert.ok(again.some(isPack))
    const filtered = await fetched(['lop'], `want ${id.tip}`, `have ${id.old}`, 'filter tree:5')
    assert.ok(filtered.some(isPack))
  })
})

describe('a walk that takes long', () => {
  let served: ServedRepository
  let tip: string

  before(async () => {
    const objects: BuiltObject[] = [blob('innermost')]
    let inner = tree(['100644', 'f', (objects[0] as BuiltObject).id])
    for (let depth = 0; depth < 40_000; depth++) {
      objects.push(inner)
      inner = tree(['40000', 'd', inner.id])
    }
    const top = commit(inner.id)
    const bare = await bareRepository()
    await git.run(['index-pack', '--stdin'], { cwd: bare, input: new PackBuilder().addAll(...objects, inner, top).build() })
    await git.run(['update-ref', 'refs/heads/main', top.id], { cwd: bare })
    served = await loadRepository(bare)
    tip = top.id
  })

  test('lets the other work of its thread go on, through trees in trees in trees', async () => {
    let ticks = 0
    let isDone = false
    const ticker = (async () => {
      for (; !isDone; ticks++) await immediate()
    })()
    for await (const event of events(served, request(served, `want ${tip}`, 'deepen 1', 'done'))) assert.ok(event)
    isDone = true
    await ticker
    // 40,000 trees take any machine longer than five turns; a walk that keeps its thread lets nobody have one
    assert.ok(ticks >= 5, `${ticks} turns`)
  })

  test('ends when nobody waits for it any more', async () => {
    const gone = new AbortController()
    const running = events(served, request(served, `want ${tip}`, 'deepen 1', 'done'), gone.signal)
    await running.next()
    setImmediate(() => gone.abort(new Error('gone')))
    await assert.rejects(async () => {
      for await (const event of running) assert.notEqual(event.type, 'region')
    }, /^Error: gone$/)
  })

  test('looks at the clock now and then, yields when its time is over, and then hears the signal', async () => {
    let now = 0
    const gone = new AbortController()
    const pace = new Pace(gone.signal, { now: () => 0, monotonic: () => now })
    for (let i = 0; i < 1000; i++) assert.equal(pace.turn(), undefined)
    now = 9
    for (let i = 0; i < 1000; i++) assert.equal(pace.turn(), undefined)
    now = 10
    await Array.from({ length: 64 }, () => pace.turn()).find((turn) => turn !== undefined)
    for (let i = 0; i < 1000; i++) assert.equal(pace.turn(), undefined)
    now = 20
    gone.abort(new Error('gone'))
    await assert.rejects(async () => {
      for (let i = 0; i < 64; i++) await pace.turn()
    }, /^Error: gone$/)
  })
})

describe('large objects', () => {
  let served: ServedRepository
  let server: FetchServer
  let work: string

  before(async () => {
    work = path()
    const bare = await bareRepository()
    await git.makeRepository(work, 1)
    const line = Buffer.from(`${'y'.repeat(99)}\n`)
    const large = Buffer.concat([Buffer.alloc(18 << 20, line), randomBytes(3000)])
    const noise = randomBytes(700 << 10)
    await git.commit(work, { large: large.toString('latin1'), noise: noise.toString('latin1') }, 'one')
    await git.run(['push', '-q', bare, 'main'], { cwd: work })
    const changed = large.fill('other', 5 << 20, (5 << 20) + 5)
    const longer = Buffer.concat([noise, randomBytes(500 << 10)])
    await git.commit(work, { large: changed.toString('latin1'), noise: longer.toString('latin1') }, 'two')
    await git.run(['push', '-q', bare, 'main'], { cwd: work })
    served = await loadRepository(bare)
    server = await startFetchServer(() => served)
  })
  after(async () => await server.close())

  async function same(clone: string, revision: string): Promise<void> {
    await git.run(['fsck', '--strict'], { cwd: clone })
    const [left, right] = [clone, work].map((cwd) => git.read(['rev-parse', `${revision}^{tree}`], { cwd }))
    assert.equal(await left, await right)
  }

  test('a delta whose base is not sent becomes a whole object, piece by piece, several at once', async () => {
    const { set } = served.repository
    const large = set.find(fromHex(await git.read(['rev-parse', 'main:large'], { cwd: work })), 0)
    const pack = set.packOf(large)
    assert.ok(pack.index.base(large - pack.first) >= 0, 'it is stored as a delta')
    const clones = [path(), path(), path()]
    await Promise.all(clones.map((clone) => git.run(['clone', '-q', '--bare', '--depth', '1', server.url, clone])))
    for (const clone of clones) await same(clone, 'main')
  })

  test('a long delta against what the client has goes out as it is stored', async () => {
    const clone = path()
    await git.run(['init', '-q', '--bare', '-b', 'main', clone])
    await git.run(['push', '-q', clone, 'main~1:refs/heads/main'], { cwd: work })
    const tip = await git.read(['rev-parse', 'main'], { cwd: work })
    const old = await git.read(['rev-parse', 'main~1'], { cwd: work })
    const asked = request(served, 'thin-pack', 'ofs-delta', `want ${tip}`, `have ${old}`, 'done')
    const regions: number[] = []
    for await (const event of events(served, asked)) if (event.type === 'region') regions.push(event.region.sizeBytes)
    assert.ok(regions.some((sizeBytes) => sizeBytes > 256 << 10))
    await git.run(['fetch', '-q', server.url, 'main:main'], { cwd: clone })
    await same(clone, 'main')
  })

  test('nothing of it goes on when the client has gone', async () => {
    const gone = new AbortController()
    const tip = await git.read(['rev-parse', 'main'], { cwd: work })
    const running = events(served, request(served, `want ${tip}`, 'deepen 1', 'done'), gone.signal)
    await running.next()
    await running.next()
    gone.abort(new Error('gone'))
    await assert.rejects(async () => {
      for await (const event of running) assert.ok(event)
    })
  })
})

describe('stored bytes that changed', () => {
  let bare: string
  let tip: string

  before(async () => {
    const work = path()
    bare = await bareRepository()
    await git.makeRepository(work, 3)
    for (const name of ['first', 'second']) {
      await git.commit(work, { [name]: randomBytes(500 << 10).toString('hex') }, name)
      await git.run(['push', '-q', bare, 'main'], { cwd: work })
    }
    tip = await git.commit(work, { third: 'small\n' }, 'third')
    await git.run(['push', '-q', bare, 'main'], { cwd: work })
  })

  /** Loads the repository and changes one byte of one pack. */
  async function damaged(from: string, place: number, at: (pack: StoredPack) => number): Promise<ServedRepository> {
    const served = await loadRepository(from)
    const pack = served.repository.set.packs[place] as StoredPack
    const byte = await pack.read(at(pack), 1)
    byte[0] = (byte[0] as number) ^ 1
    return served
  }

  async function assertTold(served: ServedRepository, ...lines: string[]): Promise<void> {
    const { error, lines: said } = await answer(served, lines)
    assert.ok(error instanceof CorruptError, String(error))
    const last = said.at(-1) as Buffer
    assert.equal(last.toString('latin1'), '\x03aborting due to possible repository corruption on the remote side.')
  }

  test('in a pack that is sent as it stands: no trailer, an alarm', async () => {
    const one = await bareRepository()
    await git.run(['push', '-q', one, `${tip}:refs/heads/main`], { cwd: bare })
    const whole = await answer(await loadRepository(one), ['ofs-delta', `want ${tip}`, 'done'])
    assert.equal(whole.error, undefined)
    assert.equal(whole.lines.at(-1), '0000')
    for (const at of [20, 5000, 400 << 10]) await assertTold(await damaged(one, 0, () => at), 'ofs-delta', `want ${tip}`, 'done')
    await assertTold(await damaged(one, 0, (pack) => pack.index.packBytes - 1), 'ofs-delta', `want ${tip}`, 'done')
  })

  test('in a pack whose trailer was found right before: its ends are compared, its entries checked as ever', async () => {
    const one = await bareRepository()
    await git.run(['push', '-q', one, `${tip}:refs/heads/main`], { cwd: bare })
    const packEnds = new Map<number, Uint8Array>()
    const asked = ['ofs-delta', `want ${tip}`, 'done']
    const first = await answer(await loadRepository(one), asked, undefined, packEnds)
    assert.equal(packEnds.size, 1)
    assert.deepEqual(await answer(await loadRepository(one), asked, undefined, packEnds), first)
    for (const back of [1, 20, 21, 5000]) {
      const { error } = await answer(await damaged(one, 0, (pack) => pack.index.packBytes - back), asked, undefined, packEnds)
      assert.ok(error instanceof CorruptError, String(error))
    }
  })

  test('is told to the log, though the client that found it has left before', async () => {
    for (const asked of [['ofs-delta'], []]) {
      const served = await damaged(bare, 1, () => 300 << 10)
      const { error } = await answer(served, [...asked, `want ${tip}`, 'done'], new AbortController())
      assert.ok(error instanceof CorruptError, String(error))
    }
    const { error } = await answer(await loadRepository(bare), [`want ${tip}`, 'done'], new AbortController())
    assert.ok(!(error instanceof CorruptError), String(error))
  })

  test('in a region of a pack that is put together', async () => {
    const whole = await answer(await loadRepository(bare), [`want ${tip}`, 'done'])
    assert.equal(whole.error, undefined)
    await assertTold(await damaged(bare, 1, () => 300 << 10), `want ${tip}`, 'done')
  })

  test('in entries that are copied in small pieces', async () => {
    await assertTold(await damaged(bare, 2, ({ index }) => index.end(index.find(fromHex(tip), 0)) - 1), `want ${tip}`, 'done')
  })
})

test('the CRC of a region follows from those of its entries', () => {
  const chain = new CrcChain()
  const bytes = fc.uint8Array({ maxLength: 5000 })
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      const whole = crc32(Buffer.concat([a, b]))
      assert.equal(chain.join(crc32(a), crc32(b), b.length), whole)
      assert.equal(chain.rest(crc32(a), whole, b.length), crc32(b))
    }),
  )
  const long = Buffer.alloc(3_000_001, 5)
  assert.equal(chain.join(crc32(long), crc32(long), long.length), crc32(Buffer.concat([long, long])))
})

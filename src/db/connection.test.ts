// The pool when PostgreSQL dies or falls silent: every query ends in a bounded time, every connection comes back, closing ends, and
// nothing of it reaches the process as an uncaught error. A server of our own plays the moments that a real one shows once in a thousand.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Log, makeLog, UnavailableError } from '../base/index.ts'
import { type TestDatabase, testDatabase } from '../../tests/support/test-database.ts'
import { Database, sql } from './index.ts'

const silent = makeLog('silent')

/** One message of the protocol (PostgreSQL documentation, "Message Formats"): a letter, the length, the rest. */
function message(letter: string, ...parts: (string | number)[]): Buffer {
  const rest = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : int32(part))))
  return Buffer.concat([Buffer.from(letter), int32(rest.length + 4), rest])
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

const welcome = Buffer.concat([message('R', 0), message('Z', 'I')])
const adminShutdown = message('E', 'SFATAL\0', 'VFATAL\0', 'C57P01\0', 'Mterminating connection due to unexpected postmaster exit\0', '\0')

/** A PostgreSQL that answers a client's first message with `first` and then does what `onMore` says; its URL. */
async function play(first: Buffer, onMore: (socket: Socket) => void): Promise<{ url: string; close: () => void }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write(first)
      socket.on('data', () => onMore(socket))
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = (): void => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  return { url: `postgresql://a:b@127.0.0.1:${(server.address() as AddressInfo).port}/c`, close }
}

async function within(ms: number, what: string, work: Promise<unknown>): Promise<void> {
  const end = new AbortController()
  const late = sleep(ms, 'late', { signal: end.signal }).catch(() => '')
  const first = await Promise.race([work.then(() => 'done'), late])
  end.abort()
  assert.equal(first, 'done', `not in ${ms} ms: ${what}`)
}

describe('connections that break', () => {
  test('ended in the moment in which it is made: the query is told, the process lives', async () => {
    const server = await play(Buffer.concat([welcome, adminShutdown]), (socket) => socket.destroy())
    const database = new Database({ url: server.url, poolSize: 2, log: silent })
    try {
      for (let i = 0; i < 3; i++) await assert.rejects(sql`select 1`.execute(database.queries), { code: 'database-unavailable' })
      await within(2000, 'close', database.close())
    } finally {
      server.close()
    }
  })

  test('a statement that is never answered ends with statement-timeout and a moment more, and its connection is not used again', async () => {
    let asked = 0
    const server = await play(welcome, () => void asked++)
    const database = new Database({ url: server.url, poolSize: 2, log: silent, statementTimeoutMs: 100 })
    try {
      const both = Promise.allSettled([
        sql`select 1`.execute(database.queries),
        database.transaction((tx) => sql`select 1`.execute(tx), { mayRetry: true }),
      ])
      await within(3000, 'two queries', both)
      for (const result of await both) {
        assert.ok(result.status === 'rejected' && result.reason instanceof UnavailableError, String(result.status))
        assert.equal(result.reason.code, 'database-unavailable')
      }
      assert.equal(asked, 2, 'no ROLLBACK was sent where nobody answers')
      await within(2000, 'close', database.close())
    } finally {
      server.close()
    }
  })

  test('close ends while a query is still waiting for an answer', async () => {
    const server = await play(welcome, () => {})
    const database = new Database({ url: server.url, poolSize: 2, log: silent })
    try {
      const waiting = assert.rejects(sql`select 1`.execute(database.queries), { code: 'database-unavailable' })
      await sleep(100)
      await within(2000, 'close', database.close(500))
      await within(500, 'the query', waiting)
    } finally {
      server.close()
    }
  })

  test('the log has the code and the message of an idle connection that broke, and nothing else of it', async () => {
    const sockets: Socket[] = []
    const answer = Buffer.concat([message('C', 'SELECT 0\0'), message('Z', 'I')])
    const server = await play(welcome, (socket) => {
      sockets.push(socket)
      socket.write(answer)
    })
    const lines: unknown[][] = []
    const log = { ...silent, warn: (...words: unknown[]) => void lines.push(words) } as unknown as Log
    const database = new Database({ url: server.url, poolSize: 2, log })
    try {
      await sql`select 1`.execute(database.queries)
      for (const socket of sockets) socket.write(adminShutdown)
      for (let i = 0; i < 100 && lines.length === 0; i++) await sleep(10)
      assert.deepEqual(lines, [
        [{ code: '57P01', reason: 'terminating connection due to unexpected postmaster exit' }, 'an idle database connection broke'],
      ])
      await database.close()
    } finally {
      server.close()
    }
  })
})

describe('every connection comes back', () => {
  let db: TestDatabase
  before(async () => {
    db = await testDatabase()
    await sql`create table parent (id int primary key)`.execute(db.database.queries)
    await sql`create table child (id int references parent deferrable initially deferred)`.execute(db.database.queries)
  })
  after(() => db.close())

  test('after a COMMIT that was refused', async () => {
    const narrow = new Database({ url: db.url, poolSize: 1, log: silent, acquireTimeoutMs: 500 })
    for (let i = 0; i < 3; i++) {
      const refused = narrow.transaction((tx) => sql`insert into child values (1)`.execute(tx))
      await assert.rejects(refused, { code: '23503' })
    }
    await narrow.probe()
    await within(1000, 'close', narrow.close())
  })

  test('after a COMMIT in which the connection broke', async () => {
    const narrow = new Database({ url: db.url, poolSize: 1, log: silent, acquireTimeoutMs: 500 })
    for (let i = 0; i < 3; i++) {
      const broken = narrow.transaction(async (tx) => {
        const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx)
        await sql`select pg_terminate_backend(${rows[0]?.pid}, 5000)`.execute(db.database.queries)
      })
      await assert.rejects(broken, { code: 'commit-unknown' })
    }
    await narrow.probe()
    await within(1000, 'close', narrow.close())
  })

  test('who waits for one is told after a bounded time', async () => {
    const narrow = new Database({ url: db.url, poolSize: 1, log: silent, acquireTimeoutMs: 1500 })
    await narrow.transaction(async () => {
      await assert.rejects(narrow.probe(), { code: 'database-unavailable' })
    })
    await narrow.probe()
    await narrow.close()
  })
})

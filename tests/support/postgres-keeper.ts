// Runs one embedded PostgreSQL for all test files that want one at the same time: a process of its own, begun by the first of them, that
// ends some seconds after the last. It answers on a socket in Linux's abstract namespace (its path is the only argument), which also
// keeps a second keeper away. Nothing in it survives, so nothing is flushed to the disk.
import { mkdtempSync, rmSync } from 'node:fs'
import { type Socket, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeLog } from '../../src/base/index.ts'
import { EmbeddedPostgres } from '../../src/db/index.ts'

const idleMs = 5000
const clients = new Set<Socket>()
let idle: NodeJS.Timeout | undefined

const server = createServer((socket) => {
  clients.add(socket)
  clearTimeout(idle)
  socket.on('error', () => {})
  socket.on('close', () => {
    clients.delete(socket)
    if (clients.size === 0) idle = setTimeout(() => void end(), idleMs)
  })
  void started.then(
    (postgres) => socket.write(`${postgres.superuserUrl}\n`),
    (error: unknown) => socket.end(`error ${String(error)}\n`),
  )
})

const folder = mkdtempSync(join(tmpdir(), 'stemma-tests-'))
const { promise: started, resolve, reject } = Promise.withResolvers<EmbeddedPostgres>()
started.catch(() => {})
server.once('error', () => {
  rmSync(folder, { recursive: true, force: true })
  process.exit(0)
})
server.listen({ path: `\0${process.argv[2] ?? ''}` }, () => {
  idle = setTimeout(() => void end(), idleMs)
  const settings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', autovacuum: 'off', max_connections: '300' }
  EmbeddedPostgres.start({ folder: join(folder, 'postgres'), log: makeLog('silent'), settings }).then(resolve, reject)
})

async function end(): Promise<void> {
  server.close()
  await started.then((postgres) => postgres.stop()).catch(() => {})
  rmSync(folder, { recursive: true, force: true })
  process.exit(0)
}

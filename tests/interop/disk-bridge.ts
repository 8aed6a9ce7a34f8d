// The disk bridge: repositories on disk, served by the ordinary server, in the place of `git http-backend` behind a CGI shim. It is how git's
// own test scripts, which build and inspect bare repositories, are run against this server; docs/git-suite.md.
//   node tests/interop/disk-bridge.ts --root ROOT --listen HOST:PORT [--data DIR] [--log LEVEL]
// Prints one line, its URL, when it takes requests; SIGTERM ends it.
import { once } from 'node:events'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { makeLog } from '../../src/base/index.ts'
import { makeFront } from './bridge/front.ts'
import { startBridgedServer } from './bridge/server.ts'

const usage = 'usage: node tests/interop/disk-bridge.ts --root ROOT --listen HOST:PORT [--data DIR] [--log LEVEL]'

function readArguments() {
  const { values } = parseArgs({
    options: { root: { type: 'string' }, listen: { type: 'string' }, data: { type: 'string' }, log: { type: 'string', default: 'warn' } },
  })
  const { root, listen, data, log } = values
  const [, host, port] = /^(.+):(\d+)$/.exec(listen ?? '') ?? []
  if (root === undefined || host === undefined || port === undefined) throw new Error(usage)
  // What the bridge is told, it does: it runs hooks and writes to disks. Nobody but this machine may speak to it.
  if (!/^(?:127\.\d+\.\d+\.\d+|localhost|\[?::1\]?)$/.test(host)) throw new Error(`--listen: '${host}' is not a loopback address`)
  return { root: realpathSync(resolve(root)), host: host.replace(/^\[|\]$/g, ''), port: Number(port), data, log }
}

const options = readArguments()
const log = makeLog(options.log)
const data = options.data ?? mkdtempSync(join(tmpdir(), 'stemma-bridge-'))
const stopping = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
const server = await startBridgedServer(data, log)
const front = makeFront(options.root, server, (message, error) => log.error({ err: error }, message))
try {
  front.listen(options.port, options.host)
  await once(front, 'listening')
  const { address, port, family } = front.address() as AddressInfo
  console.log(`http://${family === 'IPv6' ? `[${address}]` : address}:${port}`)
  await stopping
} finally {
  front.close()
  front.closeAllConnections()
  await server.close()
  if (options.data === undefined) rmSync(data, { recursive: true, force: true })
}
process.exit(0)

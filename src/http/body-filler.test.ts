// Bodies read into memory: every byte in its place, and clients that send too much, too slowly or break off.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { InputError } from '../base/index.ts'
import { noise } from '../../tests/support/seeded.ts'
import { BodyFiller } from './body-filler.ts'

let server: Server
let arrived: (request: IncomingMessage) => void

before(async () => {
  server = createServer((request) => arrived(request))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
after(() => void server.close())

/** A request whose headers have come, and the socket that it comes by. */
async function begin(t: { after(end: () => void): void }, header: string): Promise<{ socket: Socket; request: IncomingMessage }> {
  const { promise, resolve } = Promise.withResolvers<IncomingMessage>()
  arrived = resolve
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  t.after(() => socket.destroy())
  socket.write(`PUT / HTTP/1.1\r\nHost: x\r\n${header}\r\n\r\n`)
  return { socket, request: await promise }
}

const pace = { slowestBytesPerSecond: 100, slowGraceMs: 300 }

async function read(filler: BodyFiller, sizes: readonly number[]): Promise<Buffer> {
  const all: Uint8Array[] = []
  for (let n = 0; ; n++) {
    const memory = new Uint8Array(sizes[n % sizes.length] ?? 1)
    const sizeBytes = await filler.fill(memory)
    if (sizeBytes === 0) return Buffer.concat(all)
    all.push(memory.subarray(0, sizeBytes))
  }
}

for (const sizes of [[1 << 20], [64, 100_000], [7, 65_536, 1]]) {
  test(`memory of ${sizes.join(', ')} bytes`, async (t) => {
    const bytes = noise(1, 700_001)
    const { socket, request } = await begin(t, `Content-Length: ${bytes.length}`)
    const filler = new BodyFiller(request, bytes.length, pace)
    socket.write(bytes)
    assert.equal(Buffer.compare(await read(filler, sizes), bytes), 0)
    assert.equal(await filler.fill(new Uint8Array(1)), 0)
  })
}

test('more than the limit: announced, and come', async (t) => {
  const announced = await begin(t, 'Content-Length: 11')
  await assert.rejects(new BodyFiller(announced.request, 10, pace).fill(new Uint8Array(5)), isError('too-large'))
  const { socket, request } = await begin(t, 'Transfer-Encoding: chunked')
  const filler = new BodyFiller(request, 10, pace)
  socket.write('6\r\n123456\r\n')
  assert.equal(await filler.fill(new Uint8Array(6)), 6)
  socket.write('6\r\n123456\r\n')
  await assert.rejects(filler.fill(new Uint8Array(6)), isError('too-large'))
})

test('a client that goes: first what came, then that it went', async (t) => {
  const { socket, request } = await begin(t, 'Content-Length: 100')
  const filler = new BodyFiller(request, 100, pace)
  const filling = filler.fill(new Uint8Array(100))
  socket.write('12345', () => socket.destroy())
  assert.equal(await filling, 5)
  await assert.rejects(filler.fill(new Uint8Array(100)), isError('client-gone'))
})

test('a client that sends a byte now and then is not waited for any longer', async (t) => {
  const { socket, request } = await begin(t, 'Content-Length: 100000')
  const filler = new BodyFiller(request, 100_000, pace)
  const dripping = setInterval(() => socket.write('x'), 20)
  t.after(() => clearInterval(dripping))
  await assert.rejects(read(filler, [100_000]), isError('slow-body'))
})

function isError(code: string) {
  return (error: unknown) => error instanceof InputError && error.code === code
}

// What arrives is hashed and written in threads: one that dies under an upload, and a client that leaves in the middle of a body, as the protocol shows it.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import type { Worker } from 'node:worker_threads'
import { sql } from '../../src/db/index.ts'
import { seededBytes } from '../support/random.ts'
import { digestText, TestRegistry } from '../support/registry.ts'
import { until } from '../support/until.ts'

const threads = new Set<Worker>()
process.on('worker', (worker) => {
  threads.add(worker)
  worker.once('exit', () => threads.delete(worker))
})

let registry: TestRegistry
before(async () => {
  registry = await TestRegistry.open()
})
after(async () => await registry?.close())

const name = 'olive/threads'
const type = { 'content-type': 'application/octet-stream' }
const bytes = seededBytes('threads', 3 << 20)
const digest = digestText(bytes)
const cut = 5 << 19

/** Keys that a row names, and such as may be there. */
async function keys(): Promise<{ readonly named: number; readonly doubtful: number }> {
  const { rows } = await sql<{ named: number; doubtful: number }>`
    select (select count(*)::int from whole_part) as named,
      (select count(*)::int from upload_intent) + (select count(*)::int from key_deletion) as doubtful`.execute(registry.faces.db.queries)
  return rows[0] as { named: number; doubtful: number }
}

/** Sends a part, ends all threads when it has arrived, and sends the rest. */
async function sendThroughDeath(method: 'POST' | 'PATCH', path: string, body: Uint8Array) {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const writer = writable.getWriter()
  const answer = registry.ask(method, path, { headers: type, body: readable })
  await writer.write(body.subarray(0, cut))
  await until('the bytes go to a thread', async () => threads.size > 0 && (await keys()).doubtful > 0)
  await Promise.all([...threads].map((thread) => thread.terminate()))
  await writer.write(body.subarray(cut)).catch(() => {})
  await writer.close().catch(() => {})
  return answer
}

test('a thread that dies under a push in one request: 503, nothing of it stays, and the next push works', async () => {
  const path = `${name}/blobs/uploads/?digest=${digest}`
  const answer = await sendThroughDeath('POST', path, bytes)
  assert.equal(answer.status, 503)
  await until('nothing is left', async () => (await keys()).doubtful === 0)
  assert.deepEqual(await keys(), { named: 0, doubtful: 0 })
  assert.equal((await registry.ask('HEAD', `${name}/blobs/${digest}`)).status, 404)
  assert.equal((await registry.ask('POST', path, { headers: type, body: bytes })).status, 201)
  assert.ok((await registry.ask('GET', `${name}/blobs/${digest}`)).bytes.equals(bytes))
})

test('a thread that dies under one of several requests: 503, the upload is as it was, and goes on', async () => {
  const location = await registry.begin(name)
  const head = seededBytes('before the death', 1_500_000)
  const all = Buffer.concat([head, bytes])
  assert.equal((await registry.ask('PATCH', location, { headers: type, body: head })).status, 202)
  assert.equal((await sendThroughDeath('PATCH', location, bytes)).status, 503)
  await until('nothing is left', async () => (await keys()).doubtful === 0)
  assert.equal((await registry.ask('GET', location)).headers.get('range'), `0-${head.length - 1}`)
  assert.equal((await registry.ask('PATCH', location, { headers: type, body: bytes })).status, 202)
  assert.equal((await registry.ask('PUT', `${location}?digest=${digestText(all)}`)).status, 201)
  assert.ok((await registry.ask('GET', `${name}/blobs/${digestText(all)}`)).bytes.equals(all))
})

test('a client that leaves in the middle of a body: nothing of it stays, and the next push works', async () => {
  const left = seededBytes('left', 3 << 20)
  const { named } = await keys()
  const { hostname, port } = new URL(registry.url)
  const socket = connect(Number(port), hostname)
  const login = Buffer.from(`${registry.olive.login}:${registry.olive.token}`).toString('base64')
  const path = `/v2/${name}/blobs/uploads/?digest=${digestText(left)}`
  const lines = ['Host: x', `Authorization: Basic ${login}`, 'Content-Type: application/octet-stream', `Content-Length: ${left.length}`]
  socket.write(`POST ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
  socket.write(left.subarray(0, cut))
  await until('it is arriving', async () => (await keys()).doubtful > 0)
  socket.destroy()
  await until('nothing is left', async () => (await keys()).doubtful === 0)
  assert.deepEqual(await keys(), { named, doubtful: 0 })
  assert.equal(await registry.pushBlob(name, left), digestText(left))
  assert.equal((await keys()).named, named + 1)
})

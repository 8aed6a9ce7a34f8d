// Jobs in worker threads: bytes with back-pressure both ways, errors in their family, a worker that dies, more jobs than threads.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, test } from 'node:test'
import type { MessagePort } from 'node:worker_threads'
import { InputError, UnavailableError } from './errors.ts'
import { MessageStream } from './message-stream.ts'
import { WorkerPool } from './worker-pool.ts'

const crashes: unknown[] = []
const pool = new WorkerPool({
  entry: new URL('./worker-pool.test-worker.ts', import.meta.url),
  data: { greeting: 'hello' },
  threads: 2,
  onCrash: (error) => crashes.push(error),
})
after(() => pool.close())

test('a job gets its payload and the worker data, and answers', async () => {
  const answer = await pool.run('greet', { name: 'world' }, [], (port) => new MessageStream<string>(port).message())
  assert.equal(answer, 'hello world')
})

test('bytes go both ways in order, whatever their size', async () => {
  const sent = Array.from({ length: 200 }, (_, i) => new Uint8Array(1 + ((i * 7919) % 100_000)).fill(i))
  const total = sent.reduce((sum, bytes) => sum + bytes.length, 0)
  await pool.run('echo', null, [], async (port) => {
    const worker = new MessageStream<never>(port)
    const sending = (async () => {
      for (const bytes of sent) await worker.sendBytes(bytes)
      worker.endBytes()
    })()
    let got = 0
    let sum = 0
    for await (const bytes of worker.bytes()) {
      got += bytes.length
      sum += bytes[0] as number
    }
    await sending
    assert.equal(got, total)
    assert.equal(
      sum,
      sent.reduce((s, bytes) => s + (bytes[0] as number), 0),
    )
  })
})

test('a sender waits until what it sent is taken', async () => {
  await pool.run('hold', null, [], async (port) => {
    const worker = new MessageStream<never>(port)
    let sent = 0
    const sending = (async () => {
      for (let i = 0; i < 64; i++) {
        await worker.sendBytes(new Uint8Array(1 << 20))
        sent++
      }
    })()
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.ok(sent < 4, `${sent} MiB were sent to somebody who takes nothing`)
    worker.send('stop')
    port.close()
    await sending
  })
})

test('an error keeps its family, code and message', async () => {
  const failing = pool.run('fail', null, [], (port) => new MessageStream<never>(port).message())
  await assert.rejects(failing, (error) => error instanceof InputError && error.code === 'bad-pack' && error.message === 'the pack is bad')
})

test('a worker that dies fails its jobs, and the next job gets a new one', async () => {
  const dying = pool.run('die', null, [], (port) => new MessageStream<never>(port).message())
  await assert.rejects(dying, UnavailableError)
  assert.equal(crashes.length, 1)
  const answer = await pool.run('greet', { name: 'again' }, [], (port) => new MessageStream<string>(port).message())
  assert.equal(answer, 'hello again')
})

test('more jobs than threads share them', async () => {
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) => pool.run('greet', { name: String(i) }, [], (port) => new MessageStream<string>(port).message())),
  )
  assert.deepEqual(
    answers,
    Array.from({ length: 20 }, (_, i) => `hello ${i}`),
  )
})

test('a job whose signal is aborted ends with the reason, and the worker is rid of it', async () => {
  const gone = new AbortController()
  const reason = new Error('nobody wants it')
  const listening = Promise.withResolvers<MessagePort>()
  const run = pool.run(
    'hold',
    null,
    [],
    (port) => {
      listening.resolve(port)
      return new MessageStream<never>(port).message()
    },
    gone.signal,
  )
  const closed = once(await listening.promise, 'close')
  gone.abort(reason)
  await assert.rejects(run, reason)
  await closed
  await assert.rejects(
    pool.run('hold', null, [], () => assert.fail('it is not begun'), gone.signal),
    reason,
  )
})

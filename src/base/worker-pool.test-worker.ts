// The worker of worker-pool.test.ts.
import { workerData } from 'node:worker_threads'
import { InputError } from './errors.ts'
import { MessageStream } from './message-stream.ts'
import { serveJobs } from './worker-pool.ts'

serveJobs({
  greet: async ({ name }: { name: string }, port) => {
    new MessageStream<never>(port).send(`${workerData.greeting} ${name}`)
  },
  echo: async (_payload: never, port) => {
    const main = new MessageStream<never>(port)
    for await (const bytes of main.bytes()) await main.sendBytes(bytes, true)
    main.endBytes()
  },
  hold: async (_payload: never, port) => {
    const main = new MessageStream<never>(port)
    while (!main.closed) await new Promise((resolve) => setTimeout(resolve, 10))
  },
  fail: async (_payload: never, port) => {
    new MessageStream<never>(port).fail(new InputError('bad-pack', 'the pack is bad'))
  },
  die: async () => {
    setTimeout(() => {
      throw new Error('out of luck')
    })
    await new Promise(() => {})
  },
})

// Free ports of the loopback address for servers under test.
import { createServer } from 'node:net'

let next = 0

/** A port that nobody listens on now. `STEMMA_TEST_PORTS=9200-9249` names the range; without it 20000–29999, begun at a place of this process's own. */
export async function freePort(): Promise<number> {
  const [first = 20000, last = 29999] = (process.env.STEMMA_TEST_PORTS ?? '20000-29999').split('-').map(Number)
  const count = last - first + 1
  for (let tries = 0; tries < count; tries++) {
    const port = first + ((process.pid * 37 + next++) % count)
    if (await canListen(port)) return port
  }
  throw new Error(`no free port between ${first} and ${last}`)
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}

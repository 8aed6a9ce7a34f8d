// How long a small ls-refs takes while three full clones of a large repository run: its 99th percentile against that of the idle server.
//   bin/node bench/fairness.ts --repo L=/path/to/L.git [--clients curl|git] [--runs 300] [--out FILE]
// The clients of the clones are curl by default (they throw the pack away); `git` also shows what clients on the same processors take away.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Git, TempFolder } from '../tests/support/git.ts'
import { delimiter, flush, pkt } from '../tests/support/wire.ts'
import { benchArguments } from './arguments.ts'
import { type Contender, startPeer, startStemma } from './contenders.ts'
import { post, writeFetch } from './raw-client.ts'
import { conditions, markdownTable, median, short } from './table.ts'

const args = benchArguments([], ['clients'])
const [repository] = args.repositories
if (!repository) throw new Error('name a repository: --repo L=/path/to/bare.git')
const samples = Math.max(args.runs, 300)
const mostTimes = 5
const folder = new TempFolder('bench-fairness')
const git = new Git(folder)

/** One ls-refs, in milliseconds. */
async function lsRefs(contender: Contender, url: string): Promise<number> {
  const headers: Record<string, string> = { 'content-type': 'application/x-git-upload-pack-request', 'git-protocol': 'version=2' }
  for (const header of contender.headers) {
    const [name = '', ...value] = header.split(': ')
    headers[name] = value.join(': ')
  }
  const body = Buffer.concat([pkt('command=ls-refs'), pkt('object-format=sha1'), delimiter, pkt('ref-prefix HEAD\n'), flush])
  const startedAt = performance.now()
  const answer = await fetch(`${url}/git-upload-pack`, { method: 'POST', headers, body })
  await answer.arrayBuffer()
  return performance.now() - startedAt
}

async function sample(contender: Contender, url: string): Promise<number[]> {
  const times: number[] = []
  for (let n = 0; n < samples; n++) {
    times.push(await lsRefs(contender, url))
    await sleep(5)
  }
  return times
}

function percentile(times: readonly number[], part: number): number {
  return times.toSorted((a, b) => a - b)[Math.min(times.length - 1, Math.floor(times.length * part))] ?? Number.NaN
}

/** Three clones at a time, each begun again when it has ended, until `done`. */
async function keepCloning(contender: Contender, url: string, file: string, done: AbortSignal): Promise<number> {
  let clones = 0
  const client = async (n: number): Promise<void> => {
    for (; !done.aborted; clones++) {
      if (args.values('clients')[0] !== 'git') await post(contender, url, file)
      else {
        const copy = folder.join(`copy-${contender.name}-${n}`)
        await git.run([...contender.config, 'clone', '-q', '--mirror', url, copy], { timeoutMs: 600_000, mayFail: true })
        rmSync(copy, { recursive: true, force: true })
      }
    }
  }
  await Promise.all([0, 1, 2].map(client))
  return clones
}

const rows: string[][] = []
const stemma = await startStemma(folder, git)
const peer = await startPeer(folder)
try {
  const small = await git.makeRepository(folder.join('small'), 5)
  const ids = new Set((await git.read(['for-each-ref', '--format=%(objectname)'], { cwd: repository.path })).split('\n'))
  const file = writeFetch(
    folder,
    'all',
    [...ids].map((id) => `want ${id}`),
  )
  for (const contender of [stemma, peer]) {
    const large = await contender.fill('large', repository.path)
    const url = await contender.fill('small', join(small, '.git'))
    await sample(contender, url) // the first are for the caches
    const idle = await sample(contender, url)
    const done = new AbortController()
    const cloning = keepCloning(contender, large, file, done.signal)
    await sleep(500)
    const busy = await sample(contender, url)
    done.abort()
    const clones = await cloning
    const times = percentile(busy, 0.99) / percentile(idle, 0.99)
    const verdict = contender === stemma ? (times <= mostTimes ? 'yes' : '**no**') : ''
    rows.push([
      contender.name,
      `${short(median(idle))} / ${short(percentile(idle, 0.99))}`,
      `${short(median(busy))} / ${short(percentile(busy, 0.99))}`,
      times.toFixed(1),
      String(clones),
      contender === stemma ? `≤ ${mostTimes}` : '',
      verdict,
    ])
    console.log(rows.at(-1)?.join('  '))
  }
} finally {
  await stemma.stop().catch(() => {})
  await peer.stop()
  folder.remove()
}

const head = ['server', 'idle ms (p50 / p99)', 'three clones ms (p50 / p99)', 'p99 ratio', 'clones meanwhile', 'target', 'met']
const table = markdownTable(head, rows)
console.log(`\n${table}`)
const date = new Date().toISOString().slice(0, 10)
const out = args.out ?? join(import.meta.dirname, 'results', `${date}-fairness.md`)
const clients = args.values('clients')[0] === 'git' ? 'git clone --mirror' : 'curl'
mkdirSync(dirname(out), { recursive: true })
writeFileSync(
  out,
  `# A small ls-refs while three full clones run\n\n${date}, \`bench/fairness.ts\`; ${samples} requests one after the other, 5 ms apart; the clones' clients: ${clients}\n\n${conditions()}\n\n${table}\n`,
)

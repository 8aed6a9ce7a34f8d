// The server under load: 200 readers (ls-refs, shallow clones, API, LFS) and 20 pushers at once, each with one request always under way, for some minutes; then
// 500 slow clients beside 20 ordinary ones. No error may come, memory stays flat, and slow clients cost others little.
//   bin/node bench/load.ts [--seconds 300] [--slow-seconds 60] [--readers 200] [--pushers 20] [--out FILE]
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { Forks } from '../tests/support/forks.ts'
import { Git, TempFolder } from '../tests/support/git.ts'
import { seededBytes } from '../tests/support/random.ts'
import { Server } from '../tests/support/server.ts'
import { benchArguments } from './arguments.ts'
import { Branch, Client, downloadLfs, lsRefs, readApi, shallowClone, type Verdict } from './load/calls.ts'
import { MemorySamples, Times } from './load/samples.ts'
import { SlowClients, type SlowKind } from './load/slow.ts'
import { conditions, markdownTable, short } from './table.ts'

const args = benchArguments([], ['seconds', 'slow-seconds', 'slow', 'readers', 'pushers'])
const number = (name: string, fallback: number) => Number(args.values(name)[0] ?? fallback)
const [seconds, slowSeconds] = [number('seconds', 300), number('slow-seconds', 60)]
const [readers, pushers] = [number('readers', 200), number('pushers', 20)]
const accounts = 40
const slowCounts: readonly (readonly [SlowKind, number])[] = [
  ['headers', 170],
  ['body', 165],
  ['clone', 165],
]

const folder = new TempFolder('bench-load')
const git = new Git(folder)
const server = await Server.start({ data: folder.join('data'), env: { STEMMA_LOG_LEVEL: 'error' } })
const forks = Forks.open(server)

interface Stand {
  readonly path: string
  readonly tip: string
  readonly large: { readonly path: string; readonly tip: string }
  readonly lfs: readonly { readonly oid: string; readonly sizeBytes: number }[]
  readonly tokens: readonly string[]
  readonly slowToken: string
}

async function prepare(): Promise<Stand> {
  const url = await server.create('small')
  const work = await git.makeRepository(folder.join('small'), 60)
  await git.run(['push', '-q', url, 'main'], { cwd: work })
  const largeUrl = await server.create('large')
  const largeWork = await git.makeRepository(folder.join('large'), 3)
  await git.commit(largeWork, { 'noise.bin': seededBytes('large', 32 << 20) })
  await git.run(['push', '-q', largeUrl, 'main'], { cwd: largeWork })
  const client = new Client(server.url)
  const lfs = []
  for (let i = 0; i < 4; i++) {
    const body = seededBytes(`lfs ${i}`, 256 << 10)
    const oid = createHash('sha256').update(body).digest('hex')
    const answer = await client.send({ method: 'PUT', path: `/admin/small.git/info/lfs/objects/${oid}`, token: server.token, body })
    if (answer.status !== 200) throw new Error(`PUT: ${answer.status} ${answer.body.toString()}`)
    lfs.push({ oid, sizeBytes: body.length })
  }
  client.close()
  const tokens: string[] = []
  for (let i = 0; i < accounts; i++) tokens.push((await forks.account(`reader-${i}`)).token)
  for (let i = 0; i < pushers / 2; i++) await server.create(`push-${i}`)
  await server.create('shared')
  const tipOf = async (cwd: string) => git.read(['rev-parse', 'main'], { cwd })
  const slowToken = (await forks.account('slow')).token
  return {
    slowToken,
    path: '/admin/small',
    tip: await tipOf(work),
    large: { path: '/admin/large', tip: await tipOf(largeWork) },
    lfs,
    tokens,
  }
}

/** By turns, so that every run asks the same mixture. */
function readingsOf({ path, tip, lfs }: Stand): readonly (readonly [string, (client: Client, token: string) => Promise<Verdict>])[] {
  const api = (name: string, rest: string) =>
    [name, async (client: Client, token: string) => readApi(client, token, `/repos${path}${rest}`)] as const
  const refs = ['ls-refs', async (client: Client, token: string) => lsRefs(client, token, path)] as const
  const clone = ['shallow clone', async (client: Client, token: string) => shallowClone(client, token, path, tip)] as const
  const download = [
    'LFS download',
    async (client: Client, token: string) => downloadLfs(client, token, path, lfs[0] as (typeof lfs)[0]),
  ] as const
  return [
    refs,
    api('API repository', ''),
    clone,
    refs,
    api('API contents', '/contents/folder/deep'),
    refs,
    api('API commits', '/commits?per_page=20'),
    clone,
    download,
    refs,
  ]
}

/** Runs until the signal; every answer is timed, every wrong one kept. */
async function repeat(times: Times, done: AbortSignal, act: (turn: number) => readonly [string, () => Promise<Verdict>]): Promise<void> {
  for (let turn = 0; !done.aborted; turn++) {
    const [kind, call] = act(turn)
    const startedAt = performance.now()
    const fault = await call().catch((error: unknown) => String(error))
    if (fault === null) times.add(kind, performance.now() - startedAt)
    else {
      times.fail(kind, fault)
      await sleep(100)
    }
  }
}

function startReaders(stand: Stand, times: Times, done: AbortSignal, count: number): Promise<void>[] {
  const readings = readingsOf(stand)
  return Array.from({ length: count }, async (_, n) => {
    const client = new Client(server.url)
    const token = stand.tokens[n % stand.tokens.length] as string
    await repeat(times, done, (turn) => {
      const [kind, call] = readings[(turn + n) % readings.length] as (typeof readings)[0]
      return [kind, async () => call(client, token)]
    })
    client.close()
  })
}

function startPushers(times: Times, done: AbortSignal): Promise<void>[] {
  return Array.from({ length: pushers }, async (_, n) => {
    const client = new Client(server.url)
    const branch = n % 2 === 0 ? new Branch(`/admin/push-${n / 2}`, 'main') : new Branch('/admin/shared', `pusher-${n}`)
    await repeat(times, done, () => ['push', async () => branch.push(client, server.token)])
    client.close()
  })
}

const mib = (value: number) => `${value.toFixed(0)} MiB`

async function underLoad(stand: Stand): Promise<string> {
  const times = new Times()
  const done = AbortSignal.timeout(seconds * 1000)
  const delay = monitorEventLoopDelay()
  delay.enable()
  const cpu = server.cpu()
  server.resetPeak()
  const memory = new MemorySamples(server)
  const startedAt = performance.now()
  await Promise.all([...startReaders(stand, times, done, readers), ...startPushers(times, done)])
  const elapsedS = (performance.now() - startedAt) / 1000
  memory.stop()
  delay.disable()
  const spent = server.cpu()
  const rows = times.kinds.map((kind) => [
    kind,
    String(times.count(kind)),
    (times.count(kind) / elapsedS).toFixed(1),
    short(times.percentile(kind, 0.5)),
    short(times.percentile(kind, 0.99)),
    short(times.percentile(kind, 1)),
  ])
  const total = times.kinds.reduce((sum, kind) => sum + times.count(kind), 0)
  return [
    `## ${readers} readers and ${pushers} pushers, ${elapsedS.toFixed(0)} s, each with one request always under way`,
    '',
    markdownTable(['request', 'answers', 'a second', 'p50 ms', 'p99 ms', 'longest ms'], rows),
    '',
    `${total} answers, ${(total / elapsedS).toFixed(0)} a second; **${times.errorCount} errors**.`,
    ...times.errors.map((error) => `- ${error}`),
    '',
    `Memory of the server's process: ${mib(memory.of(0, 0.05))} at the start, ${mib(memory.of(0.2, 0.4))} in the second fifth, ${mib(memory.of(0.8, 1))} in the last, ` +
      `${mib(memory.peak)} at most (${mib(server.memory().peakBytes / 2 ** 20)} between two looks).`,
    `CPU: ${((spent.serverMs - cpu.serverMs) / 1000 / elapsedS).toFixed(2)} processors by the server, ${((spent.databaseMs - cpu.databaseMs) / 1000 / elapsedS).toFixed(2)} by PostgreSQL. ` +
      `The clients are one process on the same machine; its event loop was late by ${short(delay.percentile(99) / 1e6)} ms (p99), which the times include.`,
    '',
  ].join('\n')
}

async function besideSlow(stand: Stand): Promise<string> {
  const ordinary = 20
  const rows: string[][] = []
  const measure = async (name: string, slow: readonly SlowClients[]) => {
    const times = new Times()
    const done = AbortSignal.timeout(slowSeconds * 1000)
    const memory = new MemorySamples(server)
    await Promise.all(startReaders(stand, times, done, ordinary))
    memory.stop()
    const of = (kind: string) => `${short(times.percentile(kind, 0.5))} / ${short(times.percentile(kind, 0.99))}`
    const open = slow.map((clients) => `${clients.open}`).join(' + ')
    rows.push([name, open, ...times.kinds.map(of), String(times.errorCount), mib(memory.of(0.5, 1)), mib(memory.peak)])
    for (const error of times.errors) console.log(error)
    return times.kinds
  }
  await sleep(5000)
  const kinds = await measure('none', [])
  for (const [kind] of slowCounts.filter(([name]) => args.values('slow').length === 0 || args.values('slow').includes(name))) {
    const clients = new SlowClients(server.url, kind, { token: stand.slowToken, ...stand.large })
    clients.begin(500)
    await sleep(2000)
    await measure(`500 × ${kind}`, [clients])
    console.log(`${kind}: ${clients.cut} cut off`)
    clients.end()
    await sleep(2000)
  }
  const mixed = slowCounts.map(([kind, count]) => {
    const clients = new SlowClients(server.url, kind, { token: stand.slowToken, ...stand.large })
    clients.begin(count)
    return clients
  })
  await sleep(2000)
  await measure('500 of all kinds', mixed)
  for (const clients of mixed) clients.end()
  await sleep(5000)
  await measure('none again', [])
  return [
    `## 500 slow clients beside ${ordinary} readers, ${slowSeconds} s each`,
    '',
    markdownTable(
      ['slow clients', 'connected at the end', ...kinds.map((kind) => `${kind} (p50 / p99 ms)`), 'errors', 'memory', 'at most'],
      rows,
    ),
    '',
  ].join('\n')
}

try {
  const stand = await prepare()
  const date = new Date().toISOString().slice(0, 10)
  const parts = [`# Load\n\n${date}, \`bench/load.ts\`\n\n${conditions()}\n`]
  if (seconds > 0) parts.push(await underLoad(stand))
  console.log(parts.at(-1))
  if (slowSeconds > 0) parts.push(await besideSlow(stand))
  console.log(parts.at(-1))
  const out = args.out ?? join(import.meta.dirname, 'results', `${date}-load.md`)
  mkdirSync(dirname(out), { recursive: true })
  writeFileSync(out, parts.join('\n'))
} finally {
  await forks.close()
  await server.stop()
  folder.remove()
}

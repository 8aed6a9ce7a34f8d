// Stemma's npm registry beside Verdaccio on the same machine in the same run: documents, tarballs and publishes, by clients on kept connections. The registries take
// turns line by line, in another order each round; a line's figure is the median of its rounds.
//   bin/node bench/npm.ts --peer verdaccio-6.8=PROGRAM [--runs 3] [--seconds 4] [--line 'packument' …] [--alone] [--profile] [--out FILE]
import { mkdirSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { TempFolder } from '../tests/support/git.ts'
import { benchArguments } from './arguments.ts'
import { type NpmContender, startPeer, startStemma } from './npm/contenders.ts'
import { bodiesFor, type Line, lines, NpmClient, prepare } from './npm/lines.ts'
import type { PublishBody } from './npm/material.ts'
import { profileEnvironment, profileHints } from './profile.ts'
import { type Round, Rounds } from './rounds.ts'
import { conditions, markdownTable, short } from './table.ts'

const args = benchArguments(['alone', 'profile'], ['peer', 'line', 'seconds'])
const wanted = lines.filter(({ name }) => args.values('line').length === 0 || args.values('line').some((word) => name.includes(word)))
const roundMs = Number(args.values('seconds')[0] ?? 4) * 1000
const mib = 1 << 20

/** Every client has one request under way until the time is over, or what there is to publish is published. */
async function run(contender: NpmContender, line: Line, lengthMs: number, bodies: readonly PublishBody[]): Promise<Round> {
  const timesMs: number[] = []
  const cpuBefore = contender.cpuMs()
  const startedAt = performance.now()
  let next = 0
  await Promise.all(
    Array.from({ length: line.clients }, async () => {
      const client = new NpmClient(contender)
      for (let from = performance.now(); from - startedAt < lengthMs; ) {
        const turn = next++
        if (bodies.length > 0 && turn >= bodies.length) break
        await line.act(client, turn, bodies[turn] as PublishBody)
        const now = performance.now()
        timesMs.push(now - from)
        from = now
      }
      client.close()
    }),
  )
  const elapsedMs = performance.now() - startedAt
  await sleep(200) // what it does for a request after its answer counts too
  return { perSecond: (timesMs.length / elapsedMs) * 1000, cpuMs: (contender.cpuMs() - cpuBefore) / timesMs.length, timesMs }
}

interface MemoryPoint {
  readonly when: string
  readonly of: readonly { readonly ownBytes: number; readonly databaseBytes: number | null }[]
}

function memoryTable(contenders: readonly NpmContender[], points: readonly MemoryPoint[]): string {
  const cell = ({ ownBytes, databaseBytes }: MemoryPoint['of'][number]) =>
    databaseBytes === null ? short(ownBytes / mib) : `${short(ownBytes / mib)} and its PostgreSQL ${short(databaseBytes / mib)}`
  return markdownTable(
    ['resident MiB', ...contenders.map(({ name }) => name)],
    points.map(({ when, of }) => [when, ...of.map(cell)]),
  )
}

/** After each round, so that a run that is ended leaves what it had. */
function write(contenders: readonly NpmContender[], measured: Rounds, points: readonly MemoryPoint[], rounds: number): void {
  const date = new Date().toISOString().slice(0, 10)
  const text = [
    `# The npm registry beside Verdaccio\n\n${date}, \`bench/npm.ts\`, ${rounds} rounds of ${roundMs / 1000} s for each line after one that warms, medians; load of the machine at the end: ${loadavg().map(short).join(', ')}\n`,
    conditions(),
    ...contenders.map(({ name, version }) => `- ${name}: ${version}`),
    '\nEach cell: requests a second; p50 / p99 in ms; processor time of the server for each request in ms (Stemma with its PostgreSQL).',
    'Stemma’s packages are private: it checks a token and a role in each request. What the peer has anyone may read. Documents are asked for with gzip, as npm does.\n',
    measured.table(
      contenders.map(({ name }) => name),
      wanted,
    ),
    `\n${memoryTable(contenders, points)}\n`,
    'PostgreSQL’s processes share memory, which is counted for each of them.\n',
  ].join('\n')
  if (rounds === args.runs) console.log(text)
  const out = args.out ?? join(import.meta.dirname, 'results', `${date}-npm.md`)
  mkdirSync(dirname(out), { recursive: true })
  writeFileSync(out, text)
}

const folder = new TempFolder('bench-npm')
const profiles = folder.join('profiles')
const contenders: NpmContender[] = []
try {
  contenders.push(await startStemma(folder, args.has('profile') ? profileEnvironment(profiles) : {}))
  if (!args.has('alone')) for (const word of args.values('peer')) contenders.push(await startPeer(folder, word))
  const points: MemoryPoint[] = []
  const remember = (when: string) => points.push({ when, of: contenders.map((contender) => contender.memory()) })
  remember('just started')
  for (const contender of contenders) await prepare(contender)
  remember('214 versions later')
  const measured = new Rounds()
  for (let round = -1; round < args.runs; round++) {
    for (const line of wanted) {
      const bodies = bodiesFor(line)
      for (let at = 0; at < contenders.length; at++) {
        const contender = contenders[(at + round + 1) % contenders.length] as NpmContender
        const done = await run(contender, line, round < 0 ? Math.min(roundMs, 2000) : roundMs, bodies)
        if (round >= 0) measured.add(contender.name, line.name, done) // a first round warms all of them
      }
    }
    if (round < 0) continue
    remember(`after round ${round + 1}`)
    write(contenders, measured, points, round + 1)
  }
} finally {
  for (const contender of contenders) await contender.stop()
  if (args.has('profile')) console.log(profileHints(profiles, 40))
  folder.remove()
}

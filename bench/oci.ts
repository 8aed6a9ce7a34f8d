// Stemma's registry beside others on the same machine in the same run: the work of zot's benchmark (zb), and reads of manifests and tags by 50 clients. The
// registries take turns line by line, in another order each round; a line's figure is the median of its rounds.
//   bin/node bench/oci.ts --peer distribution-2.8=/usr/bin/docker-registry [--peer distribution-3=PROGRAM] [--peer zot=PROGRAM]
//     [--runs 5] [--line 'push 1 MiB' …] [--alone] [--peers-only] [--profile] [--out FILE]
import { mkdirSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { TempFolder } from '../tests/support/git.ts'
import { benchArguments } from './arguments.ts'
import { type Registry, startPeer, startStemma } from './oci/contenders.ts'
import { type Line, lines, prepare, type Stand } from './oci/lines.ts'
import { Material, Worker } from './oci/work.ts'
import { profileEnvironment, profileHints } from './profile.ts'
import { type Round, Rounds } from './rounds.ts'
import { conditions, short } from './table.ts'

const args = benchArguments(['alone', 'peers-only', 'profile'], ['peer', 'line'])
const wanted = lines.filter(({ name }) => args.values('line').length === 0 || args.values('line').some((word) => name.includes(word)))

/** Every client has one operation under way until all are done. */
async function run(registry: Registry, line: Line, stand: Stand, material: Material): Promise<Round> {
  const timesMs: number[] = []
  const cpuBefore = registry.cpuMs()
  const startedAt = performance.now()
  let next = 0
  await Promise.all(
    Array.from({ length: line.clients }, async () => {
      const worker = new Worker(registry, material)
      for (let turn = next++; turn < line.operations; turn = next++) {
        const from = performance.now()
        await line.act(worker, stand, turn)
        timesMs.push(performance.now() - from)
      }
      worker.close()
    }),
  )
  const elapsedMs = performance.now() - startedAt
  await sleep(200) // what it does for a request after its answer counts too
  return { perSecond: (line.operations / elapsedMs) * 1000, cpuMs: (registry.cpuMs() - cpuBefore) / line.operations, timesMs }
}

/** After each round, so that a run that is ended leaves what it had. */
function write(registries: readonly Registry[], measured: Rounds, rounds: number): void {
  const date = new Date().toISOString().slice(0, 10)
  const text = [
    `# The OCI registry beside others\n\n${date}, \`bench/oci.ts\`, ${rounds} rounds after one that warms, medians; load of the machine at the end: ${loadavg().map(short).join(', ')}\n`,
    conditions(),
    ...registries.map(({ name, version }) => `- ${name}: ${version}`),
    '\nEach cell: operations a second; p50 / p99 in ms; processor time of the server for each operation in ms (Stemma with its PostgreSQL).',
    'A push is five requests under a new name, a pull six, as zb does them. Stemma checks a token in each request; the others have no authentication.\n',
    measured.table(
      registries.map(({ name }) => name),
      wanted,
    ),
    '',
  ].join('\n')
  if (rounds === args.runs) console.log(text)
  const out = args.out ?? join(import.meta.dirname, 'results', `${date}-oci.md`)
  mkdirSync(dirname(out), { recursive: true })
  writeFileSync(out, text)
}

const folder = new TempFolder('bench-oci')
const profiles = folder.join('profiles')
const registries: Registry[] = []
try {
  if (!args.has('peers-only')) registries.push(await startStemma(folder, args.has('profile') ? profileEnvironment(profiles) : {}))
  if (!args.has('alone')) for (const word of args.values('peer')) registries.push(await startPeer(folder, word))
  const material = new Material()
  const stands = new Map<Registry, Stand>()
  for (const registry of registries) stands.set(registry, await prepare(registry, material))
  const measured = new Rounds()
  for (let round = -1; round < args.runs; round++) {
    for (const line of wanted) {
      for (let at = 0; at < registries.length; at++) {
        const registry = registries[(at + round + 1) % registries.length] as Registry
        const done = await run(registry, line, stands.get(registry) as Stand, material)
        if (round >= 0) measured.add(registry.name, line.name, done) // a first round warms all of them
      }
    }
    if (round >= 0) write(registries, measured, round + 1)
  }
} finally {
  for (const registry of registries) await registry.stop()
  if (args.has('profile')) console.log(profileHints(profiles, 40))
  folder.remove()
}

// Installing an application's whole tree through Stemma and Verdaccio, both as a mirror of the same upstream, with npm and with what other clients are given: cold, warm
// (the client's cache is clean, the registry has everything) and with the upstream off. The registries take turns; a figure is the median of its rounds.
//   bin/node bench/npm-install.ts --upstream URL --peer verdaccio-6.8=PROGRAM [--client bun=PROGRAM] [--depends 'react-scripts@5.0.1' …] [--runs 3] [--out FILE]
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { runProcess, TempFolder } from '../tests/support/git.ts'
import { benchArguments } from './arguments.ts'
import { type NpmContender, startMirror, startPeer } from './npm/contenders.ts'
import { Relay } from './npm/relay.ts'
import { conditions, markdownTable, median, short } from './table.ts'

const args = benchArguments([], ['upstream', 'peer', 'client', 'depends'])
const [upstream] = args.values('upstream')
if (upstream === undefined) throw new Error('--upstream URL')
const defaults = ['react-scripts@5.0.1', 'react@18.3.1', 'react-dom@18.3.1']
const depends = args.values('depends').length > 0 ? args.values('depends') : defaults
const npm = resolve(import.meta.dirname, '../node_modules/npm/bin/npm-cli.js')
const mib = 1 << 20

interface Way {
  readonly name: string
  readonly command: readonly string[]
  /** From the tree's folder. */
  readonly files: readonly string[]
}

const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-progress', '--loglevel=error', '--replace-registry-host=always']
const ways: Way[] = [
  {
    name: 'npm ci, the lockfile has versions alone',
    command: [process.execPath, npm, 'ci', ...flags],
    files: ['package.json', 'package-lock.json'],
  },
  ...args.values('client').map((word): Way => {
    const [name = '', program = ''] = word.split('=')
    if (name !== 'bun' || program === '') throw new Error(`--client bun=PROGRAM, not ${word}`)
    return {
      name: 'bun install, no lockfile',
      command: [program, 'install', '--ignore-scripts', '--no-save', '--no-progress'],
      files: ['package.json'],
    }
  }),
]

interface Round {
  readonly wallMs: number
  /** Of the registry, with its database. */
  readonly cpuMs: number
  readonly upstreamRequests: number
}

class Bench {
  readonly folder = new TempFolder('bench-npm-install')
  readonly relay = new Relay(upstream as string)
  readonly rounds = new Map<string, Round[]>()
  readonly memory: { readonly when: string; readonly of: readonly string[] }[] = []
  packages = 0

  /** The tree, resolved once: its lockfile says nothing of where tarballs lie. */
  async resolveTree(): Promise<void> {
    mkdirSync(this.folder.join('tree'))
    const dependencies = Object.fromEntries(
      depends.map((spec) => [spec.slice(0, spec.lastIndexOf('@')), spec.slice(spec.lastIndexOf('@') + 1)]),
    )
    const manifest = { name: 'tree', version: '1.0.0', private: true, dependencies }
    writeFileSync(this.folder.join('tree', 'package.json'), JSON.stringify(manifest))
    const more = ['--package-lock-only', '--omit-lockfile-registry-resolved']
    await this.#client([process.execPath, npm, 'install', ...more, ...flags], this.folder.join('tree'), `${this.relay.url}/`)
    const { packages } = JSON.parse(readFileSync(this.folder.join('tree', 'package-lock.json'), 'utf8')) as { packages: object }
    this.packages = Object.keys(packages).length - 1
  }

  async install(contender: NpmContender, way: Way, state: string): Promise<void> {
    const cwd = this.folder.join('app')
    for (const gone of ['app', 'home']) rmSync(this.folder.join(gone), { recursive: true, force: true })
    mkdirSync(cwd)
    for (const file of way.files) cpSync(this.folder.join('tree', file), join(cwd, file))
    const [before, asked, startedAt] = [contender.cpuMs(), this.relay.requests, performance.now()]
    await this.#client(way.command, cwd, `http://127.0.0.1:${contender.port}${contender.prefix}/`)
    const round = {
      wallMs: performance.now() - startedAt,
      cpuMs: contender.cpuMs() - before,
      upstreamRequests: this.relay.requests - asked,
    }
    const key = keyOf(contender, way, state)
    this.rounds.set(key, [...(this.rounds.get(key) ?? []), round])
    console.log(
      `${key}: ${short(round.wallMs / 1000)} s, ${short(round.cpuMs / 1000)} s of the registry, ${round.upstreamRequests} requests to the upstream`,
    )
  }

  remember(when: string, contenders: readonly NpmContender[]): void {
    const cell = ({ ownBytes, databaseBytes }: ReturnType<NpmContender['memory']>) =>
      databaseBytes === null ? short(ownBytes / mib) : `${short(ownBytes / mib)} and its PostgreSQL ${short(databaseBytes / mib)}`
    this.memory.push({ when, of: contenders.map((contender) => cell(contender.memory())) })
  }

  /** With a home and a cache that have nothing in them. */
  async #client([program = '', ...first]: readonly string[], cwd: string, registry: string): Promise<void> {
    const home = this.folder.join('home')
    rmSync(home, { recursive: true, force: true })
    mkdirSync(home)
    writeFileSync(join(home, '.npmrc'), `registry=${registry}\nupdate-notifier=false\n`)
    const env = {
      PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ''}`,
      HOME: home,
      npm_config_cache: join(home, 'cache'),
      no_proxy: '*',
    }
    const { code, stdout, stderr } = await runProcess(program, first, { cwd, env, timeoutMs: 1_800_000 })
    if (code !== 0) throw new Error(`${program} ${first.join(' ')} at ${registry}: ${code}\n${stdout}${stderr}`)
  }
}

function keyOf(contender: NpmContender, way: Way, state: string): string {
  return `${contender.name}, ${way.name}, ${state}`
}

function report(bench: Bench, contenders: readonly NpmContender[]): string {
  const rows = ways.flatMap((way) =>
    ['cold', 'warm', 'upstream off'].flatMap((state) => {
      const all = contenders.map((contender) => bench.rounds.get(keyOf(contender, way, state)) ?? [])
      const walls = all.map((rounds) => median(rounds.map(({ wallMs }) => wallMs)))
      if (walls.every((wall) => Number.isNaN(wall))) return []
      const cells = all.map(
        (rounds, n) =>
          `${short((walls[n] ?? Number.NaN) / 1000)} s; ${short(median(rounds.map(({ cpuMs }) => cpuMs)) / 1000)} s; ${median(rounds.map((round) => round.upstreamRequests))}`,
      )
      const [mine = Number.NaN, peer = Number.NaN] = walls
      return [[`${way.name}, ${state}`, ...cells, `**${short(mine / peer)}**`]]
    }),
  )
  return [
    '# An application’s tree through Stemma and Verdaccio',
    `\n${new Date().toISOString().slice(0, 10)}, \`bench/npm-install.ts\`: ${depends.join(', ')}, ${bench.packages} packages; medians of ${args.runs} rounds (cold: one); load of the machine at the end: ${loadavg().map(short).join(', ')}\n`,
    conditions(),
    ...contenders.map(({ name, version }) => `- ${name}: ${version}`),
    '\nEach cell: wall time of the client; processor time of the registry (Stemma with its PostgreSQL); requests to the upstream. The client’s cache is clean each time.\n',
    markdownTable(['install', ...contenders.map(({ name }) => name), 'wall ÷ peer'], rows),
    '\n',
    markdownTable(
      ['resident MiB', ...contenders.map(({ name }) => name)],
      bench.memory.map(({ when, of }) => [when, ...of]),
    ),
    '',
  ].join('\n')
}

const bench = new Bench()
const contenders: NpmContender[] = []
try {
  await bench.relay.open()
  await bench.resolveTree()
  contenders.push(await startMirror(bench.folder, bench.relay.url))
  for (const word of args.values('peer')) contenders.push(await startPeer(bench.folder, word, bench.relay.url))
  bench.remember('at the start', contenders)
  const [first] = ways as [Way]
  for (const contender of contenders) await bench.install(contender, first, 'cold')
  bench.remember('after the cold install', contenders)
  for (let round = 0; round < args.runs; round++)
    for (const way of ways)
      for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) await bench.install(contender, way, 'warm')
  bench.remember('after the warm installs', contenders)
  bench.relay.isOff = true
  // a peer's failure is a result, too
  for (const [n, contender] of contenders.entries())
    await bench.install(contender, first, 'upstream off').catch((error: unknown) => {
      if (n === 0) throw error
      console.log(`${keyOf(contender, first, 'upstream off')}: ${String(error)}`)
    })
  const text = report(bench, contenders)
  console.log(text)
  if (args.out !== null) writeFileSync(args.out, text)
} finally {
  for (const contender of contenders) await contender.stop()
  bench.relay.close()
  bench.folder.remove()
}

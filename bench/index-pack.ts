// Compares our pack indexer with `git index-pack` on one pack, taking turns, and prints medians.
//   bin/node bench/index-pack.ts FILE.pack [ROUNDS]
// Ours checks more than `git index-pack` does without --strict: fsck of every object, and that everything referred to is there.
import { spawnSync } from 'node:child_process'
import { createReadStream, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemRandomness } from '../src/base/index.ts'
import { FileSpool, indexPack } from '../src/git/index-pack/index.ts'

interface Run {
  readonly wallMs: number
  readonly cpuMs: number
  readonly peakMiB: number
}

const limits = {
  packBytes: 2 ** 40,
  objectBytes: 2 ** 32,
  objectCount: 1e8,
  deltaDepth: 4095,
  inflatedBytes: 2 ** 32,
  inflationRatio: 1000,
  memoryBytes: 512 * 2 ** 20,
}

/** One run in this process: what `ours` starts for each measurement. */
async function indexOnce(pack: string, threads: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'stemma-bench-'))
  try {
    const spool = new FileSpool(join(folder, 'spool'))
    const existing = { read: async () => null, kinds: (oids: Uint8Array) => new Uint8Array(oids.length / 20) }
    const start = performance.now()
    const before = process.cpuUsage()
    const input = createReadStream(pack, { highWaterMark: 65536 })
    await indexPack(input, { format: 'sha1', spool, scratchFolder: folder, existing, limits, randomness: systemRandomness, threads })
    const { user, system } = process.cpuUsage(before)
    const run: Run = { wallMs: performance.now() - start, cpuMs: (user + system) / 1000, peakMiB: process.resourceUsage().maxRSS / 1024 }
    process.stdout.write(JSON.stringify(run))
    spool.close()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function ours(pack: string, threads: number): Run {
  const { stdout, stderr, status } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), '--once', pack, String(threads)])
  if (status !== 0) throw new Error(stderr.toString())
  return JSON.parse(stdout.toString()) as Run
}

function gits(pack: string, options: readonly string[]): Run {
  const folder = mkdtempSync(join(tmpdir(), 'stemma-bench-'))
  try {
    spawnSync('git', ['init', '-q', '--bare', folder])
    const script =
      'start=$(date +%s%N); git -C "$1" index-pack --stdin $3 <"$2" >/dev/null; status=$?; end=$(date +%s%N); echo; echo $(( (end-start)/1000 )); times; exit $status'
    const { stdout, stderr, status } = spawnSync('bash', ['-c', script, 'bench', folder, pack, options.join(' ')])
    if (status !== 0) throw new Error(`git index-pack ${options.join(' ')}: ${stderr}`)
    const [wall = '0', , children = ''] = stdout.toString().trim().split('\n')
    const cpuMs = [...children.matchAll(/(\d+)m([\d.]+)s/g)].reduce((sum, [, m, s]) => sum + Number(m) * 60_000 + Number(s) * 1000, 0)
    return { wallMs: Number(wall) / 1000, cpuMs, peakMiB: Number.NaN }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

const [first = '', second = '', third = ''] = process.argv.slice(2)
if (first === '--once') await indexOnce(second, Number(third))
else {
  const contenders: [string, () => Run][] = [
    ['git --threads=1', () => gits(first, ['--threads=1'])],
    ['ours, 1 thread', () => ours(first, 1)],
    ['git --threads=2', () => gits(first, ['--threads=2'])],
    ['ours, 2 threads', () => ours(first, 2)],
    [
      'git --threads=2 --strict',
      () => gits(first, ['--threads=2', '--strict=zeroPaddedFilemode=ignore,badTimezone=ignore,missingSpaceBeforeDate=ignore']),
    ],
  ]
  const runs = contenders.map((): Run[] => [])
  for (let round = 0; round < Number(second || 5); round++) {
    contenders.forEach(([name, run], i) => {
      try {
        runs[i]!.push(run())
      } catch (error) {
        console.error(`${name}: ${String(error)}`)
      }
    })
  }
  for (const [i, [name]] of contenders.entries()) {
    const of = (pick: (run: Run) => number) => median(runs[i]!.map(pick)).toFixed(0).padStart(7)
    console.log(`${name.padEnd(26)} wall ${of((r) => r.wallMs)} ms  cpu ${of((r) => r.cpuMs)} ms  peak ${of((r) => r.peakMiB)} MiB`)
  }
}

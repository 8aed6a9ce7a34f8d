// Repositories that the benchmarks make for themselves, by git fast-import; the same arguments give the same objects.
import { spawn } from 'node:child_process'
import type { Git } from '../tests/support/git.ts'
import { seededBytes } from '../tests/support/random.ts'

/** A bare repository with one branch, `main`: `files(n)` are added by commit n. */
export async function makeBare(
  git: Git,
  path: string,
  commits: number,
  files: (n: number) => Iterable<readonly [string, Buffer]>,
): Promise<void> {
  await git.run(['init', '-q', '--bare', '-b', 'main', path])
  for (const [name, value] of [
    ['core.compression', '0'],
    ['pack.compression', '0'],
    ['core.bigFileThreshold', '1m'],
    ['pack.threads', '1'],
  ] as const) {
    await git.run(['config', name, value], { cwd: path })
  }
  const importer = spawn('git', ['-C', path, 'fast-import', '--quiet', '--done', '--max-pack-size=100g'], {
    stdio: ['pipe', 'inherit', 'inherit'],
  })
  const ended = new Promise<number | null>((resolve) => importer.once('close', resolve))
  const write = async (bytes: string | Buffer): Promise<void> => {
    if (!importer.stdin.write(bytes)) await new Promise((resolve) => importer.stdin.once('drain', resolve))
  }
  for (let n = 1; n <= commits; n++) {
    await write(`commit refs/heads/main\nmark :${n}\ncommitter Tester <tester@example.com> ${1700000000 + n} +0000\ndata 5\nadded\n`)
    if (n > 1) await write(`from :${n - 1}\n`)
    for (const [name, bytes] of files(n)) {
      await write(`M 100644 inline ${name}\ndata ${bytes.length}\n`)
      await write(bytes)
      await write('\n')
    }
  }
  importer.stdin.end('done\n')
  const code = await ended
  if (code !== 0) throw new Error(`fast-import ended with ${code}`)
}

/** `count` incompressible files of `sizeBytes` each, a commit for each. */
export async function makeNoise(git: Git, path: string, count: number, sizeBytes: number): Promise<void> {
  await makeBare(git, path, count, (n) => [[`noise-${n}.bin`, seededBytes(`noise ${sizeBytes} ${n}`, sizeBytes)] as const])
}

/** `count` small text files in folders of 100, in one commit. */
export async function makeSmallFiles(git: Git, path: string, count: number, sizeBytes: number): Promise<void> {
  await makeBare(git, path, 1, function* () {
    for (let n = 0; n < count; n++) {
      const bytes = seededBytes(`small ${n}`, sizeBytes)
      yield [`${Math.floor(n / 100)}/${n}.bin`, bytes] as const
    }
  })
}

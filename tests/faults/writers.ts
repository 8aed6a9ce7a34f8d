// Writers that push while things break, and the judge of what is left: every acknowledged push whole, nothing partly visible.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Git, TempFolder } from '../support/git.ts'
import { SeededRandom, seededBytes } from '../support/random.ts'

/** Who pushes a long prepared history commit by commit, always to two refs in one atomic push. */
export class Writer {
  readonly name: string
  readonly folder: string
  readonly #git: Git
  readonly #commits: readonly string[]
  /** The refs stood at this commit (its place in the history, −1: nowhere) when the last push was acknowledged, … */
  acknowledged = -1
  /** … and this one was pushed last, acknowledged or not. */
  attempted = -1
  acknowledgements = 0
  failures = 0

  private constructor(git: Git, name: string, folder: string, commits: readonly string[]) {
    this.#git = git
    this.name = name
    this.folder = folder
    this.#commits = commits
  }

  /** `count` commits, every `largeEvery`-th with `largeBytes` of noise (a pack for the bucket), the others small (the tail). */
  static async make(
    git: Git,
    temp: TempFolder,
    name: string,
    history: { readonly count: number; readonly largeEvery: number; readonly largeBytes: number; readonly seed: number },
  ): Promise<Writer> {
    const folder = temp.join(`writer-${name}.git`)
    await git.run(['init', '-q', '--bare', folder])
    const random = new SeededRandom(history.seed)
    const stream: Buffer[] = []
    const say = (text: string | Buffer): void => void stream.push(Buffer.from(text as string))
    for (let n = 0; n < history.count; n++) {
      say(`commit refs/heads/history\nmark :${n + 1}\ncommitter Tester <tester@example.com> ${1700000000 + n} +0000\ndata 4\npush\n`)
      if (n > 0) say(`from :${n}\n`)
      const isLarge = n % history.largeEvery === history.largeEvery - 1
      const bytes = seededBytes(`${name} ${history.seed} ${n}`, isLarge ? history.largeBytes : 20 + random.below(3000))
      say(`M 100644 inline ${isLarge ? 'large' : `small-${n % 5}`}.bin\ndata ${bytes.length}\n`)
      say(bytes)
      say('\n')
    }
    say('done\n')
    await git.run(['fast-import', '--quiet', '--done'], { cwd: folder, input: Buffer.concat(stream), timeoutMs: 120_000 })
    const commits = (await git.read(['rev-list', '--reverse', 'history'], { cwd: folder })).split('\n')
    return new Writer(git, name, folder, commits)
  }

  get refs(): readonly [string, string] {
    return [`refs/heads/${this.name}/one`, `refs/heads/${this.name}/two`]
  }

  get isDone(): boolean {
    return this.attempted >= this.#commits.length - 1
  }

  /** Pushes commit after commit until told to stop, or one fails, or the history ends. */
  async run(url: string, config: readonly string[], signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.isDone) if (!(await this.pushNext(url, config))) return
  }

  /** True when the push was acknowledged. */
  async pushNext(url: string, config: readonly string[]): Promise<boolean> {
    this.attempted = this.acknowledged + 1
    const tip = this.#commits[this.attempted]
    const specs = this.refs.map((ref) => `${tip}:${ref}`)
    const pushed = await this.#git.run([...config, 'push', '-q', '--atomic', url, ...specs], {
      cwd: this.folder,
      mayFail: true,
      timeoutMs: 120_000,
    })
    if (pushed.code !== 0) {
      this.failures += 1
      this.lastError = pushed.stderr
      return false
    }
    this.acknowledged = this.attempted
    this.acknowledgements += 1
    return true
  }

  lastError = ''

  /**
   * Judges where the server says that the refs stand: at what was acknowledged, or at the one push that was under way, and both at the
   * same. Goes on from there.
   */
  judge(remote: ReadonlyMap<string, string>): void {
    const [one, two] = this.refs.map((ref) => remote.get(ref))
    assert.equal(one, two, `${this.name}: an atomic push landed partly`)
    const at = one === undefined ? -1 : this.#commits.indexOf(one)
    assert.ok(one === undefined || at >= 0, `${this.name}: ${one} was never pushed`)
    const allowed = `acknowledged ${this.acknowledged}, attempted ${this.attempted}, found ${at}`
    assert.ok(at >= this.acknowledged, `${this.name}: an acknowledged push is gone (${allowed})`)
    assert.ok(at <= this.attempted, `${this.name}: more than was pushed (${allowed})`)
    this.acknowledged = at
    this.attempted = at
  }

  /** The tip that the server must have, for the last comparison. */
  get tip(): string | undefined {
    return this.#commits[this.acknowledged]
  }
}

/** Refs of the server by name; asks again for up to 30 s while it can't answer. */
export async function remoteRefs(git: Git, url: string, config: readonly string[]): Promise<Map<string, string>> {
  let answer = await git.run([...config, 'ls-remote', url], { mayFail: true })
  for (const deadline = performance.now() + 30_000; answer.code !== 0 && performance.now() < deadline; ) {
    await sleep(50)
    answer = await git.run([...config, 'ls-remote', url], { mayFail: true })
  }
  assert.equal(answer.code, 0, answer.stderr)
  const listed = answer.stdout.replace(/\n$/, '')
  const lines = listed === '' ? [] : listed.split('\n')
  return new Map(lines.map((line) => [line.split('\t')[1] ?? '', line.split('\t')[0] ?? '']))
}

/** A clone of everything is clean, holds exactly the writers' refs, and every writer's objects byte for byte (fsck recomputes all ids). */
export async function assertWhole(
  git: Git,
  temp: TempFolder,
  url: string,
  config: readonly string[],
  writers: readonly Writer[],
): Promise<void> {
  const copy = temp.join('whole.git')
  await git.run([...config, 'clone', '-q', '--mirror', url, copy], { timeoutMs: 300_000 })
  await git.run(['fsck', '--strict', '--no-progress'], { cwd: copy, timeoutMs: 300_000 })
  const refs = await git.read(['for-each-ref', '--format=%(objectname) %(refname)'], { cwd: copy })
  const wanted = writers.flatMap((writer) => (writer.tip === undefined ? [] : writer.refs.map((ref) => `${writer.tip} ${ref}`)))
  assert.deepEqual(refs.split('\n').sort(), wanted.sort())
  for (const writer of writers) {
    if (writer.tip === undefined) continue
    const count = ['rev-list', '--objects', '--count', writer.tip]
    assert.equal(await git.read(count, { cwd: copy }), await git.read(count, { cwd: writer.folder }))
  }
}

/** A number from the environment. */
export function setting(name: string, usual: number): number {
  const value = process.env[name]
  return value === undefined ? usual : Number(value)
}

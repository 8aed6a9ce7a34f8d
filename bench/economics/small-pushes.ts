// A real repository's history as pushes of one commit each, in git's topological order: the first-parent line moves `main`, every other line has a branch
// of its own from its first commit until it is merged. Packs are what git push would send: `git pack-objects --thin` against the commit's parents.
import { execFile, execFileSync } from 'node:child_process'
import { push, type RefCommand, zeroId } from '../../tests/support/wire.ts'

interface SmallPush {
  readonly commands: readonly RefCommand[]
  readonly commit: string
  readonly parents: readonly string[]
}

export class SmallPushes {
  readonly #repository: string
  readonly #pushes: readonly SmallPush[]
  readonly #packs = new Map<number, Promise<Buffer>>()

  constructor(repository: string) {
    this.#repository = repository
    this.#pushes = plan(repository)
  }

  /** One for each commit. */
  get length(): number {
    return this.#pushes.length
  }

  /** Every branch and its tip when so many were pushed. */
  refs(count: number): Map<string, string> {
    const refs = new Map<string, string>()
    for (const { commands } of this.#pushes.slice(0, count)) {
      for (const command of commands) {
        if (command.new === zeroId) refs.delete(command.ref)
        else refs.set(command.ref, command.new)
      }
    }
    return refs
  }

  /** Packs from `from` to `until`, two at a time. They are kept. */
  async make(from: number, until: number): Promise<void> {
    let next = from
    const work = async (): Promise<void> => {
      for (let n = next++; n < until; n = next++) await this.#pack(n)
    }
    await Promise.all([work(), work()])
  }

  /** Pushes the one with that number; the pack's bytes. */
  async send(url: string, n: number): Promise<number> {
    const step = this.#pushes[n] as SmallPush
    const pack = await this.#pack(n)
    const report = await push(url, step.commands, pack)
    for (const { ref } of step.commands) if (report.refs.get(ref) !== 'ok') throw new Error(`push ${n}: ${report.unpack} ${report.text}`)
    return pack.length
  }

  #pack(n: number): Promise<Buffer> {
    const known = this.#packs.get(n)
    if (known) return known
    const { commit, parents } = this.#pushes[n] as SmallPush
    const args = ['pack-objects', '-q', '--revs', '--thin', '--stdout', '--delta-base-offset', '--threads=1']
    const made = new Promise<Buffer>((resolve, reject) => {
      const child = execFile('git', ['-C', this.#repository, ...args], { encoding: 'buffer', maxBuffer: 2 ** 30 }, (error, stdout) =>
        error ? reject(error) : resolve(stdout),
      )
      child.stdin?.end(`${commit}\n${parents.map((parent) => `^${parent}\n`).join('')}`)
    })
    this.#packs.set(n, made)
    return made
  }
}

function plan(repository: string): SmallPush[] {
  const list = (...args: string[]) =>
    execFileSync('git', ['-C', repository, 'rev-list', '--reverse', ...args, 'HEAD'], { maxBuffer: 2 ** 28 })
      .toString()
      .trim()
      .split('\n')
  const mainLine = new Set(list('--first-parent'))
  const sideOf = new Map<string, string>()
  let main = zeroId
  return list('--topo-order', '--parents').map((line, n) => {
    const [commit = '', ...parents] = line.split(' ')
    const [first = zeroId, ...merged] = parents
    const commands: RefCommand[] = []
    if (mainLine.has(commit)) {
      commands.push({ old: main, new: commit, ref: 'refs/heads/main' })
      main = commit
    } else {
      const ref = sideOf.get(first)
      sideOf.delete(first)
      commands.push({ old: ref === undefined ? zeroId : first, new: commit, ref: ref ?? `refs/heads/side-${n}` })
      sideOf.set(commit, ref ?? `refs/heads/side-${n}`)
    }
    for (const parent of merged) {
      const ref = sideOf.get(parent)
      if (ref === undefined) continue
      commands.push({ old: parent, new: zeroId, ref })
      sideOf.delete(parent)
    }
    return { commands, commit, parents }
  })
}

// A server whose code is warm: V8 has compiled what serves a fetch, on a small repository of its own, so that what is measured next is not the
// compiler. Nothing of another repository is in its caches then.
import type { Git, TempFolder } from '../tests/support/git.ts'
import { delimiter, flush, pkt } from '../tests/support/wire.ts'

const rounds = 20

export class WarmUp {
  readonly #git: Git
  readonly #path: string
  #commits: string[] = []

  constructor(git: Git, folder: TempFolder) {
    this.#git = git
    this.#path = folder.join('warm')
  }

  /** A work tree with some history. */
  async repository(): Promise<string> {
    if (this.#commits.length === 0) {
      await this.#git.makeRepository(this.#path, rounds + 2)
      this.#commits = (await this.#git.read(['rev-list', 'main'], { cwd: this.#path })).split('\n')
    }
    return this.#path
  }

  /** Fetches of every kind, none of them like another, and lists of refs. */
  async run(url: string, authorization: string): Promise<void> {
    const [tip = ''] = this.#commits
    for (const [n, commit] of this.#commits.slice(0, rounds).entries()) {
      const old = this.#commits[n + 1] ?? ''
      await post(url, authorization, 'ls-refs', ['peel', 'symrefs'])
      await post(url, authorization, 'fetch', ['ofs-delta', `want ${commit}`, 'done'])
      await post(url, authorization, 'fetch', ['ofs-delta', `want ${commit}`, 'deepen 1', 'done'])
      await post(url, authorization, 'fetch', ['ofs-delta', 'thin-pack', `want ${tip}`, `have ${old}`, 'done'])
      await post(url, authorization, 'fetch', ['ofs-delta', `want ${commit}`, 'filter blob:none', 'done'])
    }
  }
}

async function post(url: string, authorization: string, command: string, lines: readonly string[]): Promise<void> {
  const body = Buffer.concat([
    pkt(`command=${command}`),
    pkt('object-format=sha1'),
    delimiter,
    ...lines.map((line) => pkt(`${line}\n`)),
    flush,
  ])
  const headers = { 'content-type': 'application/x-git-upload-pack-request', 'git-protocol': 'version=2', authorization }
  const answer = await fetch(`${url}/git-upload-pack`, { method: 'POST', headers, body })
  await answer.arrayBuffer()
}

// Each operation once, by the real client where there is one: what it asks of the bucket until the client has its answer, and what the background does of it afterwards.
import { createHash } from 'node:crypto'
import { policy } from '../../src/git/compact/policy.ts'
import { Git, type TempFolder } from '../../tests/support/git.ts'
import { noise } from '../../tests/support/seeded.ts'
import { allRequests } from './counting-proxy.ts'
import type { SmallPushes } from './small-pushes.ts'
import type { Cost, Stand } from './stand.ts'

export interface OperationRow {
  readonly name: string
  readonly cost: Cost
}

const lfsBytes = 20 << 20
/** What more a network may have when its tails are merged for certain. */
const manyPushes = policy.packs + 20
/** Commits that are there before them: they come to more than a tail then. */
const older = 2000

export class Operations {
  readonly rows: OperationRow[] = []
  readonly #stand: Stand
  readonly #folder: TempFolder
  readonly #git: Git
  readonly #config: readonly string[]

  constructor(stand: Stand, folder: TempFolder) {
    this.#stand = stand
    this.#folder = folder
    this.#git = new Git(folder)
    this.#config = ['-c', stand.server.eagerAuthorization]
  }

  /** @param pushes of the same repository, for small ones */
  async run(repository: string, pushes: SmallPushes): Promise<void> {
    const source = this.#folder.join('source.git')
    await this.#git.run(['clone', '-q', '--mirror', repository, source])
    await this.#pushing(source, pushes)
    await this.#fetching(source)
    await this.#keeping(source)
    await this.#lfs()
  }

  async #pushing(source: string, pushes: SmallPushes): Promise<void> {
    const whole = await this.#create('whole')
    const objects = await this.#git.read(['rev-list', '--objects', '--count', '--all'], { cwd: source })
    await this.#row(`push of the whole repository (${objects} objects)`, () => this.#push(source, '--mirror', whole))
    const [from, count] = await this.#back(source, 1000)
    const grown = await this.#create('grown')
    await this.#stand.measure(() => this.#push(source, grown, `${from}:refs/heads/main`))
    await this.#row(`push of ${count} commits`, () => this.#push(source, grown, 'HEAD:refs/heads/main'))
    const work = this.#folder.join('work')
    await this.#git.run(['clone', '-q', source, work])
    await this.#git.commit(work, { 'one.txt': 'one more\n' }, 'one')
    await this.#row('push of one commit', () => this.#push(work, grown, 'HEAD:refs/heads/main'))
    // with the token: no client of git's sends these
    const many = await this.#stand.server.create('many')
    await this.#stand.measure(() => this.#push(source, many, ...[...pushes.refs(older)].map(([ref, id]) => `${id}:${ref}`)))
    await pushes.make(older, older + manyPushes)
    await this.#row(
      `${manyPushes} pushes of one commit`,
      async () => {
        for (let n = older; n < older + manyPushes; n++) await pushes.send(many, n)
      },
      'their merge',
    )
  }

  async #fetching(source: string): Promise<void> {
    const whole = this.#stand.server.repositoryUrl('whole', '')
    const clone = async (...args: readonly string[]) => {
      const to = this.#folder.join(`clone-${this.rows.length}.git`)
      await this.#git.run([...this.#config, 'clone', '-q', '--bare', ...args, whole, to], { timeoutMs: 300_000 })
    }
    const cold = async (name: string, work: () => Promise<unknown>) => {
      await this.#stand.forget()
      await this.#row(`${name}, cold`, work)
    }
    await cold('ls-remote', () => this.#git.run([...this.#config, 'ls-remote', whole]))
    await cold('clone', () => clone())
    await this.#row('clone, second', () => clone())
    const [from, count] = await this.#back(source, 100)
    const old = this.#folder.join('old.git')
    await this.#git.run(['init', '-q', '--bare', old])
    await this.#git.run(['fetch', '-q', source, from], { cwd: old })
    await this.#git.run(['update-ref', 'refs/heads/main', from], { cwd: old })
    const head = await this.#git.read(['symbolic-ref', 'HEAD'], { cwd: source })
    await cold(`fetch of ${count} commits`, () =>
      this.#git.run([...this.#config, 'fetch', '-q', whole, `${head}:refs/heads/new`], { cwd: old }),
    )
    await cold('clone --depth 1', () => clone('--depth', '1'))
    await cold('clone --filter=blob:none', () => clone('--filter=blob:none'))
    const authorization = `Bearer ${this.#stand.server.token}`
    const tarball = `${this.#stand.server.url}/api/v3/repos/admin/whole/tarball/${head.replace('refs/heads/', '')}`
    await cold('archive (tar.gz)', async () => {
      const answer = await fetch(tarball, { headers: { authorization } })
      if (answer.status !== 200) throw new Error(`the archive: ${answer.status} ${await answer.text()}`)
      await answer.arrayBuffer()
    })
  }

  async #keeping(source: string): Promise<void> {
    await this.#row('full repack (of the repository of 3 pushes)', () => this.#stand.stemma('repack', 'admin/grown'))
    const secret = this.#folder.join('secret')
    await this.#git.run(['clone', '-q', '--shared', source, secret])
    await this.#git.commit(secret, { 'secret.bin': noise(1, 1 << 20) }, 'a secret')
    const grown = this.#stand.server.repositoryUrl('grown', '')
    await this.#stand.measure(async () => {
      await this.#push(secret, grown, 'HEAD:refs/heads/secret')
      await this.#push(secret, grown, ':refs/heads/secret')
    })
    await this.#row('gc that removes a branch’s objects', () => this.#stand.stemma('gc', 'admin/grown', '--grace', '0', '--yes'))
    await this.#row('fsck of all repositories', () => this.#stand.stemma('fsck'))
    const keys = (await this.#stand.storage.keys()).length
    await this.#row('what was replaced leaves the bucket, an hour later', () => this.#stand.deleteReplaced())
    console.log(`${keys - (await this.#stand.storage.keys()).length} keys went`)
  }

  async #lfs(): Promise<void> {
    await this.#create('large')
    const first = noise(2, lfsBytes)
    const second = Buffer.concat([first.subarray(0, lfsBytes / 2), Buffer.from('inserted'), first.subarray(lfsBytes / 2)])
    await this.#row('LFS upload of 20 MiB (random)', () => this.#object(first, 'PUT'))
    await this.#row('LFS upload of its second version (8 bytes inserted)', () => this.#object(second, 'PUT'))
    await this.#stand.forget()
    await this.#row('LFS download of 20 MiB, cold', () => this.#object(first, 'GET'))
    await this.#row('LFS download, second', () => this.#object(first, 'GET'))
    await this.#row('LFS download of the second version', () => this.#object(second, 'GET'))
  }

  async #object(bytes: Uint8Array, method: 'PUT' | 'GET'): Promise<void> {
    const oid = createHash('sha256').update(bytes).digest('hex')
    const headers = { authorization: `Bearer ${this.#stand.server.token}` }
    const body = method === 'PUT' ? { body: new Uint8Array(bytes) } : {}
    const answer = await fetch(`${this.#stand.server.url}/admin/large.git/info/lfs/objects/${oid}`, { method, headers, ...body })
    const got = Buffer.from(await answer.arrayBuffer())
    if (answer.status !== 200 || (method === 'GET' && !got.equals(bytes))) throw new Error(`LFS ${method}: ${answer.status}`)
  }

  /** A row, and one more for what the background did of it. */
  async #row(name: string, work: () => Promise<unknown>, background = '… afterwards, in the background'): Promise<void> {
    const { until, after } = await this.#stand.measure(work)
    this.rows.push({ name, cost: until })
    if (allRequests(after.counts) > 0) this.rows.push({ name: background, cost: after })
    console.log(JSON.stringify(this.rows.slice(-2)))
  }

  async #create(name: string): Promise<string> {
    await this.#stand.server.create(name)
    return this.#stand.server.repositoryUrl(name, '')
  }

  async #push(cwd: string, ...args: readonly string[]): Promise<void> {
    await this.#git.run([...this.#config, 'push', '-q', ...args], { cwd, timeoutMs: 600_000 })
  }

  /** The newest commit of the first-parent line with at least so many commits behind it, and how many they are. */
  async #back(source: string, commits: number): Promise<[id: string, count: number]> {
    const line = (await this.#git.read(['rev-list', '--first-parent', 'HEAD'], { cwd: source })).split('\n')
    for (const id of line.slice(1)) {
      const count = Number(await this.#git.read(['rev-list', '--count', `${id}..HEAD`], { cwd: source }))
      if (count >= commits) return [id, count]
    }
    throw new Error(`the repository has no ${commits} commits`)
  }
}

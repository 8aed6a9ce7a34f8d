// A repository to push bad things to, and the judge of what is said about them and left of them.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { assertStoredAgain, openDatabase, type Stored, stored } from './database.ts'
import { type Host, onPeer, openHost } from './host.ts'
import { type BuiltObject, blob, commit, PackBuilder, rootCommit, tree } from './pack-builder.ts'
import { advertisedRefs, type PushReport, push, zeroId } from './wire.ts'

/** Options of suites that look into Stemma's own storage. */
export const stemmaStorage: { readonly skip?: string } = onPeer ? { skip: 'looks into Stemma’s own storage' } : {}

export class Target {
  readonly host: Host
  readonly database: pg.Client
  readonly url: string
  /** The repository holds one commit: its tip, and the file in it, are what thin packs may rest on. */
  readonly base: { readonly tip: BuiltObject; readonly file: BuiltObject }

  private constructor(host: Host, database: pg.Client, url: string, base: Target['base']) {
    this.host = host
    this.database = database
    this.url = url
    this.base = base
  }

  static async open(name: string): Promise<Target> {
    const host = await openHost(name)
    const database = await openDatabase(host.server)
    const url = await host.create('target')
    const file = blob('the base of all deltas\n'.repeat(40))
    const { tip, pack } = rootCommit([['100644', 'base.txt', file.id]], [file])
    const report = await push(url, [{ old: zeroId, new: tip.id, ref: 'refs/heads/main' }], pack.build())
    assert.equal(report.refs.get('refs/heads/main'), 'ok', report.text)
    return new Target(host, database, url, { tip, file })
  }

  async close(): Promise<void> {
    await this.database.end()
    await this.host.close()
  }

  stored(): Promise<Stored> {
    return stored(this.host.server, this.database)
  }

  /** Waits for the server to clean up; then there must be what was before. */
  assertStoredAgain(before: Stored, waitMs?: number): Promise<void> {
    return assertStoredAgain(this.host.server, this.database, before, waitMs)
  }

  /** The server process has not needed more than so many MiB since the last `resetPeak`. */
  assertPeak(limitMib: number): void {
    const peakMib = this.host.server.memory().peakBytes / 2 ** 20
    assert.ok(peakMib < limitMib, `peak ${peakMib.toFixed(0)} MiB, allowed ${limitMib}`)
  }

  /** Pushes the pack as a new branch, and checks that it was refused, with words that match, and that nothing is left of it. */
  async assertRefused(
    tip: string,
    pack: Uint8Array,
    words: RegExp,
    ref = `refs/heads/bad-${randomUUID().slice(0, 8)}`,
  ): Promise<PushReport> {
    const before = await this.stored()
    const refs = await advertisedRefs(this.url)
    const report = await push(this.url, [{ old: zeroId, new: tip, ref }], pack)
    assert.equal(report.status, 200, `a refusal inside the protocol, not HTTP ${report.status}: ${report.text}`)
    assert.notEqual(report.unpack, null, `a report was sent: ${report.text}`)
    assert.notEqual(report.refs.get(ref), 'ok')
    const said = `unpack ${report.unpack}\n${[...report.refs.values()].join('\n')}\n${report.text}`
    assert.doesNotMatch(said, /internal server error/, this.host.server.output.slice(-2000))
    assert.match(said, words)
    assert.deepEqual(await advertisedRefs(this.url), refs)
    await this.assertStoredAgain(before)
    return report
  }

  /** The same through the real git: a loose or packed object that git itself would not make, pushed from a repository that holds it. */
  async assertGitRefused(objects: readonly BuiltObject[], tip: string, words: RegExp): Promise<void> {
    const before = await this.stored()
    const source = this.host.folder.join(`source-${randomUUID()}`)
    await this.host.git.run(['init', '-q', source])
    const builder = new PackBuilder().addAll(...objects)
    await this.host.git.run(['unpack-objects', '-q'], { cwd: source, input: builder.build() })
    await this.host.git.run(['update-ref', 'refs/heads/bad', tip], { cwd: source })
    const refused = await this.host.git.run(['push', this.url, 'bad:refs/heads/by-git'], { cwd: source, mayFail: true })
    assert.notEqual(refused.code, 0)
    assert.doesNotMatch(refused.stderr, /internal server error/, this.host.server.output.slice(-2000))
    assert.match(refused.stderr, words)
    assert.match(refused.stderr, /! \[remote rejected\] bad -> by-git|remote: |error: /)
    assert.equal((await advertisedRefs(this.url)).has('refs/heads/by-git'), false)
    await this.assertStoredAgain(before)
  }
}

/** A good commit with one file in it, for packs that are wrong elsewhere. */
export function good(name = 'good.txt'): { tip: BuiltObject; top: BuiltObject; file: BuiltObject; pack: PackBuilder } {
  const file = blob(`good ${name} ${randomUUID()}\n`)
  const top = tree(['100644', name, file.id])
  const tip = commit(top.id)
  return { tip, top, file, pack: new PackBuilder().addAll(tip, top, file) }
}

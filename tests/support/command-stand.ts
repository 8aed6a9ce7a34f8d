// The operator's command beside a server with the API, both on one database: what it prints, and how it ends.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openApi, type TestApi } from './api.ts'
import { stemma } from './command.ts'

export class CommandStand {
  readonly api: TestApi
  /** The command's data folder. */
  readonly folder: string

  private constructor(api: TestApi, folder: string) {
    this.api = api
    this.folder = folder
  }

  static async open(): Promise<CommandStand> {
    return new CommandStand(await openApi(), mkdtempSync(join(tmpdir(), 'stemma-command-')))
  }

  /** Ends well, and says nothing on standard error. */
  async ok(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.#run(args)
    assert.deepEqual([code, stderr], [0, ''], args.join(' '))
    return stdout
  }

  /** The same with `--json`: objects, one a line. */
  async json(...args: string[]): Promise<Record<string, unknown>[]> {
    const text = await this.ok(...args, '--json')
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  /** Ends with that code, and says why in one line. */
  async wrong(code: number, words: RegExp, ...args: string[]): Promise<void> {
    const done = await this.#run(args)
    assert.equal(done.code, code, args.join(' '))
    assert.match(done.stderr, /^stemma: [^\n]+\n$/)
    assert.match(done.stderr, words)
    assert.equal(done.stdout, '')
  }

  async close(): Promise<void> {
    await this.api.close()
    rmSync(this.folder, { recursive: true, force: true })
  }

  #run(args: readonly string[]) {
    return stemma([...args, '--data', this.folder], { DATABASE_URL: this.api.databaseUrl })
  }
}

// Forks and further accounts on a running server, made as the rooms make them: there is no request for that yet.
import { findRepository, forkRepository, type Visibility } from '../../src/access/index.ts'
import { makeLog } from '../../src/base/index.ts'
import { Database, type Queries } from '../../src/db/index.ts'
import { makeAccount, type TestAccount } from './accounts.ts'
import { databaseUrl } from './database.ts'
import type { Server } from './server.ts'

export class Forks {
  readonly #server: Server
  readonly #database: Database

  private constructor(server: Server, database: Database) {
    this.#server = server
    this.#database = database
  }

  /** Beside a running server. */
  static open(server: Server): Forks {
    return new Forks(server, new Database({ url: databaseUrl(server), poolSize: 2, log: makeLog('silent') }))
  }

  /** The server's own rows, for what no request tells. */
  get queries(): Queries {
    return this.#database.queries
  }

  account(login: string): Promise<TestAccount> {
    return makeAccount(this.#database, login)
  }

  /** A fork of `owner/name` in the account; its URL with the account's token. */
  async fork(source: readonly [owner: string, name: string], account: TestAccount, name: string, visibility: Visibility): Promise<string> {
    const found = await findRepository(this.#database.queries, ...source)
    if (!found) throw new Error(`no repository ${source.join('/')}`)
    await forkRepository(this.#database, { sourceId: found.id, ownerId: account.id, name, visibility, takesRef: () => true })
    return this.url(account, name)
  }

  url({ login, token }: TestAccount, name: string): string {
    return `${this.#server.url.replace('//', `//${login}:${token}@`)}/${login}/${name}.git`
  }

  close(): Promise<void> {
    return this.#database.close()
  }
}

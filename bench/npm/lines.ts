// The lines of the comparison: how many clients do what, for some seconds.
import { RegistryClient, type RegistryAnswer } from '../oci/client.ts'
import type { NpmContender } from './contenders.ts'
import { type PublishBody, publishBody } from './material.ts'

export interface Line {
  readonly name: string
  readonly clients: number
  readonly act: (client: NpmClient, turn: number, publish: PublishBody) => Promise<unknown>
  /** Of the file in each package that is published, made before the time begins to run; the round is over when they are all published. */
  readonly publishes?: { readonly bytes: number; readonly count: number }
}

const abbreviated = 'Accept: application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*'
const full = 'Accept: application/json'
const gzip = 'Accept-Encoding: gzip,deflate'

/** One client on one kept connection. */
export class NpmClient {
  readonly #contender: NpmContender
  readonly #client: RegistryClient
  readonly #publisher: RegistryClient
  readonly #etags = new Map<string, string>()

  constructor(contender: NpmContender) {
    this.#contender = contender
    this.#client = new RegistryClient(contender.port, contender.reader)
    this.#publisher = new RegistryClient(contender.port, contender.publisher)
  }

  close(): void {
    this.#client.close()
    this.#publisher.close()
  }

  async get(path: string, headers: readonly string[] = [], status = 200): Promise<RegistryAnswer> {
    const answer = await this.#client.send({ method: 'GET', path: `${this.#contender.prefix}/${path}`, headers })
    if (answer.status !== status)
      throw new Error(`${this.#contender.name}: GET ${path}: ${answer.status} ${answer.body.toString().slice(0, 300)}`)
    return answer
  }

  /** With the tag that the first answer had. */
  async getUnchanged(path: string, headers: readonly string[]): Promise<void> {
    let etag = this.#etags.get(path)
    if (etag === undefined) {
      etag = (await this.get(path, headers)).headers.get('etag') ?? ''
      this.#etags.set(path, etag)
    }
    await this.get(path, [...headers, `If-None-Match: ${etag}`], 304)
  }

  async publish({ name, body }: PublishBody): Promise<void> {
    const headers = ['Content-Type: application/json']
    const answer = await this.#publisher.send({ method: 'PUT', path: `${this.#contender.prefix}/${name}`, headers, body })
    if (answer.status >= 300)
      throw new Error(`${this.#contender.name}: PUT ${name}: ${answer.status} ${answer.body.toString().slice(0, 300)}`)
  }
}

async function publishVersions(contender: NpmContender, name: string, count: number, bytes: number): Promise<void> {
  const client = new NpmClient(contender)
  for (let n = 0; n < count; n++) await client.publish(publishBody(name, `1.0.${n}`, bytes))
  client.close()
}

/** Packages of this run: names that nobody has used yet. */
let packages = 0

/** For one round: the same for each of the registries. */
export function bodiesFor({ publishes }: Line): PublishBody[] {
  if (publishes === undefined) return []
  return Array.from({ length: publishes.count }, () => publishBody(`package-${process.pid}-${packages++}`, '1.0.0', publishes.bytes))
}

const reads: readonly Line[] = [
  { name: 'packument of 10 versions, abbreviated', clients: 50, act: (client) => client.get('ten-versions', [abbreviated, gzip]) },
  { name: 'packument of 200 versions, abbreviated', clients: 50, act: (client) => client.get('many-versions', [abbreviated, gzip]) },
  { name: 'packument of 200 versions, full', clients: 50, act: (client) => client.get('many-versions', [full, gzip]) },
  {
    name: 'packument of 200 versions, unchanged (304)',
    clients: 50,
    act: (client) => client.getUnchanged('many-versions', [abbreviated, gzip]),
  },
  { name: 'tarball of 30 KiB', clients: 50, act: (client, turn) => client.get(`ten-versions/-/ten-versions-1.0.${turn % 10}.tgz`) },
  { name: 'tarball of 1 MiB', clients: 50, act: (client, turn) => client.get(`large/-/large-1.0.${turn % 4}.tgz`) },
]

const publish: Line['act'] = (client, _turn, body) => client.publish(body)
const publishes: readonly Line[] = [
  { name: 'publish of 20 KiB, a new package each', clients: 10, publishes: { bytes: 20 << 10, count: 2000 }, act: publish },
  { name: 'publish of 1 MiB, a new package each', clients: 10, publishes: { bytes: 1 << 20, count: 200 }, act: publish },
]

export const lines: readonly Line[] = [...reads, ...publishes]

/** What the reads read. */
export async function prepare(contender: NpmContender): Promise<void> {
  await publishVersions(contender, 'ten-versions', 10, 30 << 10)
  await publishVersions(contender, 'many-versions', 200, 1 << 10)
  await publishVersions(contender, 'large', 4, 1 << 20)
}

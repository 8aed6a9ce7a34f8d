// A process that dies at a certain step: from then on neither its database nor its bucket answer, so that not even its tidying up happens.
import { UnavailableError } from '../../src/base/index.ts'
import type { Bucket } from '../../src/bucket/index.ts'
import type { Database, TransactionOptions, Tx } from '../../src/db/index.ts'
import { Snapshots } from '../../src/db/snapshots.ts'

export class Fuse {
  /** Steps until death; counted down by every statement, commit and request. */
  left: number
  steps = 0

  constructor(left: number) {
    this.left = left
  }

  get isBurnt(): boolean {
    return this.left <= 0
  }

  burn(): void {
    this.steps++
    if (this.left-- <= 0) throw new UnavailableError('dead', 'the process is dead')
  }

  /** The same database, until the fuse has burnt. */
  database(inner: Database): Database {
    // queries that are built once aren't transformed: death comes behind them, before anybody is told
    const counted = new WeakSet<object>()
    const plugin = {
      transformQuery: (args: { node: unknown; queryId: object }) => {
        counted.add(args.queryId)
        this.burn()
        return args.node
      },
      transformResult: async (args: { result: unknown; queryId: object }) => {
        if (!counted.has(args.queryId)) this.burn()
        return args.result
      },
    } as unknown as Parameters<Tx['withPlugin']>[0]
    const queries = inner.queries.withPlugin(plugin)
    const fused = {
      queries,
      snapshots: new Snapshots(queries),
      transaction: async <T>(run: (tx: Tx) => Promise<T>, options?: TransactionOptions): Promise<T> => {
        const result = await inner.transaction(async (tx) => {
          const made = await run(tx.withPlugin(plugin) as Tx)
          this.burn() // dead before the commit
          return made
        }, options)
        this.burn() // dead after it, before anybody was told
        return result
      },
    }
    return fused as unknown as Database
  }

  /** The same bucket, until the fuse has burnt; a request that dies has been done or not, by turns. */
  bucket(inner: Bucket): Bucket {
    return new Proxy(inner, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        if (name === 'uploadFile') {
          return (...args: Parameters<Bucket['uploadFile']>) => {
            const upload = target.uploadFile(...args)
            return {
              advance: (sizeBytes: number) => upload.advance(sizeBytes),
              complete: (sizeBytes: number) => this.#act(() => upload.complete(sizeBytes)),
              abort: async () => {
                if (!this.isBurnt) await upload.abort()
              },
            }
          }
        }
        if (name === 'put' || name === 'delete') return (...args: unknown[]) => this.#act(() => value.apply(target, args) as Promise<void>)
        return value.bind(target) as unknown
      },
    })
  }

  async #act(act: () => Promise<void>): Promise<void> {
    if (this.left === 0 && this.steps % 2 === 0) await act()
    this.burn()
    await act()
  }
}

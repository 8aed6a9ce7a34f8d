// What a request may build upon: objects that visible refs reach, and those that the repository wrote itself a while ago (docs/design/api-writes.md).
import { fromHex, InputError } from '../../base/index.ts'
import { type Kind, kindName, type ObjectId } from '../format/object-id.ts'
import { BuildableObjects } from '../receive-pack/buildable.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'

export interface Permission {
  /** Packed ids of what visible refs point to. */
  readonly tips: Uint8Array
  /** Packed ids of those among them that the request probably rests on. */
  readonly likely: Uint8Array
  /** Of the ids that the request names, those that the repository wrote itself. */
  readonly own: readonly ObjectId[]
}

export class Permitted {
  readonly #repository: PacedRepository
  readonly #buildable: BuildableObjects
  readonly #own: ReadonlySet<string>

  constructor(repository: PacedRepository, { likely, own, tips }: Permission) {
    this.#repository = repository
    this.#buildable = new BuildableObjects(repository, tips, likely)
    this.#own = new Set(own)
  }

  /** Of each, its kind; 0: there is no such object, for this request. */
  async kinds(oids: readonly ObjectId[]): Promise<(Kind | 0)[]> {
    const { set } = this.#repository
    const asked = oids.filter((oid) => !this.#own.has(oid))
    const found = await this.#buildable.kinds(Buffer.from(asked.join(''), 'hex'))
    const reached = new Map(asked.map((oid, i) => [oid, found[i] as Kind | 0]))
    return oids.map((oid) => {
      if (!this.#own.has(oid)) return reached.get(oid) ?? 0
      const number = set.find(fromHex(oid), 0)
      return number < 0 ? 0 : set.kind(number)
    })
  }

  /** The objects' numbers. InputError `no-such-object` unless each is there, and of that kind. */
  async numbers(oids: readonly ObjectId[], kind: Kind, field: string): Promise<number[]> {
    const kinds = await this.kinds(oids)
    return oids.map((oid, i) => {
      if (kinds[i] === 0) throw new InputError('object-missing', `${field}: object ${oid} does not exist`)
      if (kinds[i] !== kind) throw new InputError('object-kind', `${field}: object ${oid} is not a ${kindName(kind)}`)
      return this.#repository.set.find(fromHex(oid), 0)
    })
  }
}

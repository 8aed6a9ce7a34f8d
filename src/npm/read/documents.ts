// Documents as they are sent: made once for each revision of a package, form, coding and registry, however many ask, and kept in memory.
import { createHash } from 'node:crypto'
import type { Package } from '../../access/index.ts'
import { Places, Recent } from '../../base/index.ts'
import type { Database, Moment, Tx } from '../../db/index.ts'
import { abbreviatedType, type Coding, type PackumentForm } from '../format/accept.ts'
import { fullVersion, packumentText, type RegistryBase } from '../format/packument.ts'
import { packed } from './packing.ts'
import { readFacts, readVersion, readVersions, revisionOf } from './packument-rows.ts'
import { type Signer, type UnsignedVersion, unsignedVersions } from './signer.ts'

export interface WantedDocument {
  /** The package's, or that of one version or tag. */
  readonly of: PackumentForm | { readonly version: string }
  readonly coding: Coding
  readonly base: RegistryBase
}

export interface Document {
  readonly revision: number
  readonly type: string
  readonly coding: Coding
  /** Strong: of the bytes as they are sent. */
  readonly etag: string
  readonly bytes: Uint8Array
}

/** What is kept of a document beside its bytes. */
const overheadBytes = 500
/** Documents made at one time: each holds a connection to the database, and some MiB. */
const mostAtOnce = 2

/** Lives as long as the server. */
export class Documents {
  readonly #db: Database
  readonly #signer: Signer
  readonly #kept: Recent<Document>
  readonly #places = new Places(mostAtOnce)
  /** By key and revision: who asks for the same at the same time gets the same. */
  readonly #underWay = new Map<string, Promise<Document | null>>()

  constructor(db: Database, signer: Signer, keptBytes: number) {
    this.#db = db
    this.#signer = signer
    this.#kept = new Recent(keptBytes)
  }

  /** Null: the package has no such version, or none at all. InputError 'document-large'. */
  async find(at: Database | Moment, one: Package, wanted: WantedDocument): Promise<Document | null> {
    const revision = await revisionOf(at, one.id)
    if (revision === null) return null
    const { of, coding, base } = wanted
    const key = `${one.id} ${typeof of === 'string' ? of : `version ${of.version}`} ${coding} ${base}`
    const kept = this.#kept.get(key)
    if (kept !== undefined && kept.revision >= revision) return kept
    const flight = `${revision} ${key}`
    let making = this.#underWay.get(flight)
    if (making === undefined) {
      making = this.#make(one, wanted, key).finally(() => this.#underWay.delete(flight))
      this.#underWay.set(flight, making)
    }
    return making
  }

  async #make(one: Package, wanted: WantedDocument, key: string): Promise<Document | null> {
    const free = await this.#places.take()
    try {
      for (;;) {
        const made = await this.#db.transaction((tx) => makeDocument(tx, one, wanted), { isolation: 'repeatable read', isReadOnly: true })
        if (made !== null && 'length' in made) {
          await this.#signer.signVersions(one.name, made)
          continue
        }
        if (made !== null) this.#kept.set(key, made, made.bytes.length + overheadBytes)
        return made
      }
    } finally {
      free()
    }
  }
}

/** Versions that have no signature yet, in place of a document: it would be without them for ever. */
async function makeDocument(
  tx: Tx,
  { id }: Package,
  { of, coding, base }: WantedDocument,
): Promise<Document | readonly UnsignedVersion[] | null> {
  const bare = await unsignedVersions(tx, id)
  if (bare.length > 0) return bare
  const facts = await readFacts(tx, id)
  if (facts === null) return null
  let text: AsyncIterable<string>
  if (typeof of === 'string') {
    const versions = readVersions(tx, id)
    const first = await versions.next()
    if (first.done === true) return null
    text = packumentText(facts, resumed(first.value, versions), { form: of, base })
  } else {
    const version = await readVersion(tx, id, of.version)
    if (version === null) return null
    text = only(fullVersion(facts.name, version, base))
  }
  const bytes = await packed(text, coding)
  const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 27)}"`
  return { revision: facts.revision, type: of === 'abbreviated' ? abbreviatedType : 'application/json', coding, etag, bytes }
}

async function* resumed<T>(first: T, rest: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
  yield first
  yield* rest
}

async function* only(text: string): AsyncGenerator<string, void, undefined> {
  yield text
}

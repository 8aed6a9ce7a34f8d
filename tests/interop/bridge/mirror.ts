// One repository on disk and the hosted one that stands for it in the server. `update` brings that in line with the disk; nothing is asked of
// the objects but their names and what they refer to.
import { createRepository, type NetworkId, type Repository } from '../../../src/access/index.ts'
import { fromHex } from '../../../src/base/index.ts'
import { packKey } from '../../../src/bucket/index.ts'
import { sql } from '../../../src/db/index.ts'
import { isRefname, Kind, type ObjectFormat, objectIdOf, parseTagTarget } from '../../../src/git/format/index.ts'
import { namespacePrefix } from '../../../src/git/refs/index.ts'
import { listObjects } from './disk-objects.ts'
import { type DiskRefs, readRefs, readShallow } from './disk-refs.ts'
import { hostedSettings, readConfig } from './disk-settings.ts'
import { Lock } from './lock.ts'
import { readObjects } from './object-reader.ts'
import { PackBuilder } from './pack-builder.ts'
import type { DiskPlace } from './place.ts'
import type { BridgedServer } from './server.ts'

/** The hosted side. */
export interface Hosted {
  readonly repository: Repository
  /** What was last written to its rows; empty: not known any more. */
  refs: string
  settings: string
}

/** The refs that a request is about. */
export interface Namespace {
  /** As in GIT_NAMESPACE; empty: none. */
  readonly name: string
  /** What its HEAD points to, without the namespace; null where there is none. */
  readonly head: string | null
}

const packBytes = 32 << 20
let made = 0

export class Mirror {
  readonly lock = new Lock()
  readonly #server: BridgedServer
  #place: DiskPlace
  #format: ObjectFormat = 'sha1'
  #networkId: NetworkId | null = null
  #fingerprint = ''
  #known = new Set<string>()
  readonly #targets = new Map<string, string>()
  #hosted: Hosted | null = null

  constructor(server: BridgedServer, place: DiskPlace) {
    this.#server = server
    this.#place = place
  }

  get place(): DiskPlace {
    return this.#place
  }

  get format(): ObjectFormat {
    return this.#format
  }

  has(oid: string): boolean {
    return this.#known.has(oid)
  }

  /** Caller holds the lock. */
  async update(
    place: DiskPlace,
    environment: ReadonlyMap<string, string>,
    isPush: boolean,
  ): Promise<{ hosted: Hosted; namespace: Namespace }> {
    const config = await readConfig(place)
    if (place.identity !== this.#place.identity || config.objectFormat !== this.#format) this.#forget()
    this.#place = place
    this.#format = config.objectFormat
    // refs first: what they point to is then among the objects
    const refs = await readRefs(place)
    await this.#updateObjects()
    const hosted = this.#hosted ?? (await this.#makeHosted())
    await this.#updateRefs(hosted, this.#seen(refs, isPush))
    const shallow = readShallow(place.gitDir)
    const settings = { ...hostedSettings(place, config, environment), ...(shallow.length > 0 ? { 'stemma.shallow': shallow } : {}) }
    await this.#updateSettings(hosted, JSON.stringify(settings))
    return { hosted, namespace: namespaceOf(environment.get('GIT_NAMESPACE') ?? '', refs) }
  }

  /** After a push: the hosted rows are no longer what `update` wrote. */
  touched(hosted: Hosted): void {
    hosted.refs = ''
  }

  #forget(): void {
    this.#networkId = null
    this.#fingerprint = ''
    this.#known = new Set()
    this.#targets.clear()
    this.#hosted = null
  }

  async #updateObjects(): Promise<void> {
    const listing = listObjects(this.#place.gitDir, this.#format === 'sha1' ? 40 : 64)
    if (this.#networkId !== null && listing.fingerprint === this.#fingerprint) return
    const ids = listing.ids()
    for (const id of this.#known) {
      if (ids.has(id)) continue
      this.#forget() // something was taken away: the server may not have it either
      break
    }
    const networkId = this.#networkId ?? (await this.#makeNetwork())
    const { set } = await this.#server.room.packs.open(networkId)
    const wanted: string[] = []
    for (const id of ids) {
      if (this.#known.has(id)) continue
      const number = set.find(fromHex(id), 0)
      // what came by a push is there already; of tags the bridge has to know more
      if (number < 0 || set.kind(number) === Kind.tag) wanted.push(id)
      else this.#known.add(id)
    }
    await this.#takeIn(networkId, wanted)
    this.#fingerprint = listing.fingerprint
  }

  async #takeIn(networkId: NetworkId, ids: readonly string[]): Promise<void> {
    let builder = new PackBuilder(this.#format)
    for await (const object of readObjects(this.#place, ids)) {
      await builder.add(object)
      this.#known.add(object.oid)
      if (object.kind === Kind.tag) this.#rememberTarget(object.oid, object.bytes)
      if (builder.sizeBytes < packBytes) continue
      await this.#store(networkId, builder)
      builder = new PackBuilder(this.#format)
    }
    if (!builder.isEmpty) await this.#store(networkId, builder)
  }

  #rememberTarget(oid: string, bytes: Uint8Array): void {
    try {
      this.#targets.set(oid, parseTagTarget(bytes, this.#format).object)
    } catch {
      // a tag that names nothing peels to nothing
    }
  }

  async #store(networkId: NetworkId, builder: PackBuilder): Promise<void> {
    const { db, bucket, room } = this.#server
    const built = builder.build()
    const isTail = built.value.length <= room.options.tailBytes
    const key = isTail ? null : packKey(room.options.randomness.uuid())
    if (key !== null) await bucket.put(key, built.value)
    await db.transaction(async (tx) => {
      await tx
        .insertInto('pack')
        .values({
          network_id: networkId,
          key,
          tail: key === null ? Buffer.from(built.value) : null,
          size_bytes: built.value.length,
          pack_bytes: built.packBytes,
          object_count: built.objectCount,
        })
        .execute()
      await sql`update network set packs_version = packs_version + 1 where id = ${networkId}`.execute(tx)
    })
  }

  async #makeNetwork(): Promise<NetworkId> {
    const row = await this.#server.db.queries
      .insertInto('network')
      .values({ object_format: this.#format })
      .returning('id')
      .executeTakeFirstOrThrow()
    this.#networkId = row.id as NetworkId
    // git knows it without having it
    const builder = new PackBuilder(this.#format)
    const bytes = new Uint8Array(0)
    await builder.add({ oid: objectIdOf(Kind.tree, bytes, this.#format), kind: Kind.tree, bytes })
    await this.#store(this.#networkId, builder)
    return this.#networkId
  }

  async #makeHosted(): Promise<Hosted> {
    const { db, owner } = this.#server
    const options = { ownerId: owner.accountId, name: `disk-${++made}`, visibility: 'private', objectFormat: this.#format } as const
    const repository = await createRepository(db, options)
    const networkId = this.#networkId as NetworkId
    await db.queries.updateTable('repository').set({ network_id: networkId }).where('id', '=', repository.id).execute()
    const hosted: Hosted = { repository: { ...repository, networkId }, refs: '', settings: '' }
    this.#hosted = hosted
    return hosted
  }

  /** What the hosted rows are to say. Refs whose object isn't there are left out, as git does it for fetches; pushes may still move them. */
  #seen({ head, refs: all }: DiskRefs, isPush: boolean): SeenRefs {
    const refs: [string, string, string | null][] = []
    for (const [name, oid] of all) if ((isPush || this.#known.has(oid)) && isRefname(name)) refs.push([name, oid, this.#peeled(oid)])
    const detached = 'oid' in head && this.#known.has(head.oid) ? head.oid : 'refs/heads/.invalid'
    return { head: 'ref' in head ? head.ref : detached, refs }
  }

  #peeled(oid: string): string | null {
    let target = this.#targets.get(oid)
    for (let next = target, depth = 0; next !== undefined && depth < 100; depth++) {
      target = next
      next = this.#targets.get(target)
    }
    return target !== undefined && this.#known.has(target) ? target : null
  }

  async #updateRefs(hosted: Hosted, { head, refs }: SeenRefs): Promise<void> {
    const state = `${head}\n${refs.map((ref) => ref.join(' ')).join('\n')}`
    if (state === hosted.refs) return
    const { id } = hosted.repository
    await this.#server.db.transaction(async (tx) => {
      await sql`delete from ref where repository_id = ${id}`.execute(tx)
      await sql`
        insert into ref (repository_id, name, oid, peeled)
        select ${id}, * from unnest(${refs.map(([name]) => name)}::text[], ${refs.map(([, oid]) => Buffer.from(oid, 'hex'))}::bytea[],
          ${refs.map(([, , peeled]) => (peeled === null ? null : Buffer.from(peeled, 'hex')))}::bytea[])`.execute(tx)
      await sql`update repository set refs_version = refs_version + 1, head = ${head} where id = ${id}`.execute(tx)
    })
    hosted.refs = state
  }

  async #updateSettings(hosted: Hosted, settings: string): Promise<void> {
    if (settings === hosted.settings) return
    const { id } = hosted.repository
    await sql`update repository set settings = ${settings}::jsonb, refs_version = refs_version + 1 where id = ${id}`.execute(
      this.#server.db.queries,
    )
    hosted.settings = settings
  }
}

interface SeenRefs {
  readonly head: string
  readonly refs: readonly (readonly [name: string, oid: string, peeled: string | null])[]
}

function namespaceOf(name: string, { heads }: DiskRefs): Namespace {
  const prefix = namespacePrefix(name)
  const head = prefix === '' ? undefined : heads.get(`${prefix}HEAD`)
  return { name, head: head === undefined || 'oid' in head ? null : head.ref.replace(prefix, '') }
}

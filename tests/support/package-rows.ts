// Packages that are versions with files, as rows, written as their formats write them, without their protocols.
import { randomBytes } from 'node:crypto'
import { findPackageById, operator, type Package, type PackageFormat, type PackageId } from '../../src/access/index.ts'
import { addFile, insertVersion, type VersionId } from '../../src/packages/index.ts'
import { sql } from '../../src/db/index.ts'
import type { Digest } from '../../src/store/index.ts'
import { put } from './content.ts'
import { makeOwner, type RowHost } from './oci-rows.ts'

let count = 0

export interface VersionedPackage {
  readonly one: Package
  publish(version: string, files: Readonly<Record<string, Uint8Array>>): Promise<VersionId>
}

/** In an account of its own, unless one is named. */
export async function makeVersioned(
  host: RowHost,
  format: PackageFormat,
  { ownerId, name = `package${++count}` }: { readonly ownerId?: number; readonly name?: string } = {},
): Promise<VersionedPackage> {
  const { database: db } = host.db
  const owner = ownerId ?? (await makeOwner(db))
  const { rows } = await sql<{ id: PackageId }>`
    insert into package (owner_id, format, name, visibility) values (${owner}, ${format}, ${name}, 'private') returning id`.execute(
    db.queries,
  )
  const one = (await findPackageById(db.queries, rows[0]?.id as PackageId)) as Package
  return {
    one,
    publish: async (version, files) => {
      const contents = new Map<string, Digest>()
      for (const [name, bytes] of Object.entries(files)) contents.set(name, (await put(host.store, bytes)).digest)
      return db.transaction(async (tx) => {
        const id = await insertVersion(tx, one, { version, key: version.toLowerCase() }, operator)
        for (const [name, content] of contents) {
          const sizeBytes = files[name]?.length ?? 0
          const file = { name, content, sizeBytes, sha1: randomBytes(20), sha512: randomBytes(64) }
          await addFile(tx, host.store, one, id, file, { isLimited: false })
        }
        return id
      })
    },
  }
}

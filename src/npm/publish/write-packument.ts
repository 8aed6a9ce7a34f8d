// The document that npm asks for to write it back (`?write=true`): no more than what may be changed in it, so that packages of any number of versions fit into what a
// client may send. docs/design/npm.md, What is written back.
import type { Package } from '../../access/index.ts'
import type { Database } from '../../db/index.ts'
import { formatIntegrity } from '../format/integrity.ts'
import { revisionText } from './change-rows.ts'

/**
 * Null: nothing was published yet.
 * @param base where the registry is: `https://registry.example.org/npm/acme`
 */
export async function packumentToWrite(db: Database, one: Package, base: string): Promise<unknown> {
  return db.transaction(
    async (tx) => {
      const row = await tx.selectFrom('npm_package').select(['revision', 'modified_at']).where('package_id', '=', one.id).executeTakeFirst()
      if (row === undefined) return null
      const versions = await tx
        .selectFrom('package_version')
        .innerJoin('npm_version', 'npm_version.version_id', 'package_version.id')
        .innerJoin('package_file', 'package_file.version_id', 'package_version.id')
        .select(['package_version.version', 'npm_version.deprecated', 'package_file.name', 'package_file.sha512'])
        .where('package_version.package_id', '=', one.id)
        .orderBy('package_version.id')
        .execute()
      const tags = await tx
        .selectFrom('npm_tag')
        .innerJoin('package_version', 'package_version.id', 'npm_tag.version_id')
        .select(['npm_tag.tag', 'package_version.version'])
        .where('npm_tag.package_id', '=', one.id)
        .execute()
      const { name } = one
      return {
        _id: name,
        _rev: revisionText(one.id, row.revision),
        name,
        'dist-tags': Object.fromEntries(tags.map(({ tag, version }) => [tag, version])),
        versions: Object.fromEntries(
          versions.map(({ version, deprecated, name: file, sha512 }) => [
            version,
            {
              name,
              version,
              ...(deprecated === null ? {} : { deprecated }),
              dist: { tarball: `${base}/${name}/-/${file}`, ...(sha512 === null ? {} : { integrity: formatIntegrity(sha512) }) },
            },
          ]),
        ),
        time: { modified: row.modified_at },
      }
    },
    { isolation: 'repeatable read', isReadOnly: true },
  )
}

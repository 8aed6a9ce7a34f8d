// Files against the content that they stand for, of every format whose versions have files.
import type { Queries } from '../db/index.ts'
import { packageReferences } from './content-holds.ts'
import type { ContentKeeping, KeptFinding } from './format-room.ts'
import { holdRows, type KeptRows, looseRows } from './kept-rows.ts'

const files: KeptRows = { table: 'package_file', first: 'version_id', second: 'name', references: packageReferences }

const missingAdvice =
  '`stemma fsck --rebuild` finds it where it lies in the bucket; else restore it from a backup, or publish the version again under another number'

export const fileKeeping: ContentKeeping = { check: checkFiles, holdAgain: (queries) => holdRows(queries, files) }

async function* checkFiles(queries: Queries): AsyncGenerator<KeptFinding, void, undefined> {
  for await (const { name, content, isStored, format, of } of looseRows(queries, files)) {
    const facts = { severity: 'error', content } as const
    const file = `file ${String(name)} of the package ${format} ${of}`
    if (!isStored) yield { ...facts, code: 'package-content-missing', message: `the ${file} has no content`, advice: missingAdvice }
    else
      yield {
        ...facts,
        code: 'package-unheld',
        message: `nothing keeps the content of the ${file}`,
        advice: '`stemma fsck --rebuild` holds it again',
      }
  }
}

// `OWNER/REPO` on the command line, and the repository that it names.
import { findRepository, type Repository } from '../access/index.ts'
import { InputError } from '../base/index.ts'
import type { Database } from '../db/index.ts'
import { UsageError } from './usage.ts'

export interface RepositoryName {
  readonly owner: string
  readonly name: string
}

/** UsageError for anything but `OWNER/REPO`; `.git` at the end is passed over. */
export function parseRepository(text: string): RepositoryName {
  const [owner = '', name = '', rest] = text.replace(/\.git$/, '').split('/')
  if (owner === '' || name === '' || rest !== undefined) throw new UsageError(`'${text}' is not OWNER/REPO`)
  return { owner, name }
}

/** InputError 'no-repository' when it isn't there. */
export async function repositoryNamed({ queries }: Database, wanted: RepositoryName): Promise<Repository> {
  const found = await findRepository(queries, wanted.owner, wanted.name)
  if (found === null) throw noRepository(wanted)
  return found
}

export function noRepository({ owner, name }: RepositoryName): InputError {
  return new InputError('no-repository', `there is no repository '${owner}/${name}'; stemma repository list shows those that there are`)
}

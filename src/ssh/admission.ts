// Who calls, by the key that he holds, and whether he may: asked for every command, and again when its client was waited for. A key that was deleted
// opens nothing more, on connections that are open, too.
import {
  type Action,
  admitToRepository,
  type FindKeyCall,
  type Identity,
  type KeyBearer,
  type Repository,
  type RepositoryToCreate,
} from '../access/index.ts'
import type { Database } from '../db/index.ts'
import type { RepositoryPath } from './command-line.ts'

export interface Admitted {
  readonly bearer: KeyBearer
  readonly identity: Identity
  readonly repository: Repository | null
  readonly repositoryToCreate: RepositoryToCreate | null
}
export type SshAdmission = 'no-key' | 'suspended' | 'hidden' | 'forbidden' | Admitted

export interface AdmissionParts {
  readonly db: Database
  readonly findCall: FindKeyCall
  /** A push to a repository that doesn't exist creates it, when the caller may. */
  readonly isCreatingOnPush: boolean
}

/** A path that names no repository that could exist is looked up, too: as one that nobody has. */
export async function admit(parts: AdmissionParts, fingerprint: Uint8Array, action: Action, path: RepositoryPath): Promise<SshAdmission> {
  const { owner, repo: name } = path ?? { owner: '.', repo: '.' }
  const { bearer, target } = await parts.findCall(parts.db.queries, fingerprint, owner, name)
  if (bearer === null) return 'no-key'
  if (bearer === 'suspended') return bearer
  const { identity } = bearer
  const admission = admitToRepository(identity, action, { target, name, isCreatingOnPush: parts.isCreatingOnPush })
  if (admission.verdict !== 'allowed') return admission.verdict
  const { repository } = admission
  return { bearer, identity, repository, repositoryToCreate: repository === null ? admission.toCreate : null }
}

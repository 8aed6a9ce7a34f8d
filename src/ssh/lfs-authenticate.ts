// git-lfs-authenticate (git-lfs, docs/api/server-discovery.md): a key that was shown over SSH becomes a token that is good over HTTP, for one
// repository and one operation.
import { actorBy, createOrFind, issueLfsToken, type LfsOperation, type RepositoryId } from '../access/index.ts'
import type { Clock, Randomness } from '../base/index.ts'
import type { Database } from '../db/index.ts'
import type { Admitted } from './admission.ts'

/** Long enough for the objects of one push: git-lfs asks again when it is over. */
const lifetimeS = 3600

export interface LfsParts {
  readonly db: Database
  readonly clock: Clock
  readonly randomness: Randomness
  /** Where the server is reached over HTTP; no slash at the end. */
  readonly httpUrl: () => string
}

/** The answer's line. An upload to a repository that a push would create is the beginning of that push, and creates it. */
export async function lfsAuthenticate(parts: LfsParts, admitted: Admitted, operation: LfsOperation, fullName: string): Promise<string> {
  const { clock, db, httpUrl, randomness } = parts
  const { bearer, identity } = admitted
  const repositoryId = await repositoryIn(parts, admitted)
  const wanted = { identity, keyId: bearer.keyId, repositoryId, operation, lifetimeS }
  const secret = await db.transaction(async (tx) => await issueLfsToken(tx, wanted, { clock, randomness }))
  const answer = {
    href: `${httpUrl()}/${fullName}.git/info/lfs`,
    header: { Authorization: `Bearer ${secret}` },
    expires_in: lifetimeS,
  }
  return `${JSON.stringify(answer)}\n`
}

async function repositoryIn({ db, randomness }: LfsParts, { identity, repository, repositoryToCreate }: Admitted): Promise<RepositoryId> {
  if (repository !== null) return repository.id
  if (repositoryToCreate === null) throw new Error('admitted to nothing')
  const made = await createOrFind(db, { ...repositoryToCreate, networkId: randomness.uuid(), actor: actorBy(identity) })
  return made.id
}

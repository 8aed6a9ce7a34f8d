// One call of a git service, whatever it came by: what the gate has found and what the transport brings, and where the answer goes. The services
// (serve-fetch, serve-push, archive) know nothing else of HTTP or SSH.
import { type Actor, type Identity, identityKey, type Repository, type RepositoryToCreate } from '../access/index.ts'
import { addressKey, notFound } from '../http/index.ts'
import { noHooks, type PushHooks } from './receive-pack/index.ts'
import { everything, type RefScope } from './refs/index.ts'

/** Said by nobody from outside: a front end that runs in this process (GitRoomOptions.contextOf) alone can give one. */
export type GitContext = Pick<RefScope, 'namespace' | 'namespaceHead'>

export interface GitCall {
  readonly identity: Identity
  /** Null: a push is about to create it. */
  readonly repository: Repository | null
  readonly repositoryToCreate: RepositoryToCreate | null
  /** The caller, as the audit names him. */
  readonly actor: Actor
  /** The path's two parts, as they were given: by which name the caller knows the repository. */
  readonly path: { readonly owner: string; readonly repo: string }
  readonly version: ProtocolVersion
  /** Client and server go on talking about the same fetch or push (SSH), instead of every request saying all again (HTTP). */
  readonly isStateful: boolean
  readonly context: GitContext
  readonly hooks: PushHooks
}

/** Of a call from outside, where nobody speaks for others. */
export const everywhere: Pick<GitCall, 'context' | 'hooks'> = { context: everything, hooks: noHooks }

export type ProtocolVersion = 0 | 1 | 2

/** What the client asks for in `Git-Protocol` or GIT_PROTOCOL: `version=2`, among other things (gitprotocol-v2(5), "HTTP Transport", "SSH and File Transport"). */
export function protocolVersion(text: string): ProtocolVersion {
  const versions = [...text.matchAll(/(?:^|:)version=([012])(?=:|$)/g)].map((match) => Number(match[1]))
  return Math.max(0, ...versions) as ProtocolVersion
}

/** For whom a call takes places that are shared: the caller, or the address of one who is nobody in particular. */
export function placeKey({ identity, actor }: Pick<GitCall, 'identity' | 'actor'>): string {
  return identityKey(identity) ?? addressKey(actor.ip ?? '')
}

/** The repository, where the service needs one that is there; Refusal 404 otherwise. */
export function repositoryIn({ repository }: Pick<GitCall, 'repository'>): Repository {
  if (repository === null) throw notFound()
  return repository
}

/** Where an answer goes. */
export interface GitAnswer {
  /** Aborted when nobody reads it any more. */
  readonly gone: AbortSignal
  /** As FrameSink has it. Resolves when there is room for more, or nobody to send it to. */
  write(bytes: Uint8Array): Promise<void> | undefined
  /** It is whole. */
  end(bytes?: Uint8Array): void
  /** The client has been told of a failure, these being the last bytes of it: it will ask for nothing more. */
  fail(bytes?: Uint8Array): void
  /** It ends in the middle, and there is no way to say so: the client must not take what it has for the whole. */
  break(): void
}

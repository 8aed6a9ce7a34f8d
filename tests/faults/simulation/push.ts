// A client's push to one node of a simulated run, byte for byte as git sends it, without a connection in between.
import { findRepositoryById, readableSiblings, type RepositoryId } from '../../../src/access/index.ts'
import { InputError } from '../../../src/base/index.ts'
import { noHooks, receivePack } from '../../../src/git/receive-pack/index.ts'
import { everything } from '../../../src/git/refs/index.ts'
import { pushBody, readReport, zeroId } from '../../support/wire.ts'
import type { SimulatedNode } from './node.ts'
import type { Change, Outcome } from './repositories.ts'
import type { World } from './world.ts'

const emptyPack = Buffer.from('5041434b0000000200000000029d08823bd8a8eab510ad6ac75c823cfd3ed31e', 'hex')

/** What the client was told, for each change; null: nothing. */
export interface Told {
  readonly outcomes: readonly (Exclude<Outcome, 'doubtful'> | null)[]
  /** All that the server said. */
  readonly text: string
}

export async function sendPush(
  { account }: Pick<World, 'account'>,
  node: SimulatedNode,
  repositoryId: RepositoryId,
  changes: readonly Change[],
  pack: Uint8Array | null,
  isAtomic: boolean,
): Promise<Told> {
  const { room } = node
  const repository = await findRepositoryById(node.db.queries, repositoryId) // as the gate does
  if (!repository) throw new InputError('repository-deleted', 'the repository was deleted')
  const commands = changes.map(({ ref, old, new: value }) => ({ ref, old: old ?? zeroId, new: value ?? zeroId }))
  const isBringing = commands.some((command) => command.new !== zeroId)
  const capabilities = `report-status side-band-64k${isAtomic ? ' atomic' : ''} object-format=sha1`
  const body = pushBody(commands, isBringing ? (pack ?? emptyPack) : new Uint8Array(0), capabilities)
  const said: Uint8Array[] = []
  const identity = { kind: 'account', accountId: account.id, login: account.login, isAdmin: true, grant: null, tokenId: 0 } as const
  await receivePack(room.receive, {
    objectFormat: 'sha1',
    target: { repositoryId: repository.id, networkId: repository.networkId, refsVersion: repository.refsVersion },
    newNetworkId: '',
    create: () => Promise.reject(new Error('nothing is created')),
    by: { kind: 'account', accountId: account.id, role: 'admin' },
    settings: room.settings.read({ 'receive.denydeletecurrent': ['ignore'] }),
    quota: async () => null,
    scope: everything,
    hooks: noHooks,
    nonces: { seed: null, repository: '', format: 'sha1', slopS: 0 },
    isPushee: () => false,
    siblingTips: async () => {
      if (!repository.isShared) return []
      const siblings = await readableSiblings(node.db.queries, identity, repository, 16)
      const found = await Promise.all(siblings.map(({ id, refsVersion }) => room.refs.read(id, refsVersion).catch(() => null)))
      return found.flatMap((snapshot) => snapshot?.refs.map(({ oid }) => oid) ?? [])
    },
    body: pieces(body),
    open: () => ({
      write: (bytes) => void said.push(bytes.slice()),
      end: (bytes) => void said.push(bytes ?? new Uint8Array(0)),
    }),
  })
  const { refs, text, unpack } = readReport({ status: 200, headers: {}, body: Buffer.concat(said) }, true)
  const outcomes = changes.map(({ ref }) => {
    const word = refs.get(ref)
    return word === undefined ? null : word === 'ok' ? 'done' : 'refused'
  })
  return { outcomes, text: `${unpack} ${[...refs].join(' ')} ${text}` }
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += 4096) yield bytes.subarray(at, at + 4096)
}

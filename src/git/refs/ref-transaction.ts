// Moves refs: one PostgreSQL transaction that compares and swaps each ref, writes the reflog and the outbox, and makes the pack that the
// new values need visible. Either all of that is committed or none.
import { type AccountId, chargeOwner, ownerLimit } from '../../access/index.ts'
import { hex } from '../../base/index.ts'
import { type Database, sql, type Tx } from '../../db/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import { compareRefnames, conflictingRefname } from '../format/refname.ts'
import { Pace } from '../upload-pack/pace.ts'
import { protectedWord, refusalByRules, type RefMover } from './ref-rule.ts'
import { readRefRules } from './ref-rule-rows.ts'
import { isDetached, type RefStore } from './ref-snapshot.ts'
import { writeRefs } from './ref-writes.ts'

/** One wanted change; null stands for "there is no such ref". */
export interface RefChange {
  readonly name: string
  readonly oldOid: ObjectId | null
  readonly newOid: ObjectId | null
  /** For an annotated tag: what it finally points to. */
  readonly peeled: ObjectId | null
  /** Of an update, where somebody has looked: whether the new value leads to the old one. Rules of refs may want to know. */
  readonly isForward?: boolean | undefined
}

/** A pack that becomes visible with the refs. */
export interface NewPack {
  readonly key: string | null
  readonly tail: Uint8Array | null
  readonly valueBytes: number
  readonly packBytes: number
  readonly objectCount: number
  /** Where it takes the place of older packs: its age among the network's. Else its row's id. */
  readonly age?: number
  /** Made anew of all that the network had. */
  readonly isFull?: boolean
  /** Of a full one: how many objects there were when all deltas were last searched anew. */
  readonly searchedObjects?: number
}

export interface RefTransactionInput {
  readonly repositoryId: number
  readonly networkId: string
  /** Of the packs that the new values and the pack were held against (NetworkPacks). */
  readonly generation?: number | undefined
  /** Who moves them: the repository's rules are asked about him. */
  readonly by: RefMover
  readonly changes: readonly RefChange[]
  /** All changes or none. */
  readonly atomic: boolean
  readonly pack: NewPack | null
  /** Values that came with the pack, whether or not a ref takes them: those that none takes stay for the time of grace. */
  readonly brought?: readonly ObjectId[]
  /** Objects of the pack that the repository may build upon before a ref reaches them (docs/design/api-writes.md). */
  readonly written?: readonly ObjectId[]
  /** What HEAD points to afterwards, where that is said by whoever moves the refs: then even what it pointed to may be deleted. */
  readonly head?: string
  /** Why, for the reflog and the outbox; a push when left out. */
  readonly reason?: 'import' | 'mirror'
  /** True: the pack is kept even when no ref moves. */
  readonly keepsPack?: boolean
  /** What HEAD points to may be deleted. */
  readonly mayDeleteHead?: boolean
  /** False: an unborn HEAD stays what it is, whatever branch comes first. */
  readonly adoptsHead?: boolean
  /** Commits that come without their parents: the repository is cut off there from now on. */
  readonly newCutOff?: readonly ObjectId[]
  readonly certificate?: NewCertificate | null
  /** For the outbox, beside the changes. */
  readonly options?: readonly string[]
  /** Told of each refusal in a whole sentence. */
  readonly explain?: (sentence: string) => void
}

/** The certificate of a signed push: kept when a ref moves by it. */
export interface NewCertificate {
  readonly bytes: Uint8Array
  readonly pusher: string | null
  readonly pushee: string | null
  readonly isPusheeRight: boolean
  readonly nonceStatus: string
  readonly nonceSlopS: number | null
}

/** Who pushes more that is refused at once gets the grace for so many. */
const mostUnclaimed = 1000

/** What became of each change, by name: null = done, else git's own words for why not. */
export type RefOutcomes = Map<string, string | null>

/** git's words: refs.h, `ref_transaction_error`. */
const words = {
  stale: 'incorrect old value provided',
  exists: 'reference already exists',
  missing: 'reference does not exist',
  conflict: 'refname conflict',
  head: 'deletion of the current branch prohibited',
  atomic: 'atomic transaction failed',
}

/**
 * Applies the changes. The repository's row is locked meanwhile, so transactions of one repository come one after the other.
 * InputError `quota-exceeded` when its owner may not store the pack.
 * May be retried after an UnavailableError only by a caller that first reads what the refs are now.
 */
export async function moveRefs(db: Database, refs: RefStore, input: RefTransactionInput): Promise<RefOutcomes> {
  return db.transaction(async (tx) => {
    const repository = await tx
      .selectFrom('repository')
      .select(['head', 'refs_version', 'has_ref_rules', 'owner_id', ownerLimit('repository.owner_id').as('owner_limit')])
      .where('id', '=', input.repositoryId)
      .forUpdate()
      .executeTakeFirst()
    if (!repository) return new Map(input.changes.map((change) => [change.name, 'the repository was deleted']))
    const snapshot = refs.known(input.repositoryId, repository.refs_version) // the version grows with every change
    const present: Present = snapshot ? (name) => snapshot.byName.get(name)?.oid ?? null : await readPresent(tx, input, repository.head)
    const outcomes = judge(input, present, input.head === undefined ? repository.head : null)
    if (repository.has_ref_rules) await judgeByRules(tx, input, outcomes)
    await judgeFolders(refs, tx, input, repository.refs_version, outcomes)
    const refused = input.changes.some((change) => outcomes.get(change.name) !== null)
    if (refused && input.atomic) for (const name of outcomes.keys()) outcomes.set(name, words.atomic)
    const accepted = input.changes.filter((change) => outcomes.get(change.name) === null)
    const isHeadNew = !refused && (input.head ?? repository.head) !== repository.head
    if (accepted.length === 0 && !isHeadNew && !(input.keepsPack && input.pack)) return outcomes
    const { generation, repositoryId, networkId, pack, newCutOff = [] } = input
    if (pack && repository.owner_limit !== null) await chargeOwner(tx, repository.owner_id as AccountId, pack.valueBytes)
    if (newCutOff.length > 0) await cutOff(tx, repositoryId, newCutOff)
    const unclaimed = unclaimedOf(input, accepted)
    if (accepted.length === 0 && !isHeadNew)
      await writeRefs(tx, { repositoryId, networkId, generation, pack, unclaimed, written: input.written ?? [], moved: null })
    else {
      const certificateId = input.certificate ? await keep(tx, input, input.certificate) : null
      const moved = {
        accountId: accountOf(input.by),
        reason: input.reason ?? null,
        certificateId,
        changes: accepted,
        head: input.head ?? firstBranch(input, accepted, repository.head, present),
        payload: payloadOf(input, accepted, certificateId),
      }
      await writeRefs(tx, { repositoryId, networkId, generation, pack, unclaimed, moved })
    }
    return outcomes
  })
}

function unclaimedOf({ brought = [], pack }: RefTransactionInput, accepted: readonly RefChange[]): readonly ObjectId[] {
  const taken = new Set(accepted.map(({ newOid }) => newOid))
  return pack ? [...new Set(brought)].filter((oid) => !taken.has(oid)).slice(0, mostUnclaimed) : []
}

/** What a ref is now; null: there is none. */
type Present = (name: string) => string | null

/** Of the refs that are to change, and of HEAD's. */
async function readPresent(tx: Tx, input: RefTransactionInput, head: string): Promise<Present> {
  const names = [...input.changes.map((change) => change.name), head]
  const { rows } = await sql<{ name: string; oid: Buffer }>`
    select name, oid from ref where repository_id = ${input.repositoryId} and name = any(${names}::text[])`.execute(tx)
  const present = new Map(rows.map((row) => [row.name, hex(row.oid)]))
  return (name) => present.get(name) ?? null
}

/** @param head the branch that may not be deleted */
function judge(input: RefTransactionInput, present: Present, head: string | null): RefOutcomes {
  const outcomes: RefOutcomes = new Map()
  for (const { name, oldOid, newOid } of input.changes) {
    const now = present(name)
    if (now === oldOid) outcomes.set(name, newOid === null && name === head && !input.mayDeleteHead ? words.head : null)
    else if (oldOid === null) refuse(input, outcomes, name, words.exists, `cannot lock ref '${name}': reference already exists`)
    else if (now === null) refuse(input, outcomes, name, words.missing, `cannot lock ref '${name}': unable to resolve reference '${name}'`)
    else refuse(input, outcomes, name, words.stale, `cannot lock ref '${name}': is at ${now} but expected ${oldOid}`)
  }
  return outcomes
}

function refuse(input: RefTransactionInput, outcomes: RefOutcomes, name: string, word: string, sentence: string): void {
  outcomes.set(name, word)
  input.explain?.(sentence)
}

/** As they are now, under the lock: a rule that came while the push was under way counts. */
async function judgeByRules(tx: Tx, input: RefTransactionInput, outcomes: RefOutcomes): Promise<void> {
  const rules = await readRefRules(tx, input.repositoryId)
  const pace = new Pace()
  for (const { name: ref, oldOid, newOid, isForward } of input.changes) {
    const turn = pace.turn(rules.length)
    if (turn) await turn
    if (outcomes.get(ref) !== null) continue
    const kind = newOid === null ? 'delete' : oldOid === null ? 'create' : 'update'
    const reason = refusalByRules(rules, input.by, { ref, kind, isForward })
    if (reason !== null) refuse(input, outcomes, ref, protectedWord(ref), reason)
  }
}

function accountOf(by: RefMover): number | null {
  return by.kind === 'account' ? by.accountId : null
}

/** `a` and `a/b` can't both be refs. Deletions of the same push make room; new names are also held against each other. */
async function judgeFolders(refs: RefStore, tx: Tx, input: RefTransactionInput, version: number, outcomes: RefOutcomes): Promise<void> {
  const isDone = (change: RefChange) => outcomes.get(change.name) === null
  const created = input.changes.filter((change) => change.oldOid === null && change.newOid !== null && isDone(change))
  if (created.length === 0) return
  const deleted = new Set(input.changes.filter((change) => change.newOid === null && isDone(change)).map((change) => change.name))
  const present = (await refs.at(tx, input.repositoryId, version)).refs.map((ref) => ref.name).filter((name) => !deleted.has(name))
  for (const { name } of created) {
    const other = conflictingRefname(name, present)
    if (other !== null)
      refuse(input, outcomes, name, words.conflict, `cannot lock ref '${name}': '${other}' exists; cannot create '${name}'`)
  }
  judgeAmongThemselves(input, created.filter(isDone), outcomes)
}

/** Of new names, those are refused whose folder is a new ref too. Sorted, what begins with a name follows it: a stack of prefixes is enough. */
function judgeAmongThemselves(input: RefTransactionInput, created: readonly RefChange[], outcomes: RefOutcomes): void {
  const open: string[] = []
  for (const name of created.map((change) => change.name).sort(compareRefnames)) {
    while (open.length > 0 && !name.startsWith(open.at(-1) as string)) open.pop()
    const folder = open.find((outer) => name[outer.length] === '/')
    if (folder === undefined) open.push(name)
    else
      refuse(input, outcomes, name, words.conflict, `cannot lock ref '${name}': cannot process '${folder}' and '${name}' at the same time`)
  }
}

/** Kept among the repository's settings, `stemma.shallow`: whoever reads its history needs them, and they are few. */
async function cutOff(tx: Tx, repositoryId: number, commits: readonly ObjectId[]): Promise<void> {
  await sql`
    update repository set settings = settings || jsonb_build_object('stemma.shallow', (
      select jsonb_agg(distinct oid) from (
        select jsonb_array_elements_text(coalesce(settings -> 'stemma.shallow', '[]')) union all select unnest(${[...commits]}::text[])
      ) as both_of(oid)))
    where id = ${repositoryId}`.execute(tx)
}

async function keep(tx: Tx, { repositoryId, by }: RefTransactionInput, certificate: NewCertificate): Promise<number> {
  const { id } = await tx
    .insertInto('push_certificate')
    .values({
      repository_id: repositoryId,
      account_id: accountOf(by),
      certificate: Buffer.from(certificate.bytes),
      pusher: certificate.pusher,
      pushee: certificate.pushee,
      is_pushee_right: certificate.isPusheeRight,
      nonce_status: certificate.nonceStatus,
      nonce_slop_s: certificate.nonceSlopS,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

/** What the outbox tells. */
function payloadOf(input: RefTransactionInput, accepted: readonly RefChange[], certificateId: number | null): string {
  const changes = accepted.map((change) => ({ ref: change.name, before: change.oldOid, after: change.newOid }))
  const { options = [], certificate, reason } = input
  const account = accountOf(input.by)
  const signed = certificate ? { certificate: { id: certificateId, nonce: certificate.nonceStatus } } : {}
  return JSON.stringify({ account, ...(reason ? { reason } : {}), changes, ...(options.length > 0 ? { options } : {}), ...signed })
}

/** HEAD of a repository whose HEAD is unborn moves to `main`, `master`, or the first pushed branch: as a newcomer's first push expects. */
function firstBranch({ adoptsHead }: RefTransactionInput, accepted: readonly RefChange[], head: string, present: Present): string {
  const branches = accepted.filter((change) => change.newOid !== null && change.name.startsWith('refs/heads/')).map((change) => change.name)
  if (adoptsHead === false || branches.length === 0 || branches.includes(head) || isDetached(head)) return head
  const isDeleted = accepted.some((change) => change.name === head)
  if (present(head) !== null && !isDeleted) return head
  return ['refs/heads/main', 'refs/heads/master'].find((name) => branches.includes(name)) ?? (branches[0] as string)
}

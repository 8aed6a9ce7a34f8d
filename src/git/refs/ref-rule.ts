// Rules of refs: which names each is about, and who may push (make, or move forward), force and delete them. A change must be let through by every
// rule that its ref matches: another rule never allows anything. Pure (docs/design/protected-refs.md).
import type { AccountId, Role } from '../../access/index.ts'
import { InputError } from '../../base/index.ts'
import { compileWildcard, matchesWildcard } from '../format/wildmatch.ts'
import { isRefname } from '../format/refname.ts'

export const refActs = ['push', 'force', 'delete'] as const
/** `force`: to move a ref to what doesn't lead to where it was; who does that needs `push`, too. */
export type RefAct = (typeof refActs)[number]

/** Who may do one of those. */
export interface Allowed {
  /** Whoever has it in the repository, or a higher one; null: no role is enough. */
  readonly role: Exclude<Role, 'read'> | null
  readonly accounts: readonly { readonly id: AccountId; readonly login: string }[]
  /** What is at home in the repository: its tokens and keys for deployments, its CI jobs. */
  readonly deploy: boolean
}

export interface RefRule extends Readonly<Record<RefAct, Allowed>> {
  readonly id: number
  /** Of full names. */
  readonly pattern: string
  /** False: it doesn't hold whoever administers the repository. */
  readonly bindsAdmins: boolean
  readonly matches: (ref: string) => boolean
}

/** Who moves refs. `operator`: whoever runs the server; no rule holds him, nor what he set up (imports, mirrors). */
export type RefMover =
  | { readonly kind: 'account'; readonly accountId: AccountId /** In this repository. */; readonly role: Role }
  | { readonly kind: 'deploy' }
  | { readonly kind: 'operator' }

const mostPatternCharacters = 255
const mostStars = 8
const folders = 'refs/heads/'

/** The pattern over full names: `main` stands for a branch. InputError `ref-pattern` for one that no ref can match, or that takes long to compare. */
export function fullPattern(text: string): string {
  const pattern = text.startsWith('refs/') ? text : `${folders}${text}`
  const stars = pattern.match(/\*+/g) ?? []
  if (!isRefname(pattern.replaceAll('*', 'x')) || stars.some((run) => run.length > 2) || /[\ud800-\udfff]/.test(pattern))
    throw new InputError('ref-pattern', 'A pattern is a name of a branch or a full name of a ref, as main, release/*, refs/tags/**')
  if (pattern.length > mostPatternCharacters || stars.length > mostStars)
    throw new InputError('ref-pattern', `A pattern has at most ${mostPatternCharacters} characters, and * at most ${mostStars} times`)
  return pattern
}

/** `*` stands for anything within a part of a name, `**` between slashes for any number of parts. */
export function patternMatcher(pattern: string): (ref: string) => boolean {
  const star = pattern.indexOf('*')
  if (star < 0) return (ref) => ref === pattern
  const [start, end] = [pattern.slice(0, star), pattern.slice(pattern.lastIndexOf('*') + 1)]
  const wildcard = compileWildcard(pattern, true)
  return (ref) => ref.startsWith(start) && ref.endsWith(end) && matchesWildcard(wildcard, ref)
}

/** What somebody wants to do to a ref. */
export interface RefMove {
  readonly ref: string
  readonly kind: 'create' | 'update' | 'delete'
  /** Whether an update's new value leads to its old one; undefined: nobody has looked. */
  readonly isForward?: boolean | undefined
}

/** Whether it must be known if an update of the ref is a fast-forward: somewhere who moves it may not force it. */
export function mustGoForward(rules: readonly RefRule[], by: RefMover, ref: string): boolean {
  return rules.some((rule) => rule.matches(ref) && holds(rule, by) && !isAllowed(rule.force, by))
}

/** Why not, in a sentence for whoever wants it; null: no rule stands against it. */
export function refusalByRules(rules: readonly RefRule[], by: RefMover, move: RefMove): string | null {
  for (const rule of rules) {
    if (!holds(rule, by) || !rule.matches(move.ref)) continue
    const act = refusedAct(rule, by, move)
    if (act === null) continue
    if (act === 'force' && move.isForward === undefined) {
      return `${move.ref} came to be protected by the rule ${rule.pattern} meanwhile; push again`
    }
    return `${move.ref} is protected by the rule ${rule.pattern}: ${whoMay(rule[act], act)}; ${advice[act]}`
  }
  return null
}

function refusedAct(rule: RefRule, by: RefMover, { kind, isForward }: RefMove): RefAct | null {
  if (kind === 'delete') return isAllowed(rule.delete, by) ? null : 'delete'
  if (!isAllowed(rule.push, by)) return 'push'
  return kind === 'update' && isForward !== true && !isAllowed(rule.force, by) ? 'force' : null
}

function holds({ bindsAdmins }: RefRule, by: RefMover): boolean {
  if (by.kind === 'operator') return false
  return bindsAdmins || by.kind !== 'account' || by.role !== 'admin'
}

function isAllowed({ role, accounts, deploy }: Allowed, by: RefMover): boolean {
  if (by.kind === 'operator') return true
  if (by.kind === 'deploy') return deploy
  const hasRole = role !== null && (by.role === 'admin' || by.role === role)
  return hasRole || accounts.some(({ id }) => id === by.accountId)
}

const doing: Readonly<Record<RefAct, string>> = { push: 'push to it', force: 'force-push to it', delete: 'delete it' }
const advice: Readonly<Record<RefAct, string>> = {
  push: 'push to another branch, or ask an administrator of the repository',
  force: 'merge or rebase onto what is there, or ask an administrator of the repository',
  delete: 'ask an administrator of the repository to change the rule first',
}
const mostNamed = 5

function whoMay({ role, accounts, deploy }: Allowed, act: RefAct): string {
  const named = accounts.slice(0, mostNamed).map(({ login }) => login)
  const who = [
    ...(role === null ? [] : [role === 'admin' ? 'who administers the repository' : 'who may write to it']),
    ...named,
    ...(accounts.length > mostNamed ? [`${accounts.length - mostNamed} more`] : []),
    ...(deploy ? ['its deploy keys and tokens'] : []),
  ]
  return who.length === 0 ? `nobody may ${doing[act]}` : `only ${listOf(who)} may ${doing[act]}`
}

function listOf(words: readonly string[]): string {
  return words.length === 1 ? (words[0] as string) : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`
}

/** For the report, in git's manner. */
export function protectedWord(ref: string): string {
  const kind = ref.startsWith(folders) ? 'branch' : ref.startsWith('refs/tags/') ? 'tag' : 'ref'
  return `protected ${kind} hook declined`
}

// What an owner wants kept of an image, and what follows from it for an image as it stands. Pure: a policy and facts in, verdicts out.
// docs/design/oci-keeping.md, Retention.
import { InputError } from '../../base/index.ts'
import { assertTagPattern, matchesAny, matchesGlob } from './glob.ts'
import { ruleOf, type TagRule } from './tag-rules.ts'

/** Judges the tags that match it. A tag that any of its conditions holds for stays. */
export interface RetentionRule {
  readonly tags: string
  /** Tags that stay whatever else is said. */
  readonly except: readonly string[]
  /** So many of the tags that match, those that moved last; null: says nothing. */
  readonly keepNewest: number | null
  /** Tags that moved within so many days. */
  readonly keepPushedDays: number | null
  /** Tags whose manifest was pulled within so many days. */
  readonly keepPulledDays: number | null
}

export interface RetentionPolicy {
  /** The first that matches a tag judges it. A tag that none matches stays. */
  readonly rules: readonly RetentionRule[]
  /** Manifests that nothing names, and that were neither pushed, untagged nor pulled within so many days, go; null: they stay. */
  readonly untaggedDays: number | null
  /** What refers to a manifest that goes (signatures, bills of materials) goes with it, unless it has a tag of its own. */
  readonly referrersGo: boolean
}

export interface TagFact {
  readonly name: string
  /** In hexadecimal, as all digests here. */
  readonly digest: string
  readonly updatedAt: Date
}

export interface ManifestFact {
  readonly digest: string
  readonly subject: string | null
  /** Manifests that it names. */
  readonly children: readonly string[]
  readonly pushedAt: Date
  readonly pulledAt: Date | null
  /** Since when nothing has named it, as far as that was noted. */
  readonly freeSince: Date | null
  /** Somebody relies on it at the moment: it goes, but not yet. */
  readonly isLeased: boolean
}

/** Of an image, or of those of its manifests that hang together, with their tags. */
export interface ImageFacts {
  readonly tags: readonly TagFact[]
  readonly manifests: readonly ManifestFact[]
  readonly immutable: readonly TagRule[]
  /** Other manifests of the image that tags are called after (`subjectOfTag`). */
  readonly present?: ReadonlySet<string>
}

export interface TagVerdict extends TagFact {
  readonly goes: boolean
  readonly why: string
}

export interface ManifestVerdict {
  readonly digest: string
  readonly why: string
}

export interface RetentionPlan {
  /** Every tag, by name. */
  readonly tags: readonly TagVerdict[]
  /** Manifests that go, each before what it names. */
  readonly manifests: readonly ManifestVerdict[]
}

const mostRules = 50
const dayMs = 86_400_000

/** InputError `retention-policy` or `tag-pattern`, with a message for who wrote it. */
export function assertPolicy({ rules }: RetentionPolicy): void {
  if (rules.length > mostRules) throw new InputError('retention-policy', `a policy may have ${mostRules} rules at most`)
  for (const { tags, except, keepNewest, keepPushedDays, keepPulledDays } of rules) {
    for (const pattern of [tags, ...except]) assertTagPattern(pattern)
    if (keepNewest === null && keepPushedDays === null && keepPulledDays === null) {
      throw new InputError(
        'retention-policy',
        `the rule for ${tags} says of no tag that it stays: a rule needs a number of tags or of days`,
      )
    }
  }
}

/** Which tags are among the newest of their rule: a count and a place for each rule, however many tags there are. */
export class Newest {
  readonly #rules: readonly RetentionRule[]
  readonly #reached = new Map<RetentionRule, { count: number; last: Pick<TagFact, 'name' | 'updatedAt'> }>()

  constructor(rules: readonly RetentionRule[]) {
    this.#rules = rules
  }

  /** To be called for every tag of the image, the one that moved last first; of those that moved at one time the last name. */
  add(tag: Pick<TagFact, 'name' | 'updatedAt'>): void {
    const rule = this.#rules.find((one) => matchesGlob(one.tags, tag.name))
    if (rule === undefined || rule.keepNewest === null || subjectOfTag(tag.name) !== null || matchesAny(rule.except, tag.name)) return
    const { count } = this.#reached.get(rule) ?? { count: 0 }
    if (count < rule.keepNewest) this.#reached.set(rule, { count: count + 1, last: tag })
  }

  isAmong(rule: RetentionRule, tag: Pick<TagFact, 'name' | 'updatedAt'>): boolean {
    const reached = this.#reached.get(rule)
    if (rule.keepNewest === null || reached === undefined) return false
    return reached.count < rule.keepNewest || byAge(tag, reached.last) <= 0
  }
}

/** The one that moved last comes first. */
function byAge(a: Pick<TagFact, 'name' | 'updatedAt'>, b: Pick<TagFact, 'name' | 'updatedAt'>): number {
  return b.updatedAt.getTime() - a.updatedAt.getTime() || (a.name === b.name ? 0 : a.name < b.name ? 1 : -1)
}

function newestIn({ rules }: RetentionPolicy, tags: readonly TagFact[]): Newest {
  const newest = new Newest(rules)
  for (const tag of tags.toSorted(byAge)) newest.add(tag)
  return newest
}

/**
 * @param now the database's time, as everything in the facts
 * @param newest of the image, where the facts are of a part of it
 */
export function planRetention(policy: RetentionPolicy, facts: ImageFacts, now: Date, newest = newestIn(policy, facts.tags)): RetentionPlan {
  const manifests = new Map(facts.manifests.map((manifest) => [manifest.digest, manifest]))
  const tags = judgeTags(policy, facts, { manifests, newest, now })
  return { tags, manifests: judgeManifests(policy, tags, manifests, now) }
}

function judgeTags(
  { rules, referrersGo }: RetentionPolicy,
  { tags, immutable, present }: ImageFacts,
  { manifests, newest, now }: { readonly manifests: ReadonlyMap<string, ManifestFact>; readonly newest: Newest; readonly now: Date },
): TagVerdict[] {
  const verdicts = tags.map((tag): TagVerdict => {
    const stays = (why: string): TagVerdict => ({ ...tag, goes: false, why })
    const rule = rules.find((one) => matchesGlob(one.tags, tag.name))
    if (rule === undefined) return stays('no rule is about it')
    const held = ruleOf(immutable, tag.name)
    const goes = (why: string): TagVerdict =>
      held === null ? { ...tag, goes: true, why } : stays(`it is immutable, by the rule ${held.tags}`)
    const subject = subjectOfTag(tag.name)
    if (subject !== null) {
      if (manifests.has(subject) || present?.has(subject) === true) return stays('it belongs to a manifest that is there')
      return referrersGo && !isWithin(tag.updatedAt, 1, now)
        ? goes('what it belongs to is gone')
        : stays('what it belongs to may still come')
    }
    if (matchesAny(rule.except, tag.name)) return stays(`the rule for ${rule.tags} excepts it`)
    const pulledAt = manifests.get(tag.digest)?.pulledAt ?? null
    const kept = newest.isAmong(rule, tag) ? `it is among the newest ${rule.keepNewest} of ${rule.tags}` : keptBy(rule, tag, pulledAt, now)
    return kept === null ? goes(`the rule for ${rule.tags} doesn’t keep it: ${lacking(rule, tag, pulledAt, now)}`) : stays(kept)
  })
  return verdicts.sort((a, b) => (a.name < b.name ? -1 : 1))
}

function keptBy(rule: RetentionRule, { updatedAt }: TagFact, pulledAt: Date | null, now: Date): string | null {
  if (isWithin(updatedAt, rule.keepPushedDays, now)) return `it was pushed within ${rule.keepPushedDays} days`
  if (isWithin(pulledAt, rule.keepPulledDays, now)) return `it was pulled within ${rule.keepPulledDays} days`
  return null
}

function lacking(rule: RetentionRule, { updatedAt }: TagFact, pulledAt: Date | null, now: Date): string {
  const days = (at: Date): string => `${Math.floor((now.getTime() - at.getTime()) / dayMs)} days ago`
  return [
    ...(rule.keepNewest === null ? [] : [`not among the newest ${rule.keepNewest}`]),
    ...(rule.keepPushedDays === null ? [] : [`pushed ${days(updatedAt)}`]),
    ...(rule.keepPulledDays === null ? [] : [pulledAt === null ? 'never pulled' : `pulled ${days(pulledAt)}`]),
  ].join(', ')
}

function isWithin(at: Date | null, days: number | null, now: Date): boolean {
  return at !== null && days !== null && now.getTime() - at.getTime() < days * dayMs
}

/** `sha256-{hex}` and `sha256-{hex}.sig`: tags by which clients find what belongs to a manifest, where there is no list of referrers. */
export function subjectOfTag(name: string): string | null {
  return /^sha(?:256-([0-9a-f]{64})|512-([0-9a-f]{128}))(?:\.[A-Za-z0-9._-]+)?$/.exec(name)?.slice(1).find(Boolean) ?? null
}

function judgeManifests(
  policy: RetentionPolicy,
  tags: readonly TagVerdict[],
  manifests: ReadonlyMap<string, ManifestFact>,
  now: Date,
): ManifestVerdict[] {
  const reach = reachIn(manifests)
  const kept = reach(tags.filter(({ goes }) => !goes).map(({ digest }) => digest))
  const tagged = reach(tags.map(({ digest }) => digest))
  const verdicts = new Map<string, string>()
  for (const digest of tagged) if (!kept.has(digest)) verdicts.set(digest, 'only tags that go lead to it')
  const free = freeLongEnough(policy, manifests, tagged, now).map(({ digest }) => digest)
  const held = reach(facing(manifests, tagged, free))
  for (const digest of reach(free)) {
    if (!tagged.has(digest) && !held.has(digest)) verdicts.set(digest, `no tag leads to it, for ${policy.untaggedDays} days at least`)
  }
  if (!policy.referrersGo) {
    const spared = [...verdicts.keys()].filter((digest) => isReferrer(manifests, digest))
    for (const digest of reach(spared)) verdicts.delete(digest)
  }
  const leased = [...verdicts.keys()].filter((digest) => manifests.get(digest)?.isLeased === true)
  for (const digest of reach(leased)) {
    const why = verdicts.get(digest)
    if (why !== undefined)
      verdicts.set(digest, `${why}; it goes when its lease ends: it, or what leads to it, was pushed or asked for lately`)
  }
  return ordered(verdicts, manifests)
}

function isReferrer(manifests: ReadonlyMap<string, ManifestFact>, digest: string): boolean {
  const subject = manifests.get(digest)?.subject ?? null
  return subject !== null && manifests.has(subject)
}

type Reach = (roots: Iterable<string>) => Set<string>

/** What manifests lead to: what they name, and what refers to them. */
function reachIn(manifests: ReadonlyMap<string, ManifestFact>): Reach {
  const referrers = new Map<string, string[]>()
  for (const { digest, subject } of manifests.values()) {
    if (subject === null) continue
    const all = referrers.get(subject)
    if (all === undefined) referrers.set(subject, [digest])
    else all.push(digest)
  }
  return (roots) => {
    const reached = new Set<string>()
    const queue = [...roots]
    for (let digest = queue.pop(); digest !== undefined; digest = queue.pop()) {
      const manifest = manifests.get(digest)
      if (manifest === undefined || reached.has(digest)) continue
      reached.add(digest)
      for (const next of [...manifest.children, ...(referrers.get(digest) ?? [])]) queue.push(next)
    }
    return reached
  }
}

/** Nothing names them or is their subject. */
function heads(manifests: ReadonlyMap<string, ManifestFact>): ManifestFact[] {
  const named = new Set<string>()
  for (const { children } of manifests.values()) for (const child of children) named.add(child)
  return [...manifests.values()].filter(({ digest }) => !named.has(digest) && !isReferrer(manifests, digest))
}

/** No tag leads there, nothing names them, and they are neither young nor in use. */
function freeLongEnough(
  { untaggedDays }: RetentionPolicy,
  manifests: ReadonlyMap<string, ManifestFact>,
  tagged: ReadonlySet<string>,
  now: Date,
): ManifestFact[] {
  if (untaggedDays === null) return []
  const isOld = (at: Date | null): boolean => !isWithin(at, untaggedDays, now)
  return heads(manifests).filter(
    ({ digest, pushedAt, pulledAt, freeSince }) => !tagged.has(digest) && [pushedAt, pulledAt, freeSince].every(isOld),
  )
}

/** The other manifests that nothing names and no tag leads to: they stay, with what they lead to. */
function facing(manifests: ReadonlyMap<string, ManifestFact>, tagged: ReadonlySet<string>, free: readonly string[]): string[] {
  const goes = new Set(free)
  return heads(manifests).flatMap(({ digest }) => (tagged.has(digest) || goes.has(digest) ? [] : [digest]))
}

/** Each before what it names and what refers to it: so nothing that goes is needed by what is left of them. */
function ordered(verdicts: ReadonlyMap<string, string>, manifests: ReadonlyMap<string, ManifestFact>): ManifestVerdict[] {
  const before = new Map<string, number>()
  const behind = new Map<string, string[]>()
  const edge = (first: string, second: string): void => {
    before.set(second, (before.get(second) ?? 0) + 1)
    const all = behind.get(first)
    if (all === undefined) behind.set(first, [second])
    else all.push(second)
  }
  for (const digest of verdicts.keys()) {
    const { children, subject } = manifests.get(digest) as ManifestFact
    for (const child of new Set(children)) if (verdicts.has(child)) edge(digest, child)
    if (subject !== null && verdicts.has(subject)) edge(subject, digest)
  }
  const out: ManifestVerdict[] = []
  const queue = [...verdicts.keys()].filter((digest) => !before.has(digest))
  for (const digest of queue) {
    out.push({ digest, why: verdicts.get(digest) as string })
    for (const next of behind.get(digest) ?? []) {
      const left = (before.get(next) as number) - 1
      before.set(next, left)
      if (left === 0) queue.push(next)
    }
  }
  return out
}

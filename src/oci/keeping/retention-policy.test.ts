// Policies against images as they might stand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  assertPolicy,
  type ManifestFact,
  planRetention,
  type RetentionPolicy,
  type RetentionRule,
  subjectOfTag,
} from './retention-policy.ts'

const now = new Date('2026-11-27T12:00:00Z')
const daysAgo = (days: number): Date => new Date(now.getTime() - days * 86_400_000)
const rule = (part: Partial<RetentionRule> & { tags: string }): RetentionRule => ({
  except: [],
  keepNewest: null,
  keepPushedDays: null,
  keepPulledDays: null,
  ...part,
})
const policy = (rules: RetentionRule[], more: Partial<RetentionPolicy> = {}): RetentionPolicy => ({
  rules,
  untaggedDays: null,
  referrersGo: true,
  ...more,
})
const manifest = (digest: string, more: Partial<ManifestFact> = {}): ManifestFact => ({
  digest,
  subject: null,
  children: [],
  pushedAt: daysAgo(100),
  pulledAt: null,
  freeSince: null,
  isLeased: false,
  ...more,
})
const tag = (name: string, digest: string, days: number) => ({ name, digest, updatedAt: daysAgo(days) })

function plan(retention: RetentionPolicy, tags: ReturnType<typeof tag>[], manifests: ManifestFact[], immutable: string[] = []) {
  const facts = { tags, manifests, immutable: immutable.map((tags) => ({ tags, except: [] })) }
  const { tags: judged, manifests: gone } = planRetention(retention, facts, now)
  return { tags: judged.filter(({ goes }) => goes).map(({ name }) => name), manifests: gone.map(({ digest }) => digest), judged }
}

test('the newest of a pattern stay; what no rule is about, too', () => {
  const tags = [tag('pr-1', 'a', 9), tag('pr-2', 'b', 8), tag('pr-3', 'c', 7), tag('main', 'd', 90)]
  const done = plan(
    policy([rule({ tags: 'pr-*', keepNewest: 2 })]),
    tags,
    ['a', 'b', 'c', 'd'].map((digest) => manifest(digest)),
  )
  assert.deepEqual([done.tags, done.manifests], [['pr-1'], ['a']])
  assert.match(done.judged.find(({ name }) => name === 'pr-1')?.why ?? '', /pr-\*.*not among the newest 2/)
  assert.equal(done.judged.find(({ name }) => name === 'main')?.why, 'no rule is about it')
})

test('any condition keeps: young by push, by pull, excepted; the first rule that matches judges', () => {
  const rules = [rule({ tags: 'v*', keepNewest: 99 }), rule({ tags: '*', except: ['latest'], keepPushedDays: 30, keepPulledDays: 10 })]
  const tags = [
    tag('latest', 'a', 80),
    tag('young', 'b', 29),
    tag('old', 'c', 31),
    tag('used', 'd', 80),
    tag('v1', 'e', 900),
    tag('idle', 'f', 80),
  ]
  const manifests = ['a', 'b', 'c', 'e'].map((digest) => manifest(digest))
  const pulls = [manifest('d', { pulledAt: daysAgo(9) }), manifest('f', { pulledAt: daysAgo(11) })]
  const done = plan(policy(rules), tags, [...manifests, ...pulls])
  assert.deepEqual(done.tags, ['idle', 'old'])
  assert.deepEqual([...done.manifests].sort(), ['c', 'f'])
})

test('an immutable tag stays, and with it its manifest', () => {
  const done = plan(policy([rule({ tags: '*', keepNewest: 0 })]), [tag('v1', 'a', 9), tag('x', 'a', 9)], [manifest('a')], ['v*'])
  assert.deepEqual([done.tags, done.manifests], [['x'], []])
})

test('an index that goes takes its manifests along, but for those that something else names', () => {
  const manifests = [
    manifest('old', { children: ['amd', 'arm'] }),
    manifest('new', { children: ['arm'] }),
    manifest('amd'),
    manifest('arm'),
    manifest('signature', { subject: 'old' }),
    manifest('tagged-signature', { subject: 'old' }),
  ]
  const tags = [tag('1', 'old', 9), tag('2', 'new', 8), tag('sig', 'tagged-signature', 1)]
  const rules = [rule({ tags: '?', keepNewest: 1 })]
  assert.deepEqual(plan(policy(rules), tags, manifests).manifests, ['old', 'amd', 'signature'])
  assert.deepEqual(plan(policy(rules, { referrersGo: false }), tags, manifests).manifests, ['old', 'amd'])
})

test('what is leased goes, too, and the plan says that it goes later, with what it leads to', () => {
  const manifests = [manifest('index', { children: ['child'], isLeased: true }), manifest('child'), manifest('other')]
  const tags = [tag('a', 'index', 9), tag('b', 'other', 9)]
  const retention = policy([rule({ tags: '*', keepNewest: 0 })])
  const done = planRetention(retention, { tags, manifests, immutable: [] }, now)
  assert.deepEqual(
    done.manifests.map(({ digest, why }) => [digest, /goes when its lease ends.*pushed or asked for lately/.test(why)]),
    [
      ['other', false],
      ['index', true],
      ['child', true],
    ],
  )
})

test('untagged manifests go when they were neither pushed, untagged nor pulled lately, and stay while a young one names them', () => {
  const manifests = [
    manifest('free', { freeSince: daysAgo(8) }),
    manifest('just-freed', { freeSince: daysAgo(6) }),
    manifest('pulled', { pulledAt: daysAgo(6) }),
    manifest('pushed', { pushedAt: daysAgo(6), children: ['child', 'shared'] }),
    manifest('old-index', { children: ['shared', 'own'] }),
    manifest('child'),
    manifest('shared'),
    manifest('own'),
    manifest('tagged'),
    manifest('refers', { subject: 'tagged' }),
    manifest('lost', { subject: 'nowhere' }),
  ]
  assert.deepEqual(
    plan(policy([], { untaggedDays: 7 }), [tag('a', 'tagged', 9)], manifests).manifests.sort(),
    ['free', 'lost', 'old-index', 'own'].sort(),
  )
  assert.deepEqual(plan(policy([]), [tag('a', 'tagged', 9)], manifests).manifests, [])
})

test('tags that stand for referrers follow their subject, and count as none of the newest', () => {
  const there = 'a'.repeat(64)
  const gone = 'b'.repeat(64)
  const tags = [tag('v1', there, 9), tag(`sha256-${there}.sig`, 's', 1), tag(`sha256-${gone}.sig`, 't', 2), tag(`sha256-${gone}`, 'u', 0)]
  const manifests = [manifest(there), manifest('s'), manifest('t'), manifest('u')]
  const done = plan(policy([rule({ tags: '*', keepNewest: 1 })]), tags, manifests)
  assert.deepEqual([done.tags, done.manifests], [[`sha256-${gone}.sig`], ['t']])
  assert.equal(subjectOfTag('sha256-abc'), null)
  assert.equal(subjectOfTag(`sha512-${'c'.repeat(128)}.att`), 'c'.repeat(128))
})

test('a chain of a hundred thousand referrers is judged, each behind what it refers to', () => {
  const chain = Array.from({ length: 100_000 }, (_, n) => manifest(`m${n}`, { subject: n === 0 ? null : `m${n - 1}` }))
  const done = plan(policy([rule({ tags: '*', keepNewest: 0 })]), [tag('a', 'm0', 9)], chain.toReversed())
  assert.deepEqual([done.manifests.length, done.manifests[0], done.manifests.at(-1)], [100_000, 'm0', 'm99999'])
})

test('a policy whose rule keeps nothing is refused, and patterns that match no tag', () => {
  assert.throws(() => assertPolicy(policy([rule({ tags: '*' })])), { code: 'retention-policy' })
  assert.throws(() => assertPolicy(policy([rule({ tags: 'a/b', keepNewest: 1 })])), { code: 'tag-pattern' })
  assertPolicy(policy([rule({ tags: '*', keepNewest: 0 })]))
})

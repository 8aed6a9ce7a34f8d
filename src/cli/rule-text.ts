// Rules about tags as a command line has them: `v*:newest=10,pulled=30d,except=v1.*`. No pattern of tags has a colon, a comma or an equals sign in it.
import type { RetentionRule, TagRule } from '../oci/index.ts'
import { parseDuration } from '../config.ts'
import { UsageError } from './usage.ts'

const dayMs = 86_400_000

/** `PATTERN:newest=N,pushed=DAYS,pulled=DAYS,except=PATTERN`, of what stands behind the colon any. UsageError. */
export function parseRetentionRule(text: string): RetentionRule {
  const { tags, values } = takeApart(text, ['newest', 'pushed', 'pulled', 'except'])
  const one = (name: string) => (values.get(name) === undefined ? null : single(text, name, values.get(name) ?? []))
  const newest = one('newest')
  if (newest !== null && !/^\d{1,7}$/.test(newest)) throw new UsageError(`newest=${newest} in --rule ${text} is no number of tags`)
  const days = (name: string): number | null => {
    const value = one(name)
    return value === null ? null : parseDays(value, `${name}= in --rule ${text}`)
  }
  return {
    tags,
    except: values.get('except') ?? [],
    keepNewest: newest === null ? null : Number(newest),
    keepPushedDays: days('pushed'),
    keepPulledDays: days('pulled'),
  }
}

/** `PATTERN`, or with exceptions `PATTERN:except=PATTERN,except=PATTERN`. UsageError. */
export function parseTagRule(text: string): TagRule {
  const { tags, values } = takeApart(text, ['except'])
  return { tags, except: values.get('except') ?? [] }
}

/** What the parser would take for it. */
export function retentionRuleText({ tags, except, keepNewest, keepPushedDays, keepPulledDays }: RetentionRule): string {
  const says = [
    ...(keepNewest === null ? [] : [`newest=${keepNewest}`]),
    ...(keepPushedDays === null ? [] : [`pushed=${keepPushedDays}d`]),
    ...(keepPulledDays === null ? [] : [`pulled=${keepPulledDays}d`]),
    ...except.map((pattern) => `except=${pattern}`),
  ]
  return says.length === 0 ? tags : `${tags}:${says.join(',')}`
}

export function tagRuleText({ tags, except }: TagRule): string {
  return except.length === 0 ? tags : `${tags}:${except.map((pattern) => `except=${pattern}`).join(',')}`
}

/** Whole days. UsageError. */
export function parseDays(value: string, where: string): number {
  const days = (parseDuration(value) ?? 0) / dayMs
  if (!Number.isInteger(days) || days < 1 || days > 36_500) throw new UsageError(`'${value}' for ${where} is no number of days: write 30d`)
  return days
}

function takeApart(text: string, known: readonly string[]): { readonly tags: string; readonly values: ReadonlyMap<string, string[]> } {
  const colon = text.indexOf(':')
  const tags = colon < 0 ? text : text.slice(0, colon)
  if (tags === '') throw new UsageError(`--rule ${text} names no tags: it begins with a pattern, such as v* or *`)
  const values = new Map<string, string[]>()
  for (const part of colon < 0 ? [] : text.slice(colon + 1).split(',')) {
    const equals = part.indexOf('=')
    const [name, value] = [part.slice(0, Math.max(0, equals)), part.slice(equals + 1)]
    if (!known.includes(name) || value === '')
      throw new UsageError(`'${part}' in --rule ${text} is none of ${known.map((word) => `${word}=…`).join(', ')}`)
    values.set(name, [...(values.get(name) ?? []), value])
  }
  return { tags, values }
}

function single(text: string, name: string, values: readonly string[]): string {
  const [value, another] = values
  if (value === undefined || another !== undefined) throw new UsageError(`${name}= stands twice in --rule ${text}`)
  return value
}

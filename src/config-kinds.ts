// Kinds of settings: each turns a text (environment, command line) or a YAML value into a typed value, or says what is allowed.
import { isIP } from 'node:net'
import { AllowedHosts } from './base/index.ts'

/** One setting. `parse` throws BadValue with what is allowed. */
export interface Setting<T> {
  readonly parse: (value: unknown) => T
  readonly fallback: T
  /** Not shown when a bad value is reported. */
  readonly isSecret: boolean
}

/** What stands after "must be": the reader adds key, value and where it came from. */
export class BadValue extends Error {}

function setting<T>(fallback: T, parse: (value: unknown) => T, isSecret = false): Setting<T> {
  return { fallback, parse, isSecret }
}

function asText(value: unknown, allowed: string): string {
  if (typeof value === 'string' && value !== '') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  throw new BadValue(allowed)
}

export function text(fallback: string): Setting<string> {
  return setting(fallback, (value) => asText(value, 'a text'))
}

export function optionalText(): Setting<string | null> {
  return setting<string | null>(null, (value) => (value === null ? null : asText(value, 'a text')))
}

export function secret(): Setting<string | null> {
  return setting<string | null>(null, (value) => (value === null ? null : asText(value, 'a text')), true)
}

const tokenRule = 'a token of 20 to 255 printable ASCII characters without spaces; make one with: openssl rand -hex 20'

/** A token that its user chose: it must be hard to guess, and pass through HTTP headers and URLs as it is. */
export function accessToken(): Setting<string | null> {
  return setting<string | null>(
    null,
    (value) => {
      if (value === null) return null
      if (typeof value !== 'string' || !/^[\x21-\x7e]{20,255}$/.test(value)) throw new BadValue(tokenRule)
      return value
    },
    true,
  )
}

/** What other secrets are sealed with: as hard to guess as 128 random bits in hexadecimal at least. */
export function keyText(): Setting<string | null> {
  const allowed = 'a text of 32 to 255 printable ASCII characters; make one with: openssl rand -base64 32'
  return setting<string | null>(
    null,
    (value) => {
      if (value === null) return null
      if (typeof value !== 'string' || !/^[\x21-\x7e]{32,255}$/.test(value)) throw new BadValue(allowed)
      return value
    },
    true,
  )
}

/** Networks, addresses and names of hosts: a list, or a text with commas. */
export function hostList(): Setting<readonly string[]> {
  const allowed = 'a list of networks (10.0.0.0/8), addresses, and names of hosts'
  return setting<readonly string[]>([], (value) => {
    if (value === null) return []
    const entries = Array.isArray(value) ? value : asText(value, allowed).split(',')
    const hosts = entries.map((entry) => asText(entry, allowed).trim())
    if (hosts.some((host) => /^(true|false|yes|no)$/i.test(host))) throw new BadValue(allowed) // a switch, as which it would open nothing
    try {
      new AllowedHosts(hosts)
    } catch {
      throw new BadValue(allowed)
    }
    return hosts
  })
}

export function oneOf<const T extends string>(choices: readonly T[], fallback: T): Setting<T> {
  const allowed = `one of ${choices.join(', ')}`
  return setting<T>(fallback, (value) => {
    const found = choices.find((choice) => choice === value)
    if (found === undefined) throw new BadValue(allowed)
    return found
  })
}

export function flag(fallback: boolean): Setting<boolean> {
  return setting(fallback, (value) => {
    const found = { true: true, false: false }[String(value)]
    if (found === undefined) throw new BadValue('true or false')
    return found
  })
}

/** Which proxies are believed: whoever connects, nobody, or those addresses and networks, separated by commas. */
export function proxies(): Setting<boolean | readonly string[]> {
  const allowed = 'true, false, or addresses and networks of proxies, such as 10.0.0.1, 192.168.0.0/16'
  return setting<boolean | readonly string[]>(false, (value) => {
    const given = Array.isArray(value) ? value.map((one) => asText(one, allowed)) : asText(value, allowed).split(/\s*,\s*/)
    if (given.length === 1 && (given[0] === 'true' || given[0] === 'false')) return given[0] === 'true'
    if (given.length === 0 || !given.every(isNetwork)) throw new BadValue(allowed)
    return given
  })
}

function isNetwork(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/')
  const most = [0, 32, 128][isIP(address) === 0 ? 0 : isIP(address) === 4 ? 1 : 2] ?? 0
  return more.length === 0 && most > 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most))
}

export function count(fallback: number, least: number, most: number = Number.MAX_SAFE_INTEGER): Setting<number> {
  const allowed = most === Number.MAX_SAFE_INTEGER ? `a whole number from ${least} on` : `a whole number from ${least} to ${most}`
  return setting(fallback, (value) => {
    const digits = asText(value, allowed)
    if (!/^\d+$/.test(digits)) throw new BadValue(allowed)
    return within(Number(digits), least, most, allowed)
  })
}

const byteUnits: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
}

/** A size in bytes: `262144`, `256KiB`, `1.5GiB`, `16MB`. */
export function bytes(fallback: string, least = 0): Setting<number> {
  const allowed = `a size such as 262144, 256KiB or 16MB, at least ${least} bytes`
  const parse = (value: unknown): number => within(Math.round(withUnit(value, byteUnits, allowed)), least, Number.MAX_SAFE_INTEGER, allowed)
  return setting(parse(fallback), parse)
}

/** A size in bytes, or null: none. */
export function optionalBytes(): Setting<number | null> {
  const { parse } = bytes('0')
  return setting<number | null>(null, (value) => (value === null || value === 'null' ? null : parse(value)))
}

const durationUnits: Readonly<Record<string, number>> = { '': 1, ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 }

/** A duration in milliseconds: `1500`, `30s`, `5m`, `1h`. @param mostDays more than 24 is nothing for a timer */
export function duration(fallback: string, leastMs = 1, mostDays = 24): Setting<number> {
  const allowed = `a duration such as 1500 (milliseconds), 30s, 5m, 1h or 14d, from ${durationText(leastMs)} to ${mostDays}d`
  const longestMs = mostDays * 86_400_000
  const parse = (value: unknown): number => within(Math.round(withUnit(value, durationUnits, allowed)), leastMs, longestMs, allowed)
  return setting(parse(fallback), parse)
}

/** The same, or null: never. */
export function optionalDuration(mostDays = 24): Setting<number | null> {
  const { parse } = duration('0', 0, mostDays)
  return setting<number | null>(null, (value) => (value === null || value === 'null' ? null : parse(value)))
}

/** `1h`, `90s`, `1500ms`: in the largest unit that leaves no fraction. */
function durationText(ms: number): string {
  const unit = (['d', 'h', 'm', 's'] as const).find((name) => ms % (durationUnits[name] as number) === 0) ?? 'ms'
  return ms === 0 ? '0' : `${ms / (durationUnits[unit] as number)}${unit}`
}

/** The milliseconds of `90d`, `12h` …; null when it is none. For the command line. */
export function parseDuration(value: string): number | null {
  try {
    return withUnit(value, durationUnits, '')
  } catch {
    return null
  }
}

/** The bytes of `384MiB`, `1GiB` …; null when it is none. For the command line. */
export function parseSize(value: string): number | null {
  try {
    return Math.round(withUnit(value, byteUnits, ''))
  } catch {
    return null
  }
}

function withUnit(value: unknown, units: Readonly<Record<string, number>>, allowed: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(asText(value, allowed))
  const unit = units[match?.[2] ?? '?']
  if (match?.[1] === undefined || unit === undefined) throw new BadValue(allowed)
  return Number(match[1]) * unit
}

function within(value: number, least: number, most: number, allowed: string): number {
  if (!Number.isSafeInteger(value) || value < least || value > most) throw new BadValue(allowed)
  return value
}

/** Where a listener binds. Port 0 asks the system for a free one. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** `HOST:PORT`, `[IPv6]:PORT` or just `PORT` (then 127.0.0.1). */
export function listenAddress(fallback: string): Setting<ListenAddress> {
  const allowed = 'HOST:PORT, [IPv6 ADDRESS]:PORT or PORT, with a port from 0 to 65535'
  const parse = (value: unknown): ListenAddress => {
    const match = /^(?:(?:\[([0-9a-fA-F:.]+)\]|([^:\s[\]]+)):)?(\d{1,5})$/.exec(asText(value, allowed))
    const port = Number(match?.[3] ?? -1)
    if (match === null || port < 0 || port > 65_535) throw new BadValue(allowed)
    return { host: match[1] ?? match[2] ?? '127.0.0.1', port }
  }
  return setting(parse(fallback), parse)
}

/** The same, or `off`: null. */
export function listenAddressOrOff(fallback: string): Setting<ListenAddress | null> {
  const { parse, ...rest } = listenAddress(fallback)
  return {
    ...rest,
    parse: (value) => {
      try {
        return value === 'off' || value === false ? null : parse(value)
      } catch (error) {
        throw error instanceof BadValue ? new BadValue(`off, ${error.message}`) : error
      }
    },
  }
}

/** A host as clients know it, with a port or without: then SSH's own. */
export function publicHost(): Setting<ListenAddress | null> {
  const allowed = 'HOST or HOST:PORT, such as git.example.org'
  return setting<ListenAddress | null>(null, (value) => {
    if (value === null) return null
    const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/.exec(asText(value, allowed))
    const port = Number(match?.[2] ?? 22)
    if (match?.[1] === undefined || port < 1 || port > 65_535) throw new BadValue(allowed)
    return { host: match[1], port }
  })
}

/** A list, or texts with commas between them. */
export function texts(): Setting<readonly string[] | null> {
  const allowed = 'a list of texts'
  return setting<readonly string[] | null>(null, (value) => {
    if (value === null) return null
    const found = (Array.isArray(value) ? value : asText(value, allowed).split(',')).map((item) => asText(item, allowed).trim())
    if (found.length === 0 || found.includes('')) throw new BadValue(allowed)
    return found
  })
}

/** The same, or none. */
export function optionalListenAddress(): Setting<ListenAddress | null> {
  const { parse } = listenAddress('0')
  return setting<ListenAddress | null>(null, (value) => (value === null ? null : parse(value)))
}

/** An http or https URL without path, query and credentials; a slash at the end goes. */
export function originUrl(): Setting<string | null> {
  return webUrl('an http:// or https:// URL without a path, such as https://git.example.org', (url) => url.pathname === '/')
}

/** An http or https URL of a service. */
export function serviceUrl(allowed = 'an http:// or https:// URL, such as http://127.0.0.1:8000'): Setting<string | null> {
  return webUrl(allowed, () => true)
}

function webUrl(allowed: string, isFine: (url: URL) => boolean): Setting<string | null> {
  return setting<string | null>(null, (value) => {
    if (value === null) return null
    const given = asText(value, allowed)
    if (!URL.canParse(given)) throw new BadValue(allowed)
    const url = new URL(given)
    const isPlain = /^https?:$/.test(url.protocol) && url.username === '' && url.search === '' && url.hash === ''
    if (!isPlain || !isFine(url)) throw new BadValue(allowed)
    return url.href.replace(/\/$/, '')
  })
}

/** http or https URLs, apart by spaces or commas, or a list of the file's; none: an empty text. */
export function urlList(fallback: string): Setting<readonly string[]> {
  const allowed = 'a list of http:// or https:// URLs'
  const parse = (value: unknown): readonly string[] => {
    const words = Array.isArray(value) ? value : value === null ? [] : String(value).split(/[\s,]+/)
    return words.filter((word) => word !== '').map((word) => serviceUrl(allowed).parse(word) as string)
  }
  return setting(parse(fallback), parse)
}

export function databaseUrl(): Setting<string | null> {
  const allowed = 'a URL such as postgresql://user:password@host:5432/database'
  return setting<string | null>(
    null,
    (value) => {
      if (value === null) return null
      const given = asText(value, allowed)
      if (!/^postgres(ql)?:\/\//.test(given) || !URL.canParse(given.replace('@/', '@host/'))) throw new BadValue(allowed)
      return given
    },
    true,
  )
}

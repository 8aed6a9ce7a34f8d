// `stemma upstream`: registries that images and npm packages come from when somebody asks for them; straight in the database.
import { type Account, findAccount, operator, sizeText } from '../access/index.ts'
import { InputError, systemRandomness } from '../base/index.ts'
import { type Config, parseDuration, parseSize } from '../config.ts'
import type { Database } from '../db/index.ts'
import { npmUpstreams } from '../npm/index.ts'
import { ociUpstreams } from '../oci/index.ts'
import {
  changeUpstream,
  claimPlace,
  type Declared,
  declareUpstream,
  findDeclared,
  listDeclared,
  parsePlace,
  removeDeclared,
  type Upstream,
  type UpstreamFormat,
  type UpstreamSettings,
} from '../packages/index.ts'
import { makeOutbound } from '../rooms.ts'
import { openSealer } from '../secret-key.ts'
import { withDatabase } from './database.ts'
import { quietLog } from './rooms.ts'
import { chosen, counted, type Flags, flagChoices, printDone, printRows, readToken, shortDuration, UsageError } from './usage.ts'

const formats = { oci: ociUpstreams, npm: npmUpstreams }
const nouns = { oci: 'image', npm: 'package' }

export async function runDeclareUpstream(config: Config, given: Flags, [place = '', url = '']: readonly string[]): Promise<void> {
  const [format, settings, credentials] = [formatOf(given), settingsOf(given), credentialsOf(given) ?? null]
  const made = await withDatabase(config, quietLog(config), async (db) => {
    const { account, path } = await placeOf(db, format, place)
    const sealer = await openSealer(config, systemRandomness)
    return await declareUpstream({ db, sealer }, format, account, { path, url, credentials, ...settings }, operator)
  })
  const noun = nouns[format.name]
  const unless = format.isOwnFirst ? 'unless that place is claimed' : 'any more'
  printDone(
    given.json === true,
    plain(made),
    `${noun[0]?.toUpperCase()}${noun.slice(1)}s below ${made.place} come from ${made.url}; nothing is pushed there ${unless}.`,
  )
  warnWhereBarred(config, made)
}

/** As far as that can be said without asking for addresses. It may be allowed later, or to the server alone: no reason to refuse it. */
function warnWhereBarred(config: Config, { url }: Upstream): void {
  try {
    makeOutbound(config).checkUrl(url)
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    process.stderr.write(`stemma: nothing will come from there yet: ${error.message}\n`)
  }
}

export async function runClaimPlace(config: Config, given: Flags, [place = '']: readonly string[]): Promise<void> {
  const format = formatOf(given, 'npm')
  const made = await withDatabase(config, quietLog(config), async (db) => {
    const { account, path } = await placeOf(db, format, place)
    return await claimPlace(db, format, account, path, operator)
  })
  printDone(given.json === true, plain(made), `${made.place} is its owner's own: nothing of it comes from elsewhere.`)
}

export async function runChangeUpstream(config: Config, given: Flags, [place = '']: readonly string[]): Promise<void> {
  const [format, settings, credentials] = [formatOf(given), settingsOf(given), credentialsOf(given)]
  const changed = await withDatabase(config, quietLog(config), async (db) => {
    const sealer = await openSealer(config, systemRandomness)
    const { id } = await declaredAt(db, format, place)
    const change = { ...settings, ...(credentials === undefined ? {} : { credentials }) }
    return await changeUpstream({ db, sealer }, format, id, change, operator)
  })
  if (changed === null) throw noUpstream(place)
  printDone(given.json === true, plain(changed), `${changed.place} was changed.`)
}

export async function runListUpstreams(config: Config, given: Flags): Promise<void> {
  const found = await withDatabase(config, quietLog(config), (db) => listDeclared(db.queries))
  const heads = ['PLACE', 'URL', 'USER', 'AUTH', 'VISIBILITY', 'FRESH', 'KEEP', 'SIZE', 'FORMAT', 'MIN-AGE']
  printRows(given.json === true, heads, found.map(plain), (one) => {
    if (one.url === null) return [one.place, 'claimed', null, null, null, null, null, null, one.format, null]
    const size = one.mostBytes === null ? null : sizeText(one.mostBytes)
    const times = [shortDuration(one.freshS), shortDuration(one.keepS)]
    const minAge = one.minAgeS === 0 ? null : shortDuration(one.minAgeS)
    return [one.place, one.url, one.username, one.authOrigin, one.visibility, ...times, size, one.format, minAge]
  })
}

export async function runRemoveUpstream(config: Config, given: Flags, [place = '']: readonly string[]): Promise<void> {
  if (given.yes !== true) throw new UsageError(`what came from there goes, too; say --yes to remove the upstream of ${place}`)
  const format = formatOf(given)
  const packages = await withDatabase(config, quietLog(config), async (db) => {
    const { id } = await declaredAt(db, format, place)
    return await removeDeclared(db, format, id, operator)
  })
  if (packages === null) throw noUpstream(place)
  printDone(given.json === true, { place, packages }, `Removed, with ${counted(packages, nouns[format.name])} that came from there.`)
}

function formatOf({ format }: Flags, otherwise: 'oci' | 'npm' = 'oci'): UpstreamFormat {
  return formats[format === undefined ? otherwise : chosen('format', format, ['oci', 'npm'])]
}

async function placeOf(db: Database, format: UpstreamFormat, place: string): Promise<{ readonly account: Account; readonly path: string }> {
  const { owner, path } = parsePlace(place, format)
  const account = await findAccount(db.queries, owner)
  if (account === null) throw new InputError('no-such-account', `there is no account '${owner}'; stemma org create makes one`)
  return { account, path }
}

async function declaredAt({ queries }: Database, format: UpstreamFormat, place: string): Promise<Declared> {
  const found = await findDeclared(queries, format, place)
  if (found === null) throw noUpstream(place)
  return found
}

function noUpstream(place: string): InputError {
  return new InputError('no-such-upstream', `no upstream is declared for ${place}; stemma upstream list shows those that there are`)
}

function settingsOf(given: Flags): Partial<UpstreamSettings> {
  const { auth, visibility, fresh, keep, size, 'min-age': minAge } = given
  return {
    ...(auth === undefined ? {} : { authOrigin: auth === 'none' ? null : auth }),
    ...(visibility === undefined ? {} : { visibility: chosen('visibility', visibility, visibilities) }),
    ...(fresh === undefined ? {} : { freshS: secondsOf('fresh', fresh) }),
    ...(keep === undefined ? {} : { keepS: secondsOf('keep', keep) }),
    ...(size === undefined ? {} : { mostBytes: bytesOf(size) }),
    ...(minAge === undefined ? {} : { minAgeS: minAge === 'none' ? 0 : secondsOf('min-age', minAge) }),
  }
}

const visibilities = flagChoices.visibility as readonly ('public' | 'internal' | 'private')[]

/** Undefined: nothing is said of them; null: none. */
function credentialsOf({
  user,
  'password-file': file,
}: Flags): { readonly username: string; readonly password: string } | null | undefined {
  if (user === 'none' && file === undefined) return null
  if (user === undefined && file === undefined) return undefined
  if (user === undefined || file === undefined) throw new UsageError('--user and --password-file go together')
  return { username: user, password: readToken(file, 'password-file') }
}

function secondsOf(flag: string, value: string): number {
  const ms = parseDuration(value)
  if (ms === null) throw new UsageError(`--${flag} ${value} is no duration; write 5m, 12h or 30d`)
  return Math.round(ms / 1000)
}

function bytesOf(value: string): number | null {
  if (value === 'none') return null
  const bytes = parseSize(value)
  if (bytes === null) throw new UsageError(`--size ${value} is no size; write 500MiB, 10GiB, a number of bytes, or none`)
  return bytes
}

/** For people. */
function plain({ format, place, url, username, authOrigin, visibility, freshS, keepS, mostBytes, minAgeS }: Declared) {
  return { format, place, url, username, authOrigin, visibility, freshS, keepS, mostBytes, minAgeS }
}

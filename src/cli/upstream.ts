// `stemma upstream`: registries that images come from when somebody asks for them; straight in the database.
import { findAccount, operator, sizeText } from '../access/index.ts'
import { InputError, systemRandomness } from '../base/index.ts'
import { type Config, parseDuration, parseSize } from '../config.ts'
import type { Database } from '../db/index.ts'
import {
  changeUpstream,
  declareUpstream,
  findUpstream,
  listUpstreams,
  parsePlace,
  removeUpstream,
  type Upstream,
  type UpstreamSettings,
} from '../oci/index.ts'
import { makeOutbound } from '../rooms.ts'
import { openSealer } from '../secret-key.ts'
import { withDatabase } from './database.ts'
import { quietLog } from './rooms.ts'
import { chosen, counted, type Flags, flagChoices, printDone, printRows, readToken, shortDuration, UsageError } from './usage.ts'

export async function runDeclareUpstream(config: Config, given: Flags, [place = '', url = '']: readonly string[]): Promise<void> {
  const [settings, credentials] = [settingsOf(given), credentialsOf(given) ?? null]
  const made = await withDatabase(config, quietLog(config), async (db) => {
    const { owner, path } = parsePlace(place)
    const account = await findAccount(db.queries, owner)
    if (account === null) throw new InputError('no-such-account', `there is no account '${owner}'; stemma org create makes one`)
    const sealer = await openSealer(config, systemRandomness)
    return await declareUpstream({ db, sealer }, account, { path, url, credentials, ...settings }, operator)
  })
  printDone(given.json === true, plain(made), `Images below ${made.place} come from ${made.url}; nothing is pushed there any more.`)
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

export async function runChangeUpstream(config: Config, given: Flags, [place = '']: readonly string[]): Promise<void> {
  const [settings, credentials] = [settingsOf(given), credentialsOf(given)]
  const changed = await withDatabase(config, quietLog(config), async (db) => {
    const sealer = await openSealer(config, systemRandomness)
    const { id } = await upstreamAt(db, place)
    return await changeUpstream({ db, sealer }, id, { ...settings, ...(credentials === undefined ? {} : { credentials }) }, operator)
  })
  if (changed === null) throw noUpstream(place)
  printDone(given.json === true, plain(changed), `${changed.place} was changed.`)
}

export async function runListUpstreams(config: Config, given: Flags): Promise<void> {
  const found = await withDatabase(config, quietLog(config), (db) => listUpstreams(db.queries))
  const heads = ['PLACE', 'URL', 'USER', 'AUTH', 'VISIBILITY', 'FRESH', 'KEEP', 'SIZE']
  printRows(given.json === true, heads, found.map(plain), ({ place, url, username, authOrigin, visibility, freshS, keepS, mostBytes }) => [
    place,
    url,
    username,
    authOrigin,
    visibility,
    shortDuration(freshS),
    shortDuration(keepS),
    mostBytes === null ? null : sizeText(mostBytes),
  ])
}

export async function runRemoveUpstream(config: Config, given: Flags, [place = '']: readonly string[]): Promise<void> {
  if (given.yes !== true) throw new UsageError(`what came from there goes, too; say --yes to remove the upstream of ${place}`)
  const images = await withDatabase(config, quietLog(config), async (db) => removeUpstream(db, (await upstreamAt(db, place)).id, operator))
  if (images === null) throw noUpstream(place)
  printDone(given.json === true, { place, images }, `Removed, with ${counted(images, 'image')} that came from there.`)
}

async function upstreamAt({ queries }: Database, place: string): Promise<Upstream> {
  const found = await findUpstream(queries, place)
  if (found === null) throw noUpstream(place)
  return found
}

function noUpstream(place: string): InputError {
  return new InputError('no-such-upstream', `no upstream is declared for ${place}; stemma upstream list shows those that there are`)
}

function settingsOf(given: Flags): Partial<UpstreamSettings> {
  const { auth, visibility, fresh, keep, size } = given
  return {
    ...(auth === undefined ? {} : { authOrigin: auth === 'none' ? null : auth }),
    ...(visibility === undefined ? {} : { visibility: chosen('visibility', visibility, visibilities) }),
    ...(fresh === undefined ? {} : { freshS: secondsOf('fresh', fresh) }),
    ...(keep === undefined ? {} : { keepS: secondsOf('keep', keep) }),
    ...(size === undefined ? {} : { mostBytes: bytesOf(size) }),
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
function plain({ place, url, username, authOrigin, visibility, freshS, keepS, mostBytes }: Upstream) {
  return { place, url, username, authOrigin, visibility, freshS, keepS, mostBytes }
}

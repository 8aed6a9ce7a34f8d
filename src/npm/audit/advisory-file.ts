// The operator's advisories: a file, or a folder with files below it (`npm.advisories`), read when they are first asked for and again when they were changed.
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, InputError, type Log, UnavailableError } from '../../base/index.ts'
import { type Advisory, parseAdvisories, VersionRange } from '../format/advisories.ts'

export interface KnownAdvisory extends Advisory {
  readonly range: VersionRange
}

/** How often it is looked whether something was changed. */
const everyMs = 60_000
const mostBytes = 64 << 20
const mostFiles = 200_000

/** Lives as long as the server. */
export class AdvisoryFile {
  readonly #path: string
  readonly #clock: Clock
  readonly #log: Log
  #known: Promise<ReadonlyMap<string, readonly KnownAdvisory[]>> | null = null
  #lookedAt = 0
  #state = ''

  constructor(path: string, { clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#path = path
    this.#clock = clock
    this.#log = log
  }

  /** By the packages' names. UnavailableError: the file can't be read, and never could be. */
  async byName(): Promise<ReadonlyMap<string, readonly KnownAdvisory[]>> {
    const now = this.#clock.monotonic()
    if (this.#known !== null && now - this.#lookedAt < everyMs) return this.#known
    this.#lookedAt = now
    const before = this.#known
    const read = this.#readIfChanged(before)
    this.#known = read.catch((error: unknown) => {
      this.#log.warn({ err: error, path: this.#path }, 'the advisories can not be read')
      this.#known = before
      if (before !== null) return before
      throw new UnavailableError('advisories', 'the advisories can not be read', { cause: error })
    })
    return this.#known
  }

  async #readIfChanged(before: Promise<ReadonlyMap<string, readonly KnownAdvisory[]>> | null) {
    const files = await filesBelow(this.#path)
    const state = files.map(({ path, changedMs, sizeBytes }) => `${path} ${changedMs} ${sizeBytes}`).join('\n')
    if (before !== null && state === this.#state) return before
    const known = new Map<string, KnownAdvisory[]>()
    for (const { path } of files) {
      for (const advisory of await readAdvisories(path, this.#log)) {
        const of = known.get(advisory.name) ?? []
        known.set(advisory.name, [...of, { ...advisory, range: new VersionRange(advisory) }])
      }
    }
    this.#state = state
    this.#log.info({ path: this.#path, files: files.length, packages: known.size }, 'advisories read')
    return known
  }
}

/** One that is none is told, and the others are taken. */
async function readAdvisories(path: string, log: Log): Promise<Advisory[]> {
  try {
    return parseAdvisories(JSON.parse(await readFile(path, 'utf8')))
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof InputError)) throw error
    log.warn({ path, reason: error.message }, 'a file of advisories holds none')
    return []
  }
}

interface Found {
  readonly path: string
  readonly changedMs: number
  readonly sizeBytes: number
}

async function filesBelow(path: string): Promise<Found[]> {
  const facts = await stat(path)
  const paths = facts.isDirectory()
    ? (await readdir(path, { recursive: true })).filter((name) => name.endsWith('.json')).map((name) => join(path, name))
    : [path]
  if (paths.length > mostFiles) throw new InputError('bad-advisory', `there are more than ${mostFiles} files`)
  const found: Found[] = []
  let total = 0
  for (const each of paths.sort()) {
    const { mtimeMs, size } = await stat(each)
    total += size
    if (size > mostBytes || total > 16 * mostBytes) throw new InputError('bad-advisory', `${each} is too large`)
    found.push({ path: each, changedMs: mtimeMs, sizeBytes: size })
  }
  return found
}

// What a push leaves on the disk: its objects, loose or as a pack just as git's receive-pack would have kept them, and its refs with their
// reflogs, moved by git itself.
import { once } from 'node:events'
import { chown, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { HookCommand } from '../../../src/git/receive-pack/push-hooks.ts'
import type { Environment } from './disk-hooks.ts'
import { asOwner, startGit } from './git-process.ts'
import type { DiskPlace } from './place.ts'

export interface PushedPack {
  readonly objectCount: number
  bytes(): AsyncIterable<Uint8Array>
}

/** receive.unpackLimit, transfer.unpackLimit: fewer objects than this become loose ones. */
const unpackLimit = 100

export interface UnpackOptions {
  readonly limit?: number | undefined
  /** A folder beside the repository's objects, for what nobody but a hook is to see. */
  readonly quarantine?: string | undefined
}

export async function writeObjects(place: DiskPlace, pack: PushedPack, options: UnpackOptions = {}): Promise<void> {
  const isUnpacked = pack.objectCount < (options.limit ?? unpackLimit)
  const args = isUnpacked ? ['unpack-objects', '-q'] : ['index-pack', '--stdin', '--fix-thin']
  const environment = options.quarantine === undefined ? {} : quarantineEnvironment(place, options.quarantine)
  const child = startGit(place, args, { environment })
  const said: Buffer[] = []
  child.stderr?.on('data', (chunk: Buffer) => said.push(chunk))
  child.stdout?.resume()
  const closed = once(child, 'close')
  await pipeline(pack.bytes(), child.stdin as NodeJS.WritableStream).catch(() => {}) // its exit code tells
  const [code] = (await closed) as [number | null]
  if (code !== 0) throw new Error(`git ${args[0]} in ${place.gitDir}: ${Buffer.concat(said).toString()}`)
}

export async function makeQuarantine(place: DiskPlace): Promise<string> {
  const folder = await mkdtemp(join(place.gitDir, 'objects', 'tmp_objdir-incoming-'))
  const { uid, gid } = asOwner(place)
  if (uid !== undefined && gid !== undefined) await chown(folder, uid, gid)
  return folder
}

export function removeQuarantine(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true })
}

/** What pre-receive sees of the push, and only that hook. */
export function quarantineEnvironment(place: DiskPlace, folder: string): Environment {
  return { GIT_QUARANTINE_PATH: folder, GIT_OBJECT_DIRECTORY: folder, GIT_ALTERNATE_OBJECT_DIRECTORIES: join(place.gitDir, 'objects') }
}

export interface RefMove {
  readonly place: DiskPlace
  readonly environment: Environment
  readonly prefix: string
  readonly commands: readonly HookCommand[]
  readonly isAtomic: boolean
  readonly say: (text: string) => void
}

/** Moves the refs; for each that could not be moved, why (by the command's ref). */
export async function moveDiskRefs(move: RefMove): Promise<Map<string, string>> {
  const { commands, isAtomic } = move
  const failures = new Map<string, string>()
  // as git: deletions first, and what goes wrong with one of many is found by doing each by itself
  const isNone = ({ newId }: HookCommand) => /^0+$/.test(newId)
  const batches = isAtomic ? [commands] : [commands.filter(isNone), commands.filter((command) => !isNone(command))]
  for (const batch of batches) {
    if (batch.length === 0) continue
    const error = await transact(move, batch)
    if (error === null) continue
    if (isAtomic || batch.length === 1) fail(move, batch, error, failures)
    else {
      for (const command of batch) {
        const own = await transact(move, [command])
        if (own !== null) fail(move, [command], own, failures)
      }
    }
  }
  return failures
}

function fail({ isAtomic, say }: RefMove, commands: readonly HookCommand[], error: string, failures: Map<string, string>): void {
  say(error)
  for (const { ref, newId } of commands) {
    const reason = /^0+$/.test(newId) ? 'failed to delete' : 'failed to update ref'
    failures.set(ref, isAtomic ? 'atomic transaction failed' : reason)
  }
}

/** Null when it is done, else git's words. */
async function transact({ place, environment, prefix, say }: RefMove, commands: readonly HookCommand[]): Promise<string | null> {
  const child = startGit(place, ['update-ref', '-m', 'push', '--stdin', '-z'], { environment })
  const said: Buffer[] = []
  child.stderr?.on('data', (chunk: Buffer) => said.push(chunk))
  child.stdout?.resume()
  child.stdin?.on('error', () => {})
  child.stdin?.end(commands.map((command) => instruction(command, prefix)).join(''))
  const [code] = (await once(child, 'close')) as [number | null]
  const words = Buffer.concat(said).toString()
  if (code === 0) {
    if (words !== '') say(words)
    return null
  }
  return words.replace(/^fatal: (?:prepare: |commit: )?/gm, 'error: ')
}

function instruction({ ref, oldId, newId }: HookCommand, prefix: string): string {
  const isNone = (oid: string) => /^0+$/.test(oid)
  if (isNone(newId)) return `delete ${prefix}${ref}\0${isNone(oldId) ? '' : oldId}\0`
  return `update ${prefix}${ref}\0${newId}\0${oldId}\0`
}

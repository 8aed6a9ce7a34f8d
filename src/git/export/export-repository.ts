// One repository as git keeps it: bare, with one pack of all that its refs reach, its index, packed-refs, HEAD and config. Made beside its place and
// moved there when it is whole; what is there already with the same refs stays.
import { existsSync } from 'node:fs'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { MessagePort } from 'node:worker_threads'
import { CorruptError, hex, InputError, MessageStream, UnavailableError, type WorkerPool } from '../../base/index.ts'
import type { Repository } from '../../access/index.ts'
import type { FetchWorkers } from '../fetch-job.ts'
import type { ObjectFormat, ObjectId } from '../format/object-id.ts'
import type { IndexLimits } from '../index-pack/index.ts'
import type { PackStore } from '../odb/index.ts'
import { packStream } from '../pack-stream.ts'
import { isDetached, type RefSnapshot, type RefStore } from '../refs/index.ts'
import type { IndexJob, IndexResult } from './index-job.ts'

export interface ExportParts {
  readonly refs: RefStore
  readonly packs: PackStore
  readonly workers: WorkerPool
  readonly fetchMemory: FetchWorkers['memory']
  readonly limits: IndexLimits
  readonly threads: number
}

export interface Exported {
  /** `present`: it was there, with these refs. */
  readonly outcome: 'exported' | 'present'
  readonly path: string
  readonly refs: number
  readonly objects: number
  readonly packBytes: number
}

/**
 * @param path `…/owner/name.git`
 * @throws InputError `export-folder` when something else is in its place; CorruptError when what the refs reach isn't whole; UnavailableError, also where the folder can't be written; the signal's reason
 */
export async function exportRepository(parts: ExportParts, repository: Repository, path: string, signal: AbortSignal): Promise<Exported> {
  const refs = await parts.refs.read(repository.id)
  const cutOff = (repository.settings['stemma.shallow'] ?? []) as readonly ObjectId[]
  const files = filesOf(repository, refs, cutOff)
  if (await isPresent(path, files)) return { outcome: 'present', path, refs: refs.refs.length, objects: 0, packBytes: 0 }
  await assertOurs(path)
  const making = `${path}.part`
  try {
    await rm(making, { recursive: true, force: true })
    for (const folder of ['objects/info', 'objects/pack', 'refs/heads', 'refs/tags']) await mkdir(join(making, folder), { recursive: true })
    const written = refs.refs.length === 0 ? null : await writePack(parts, repository, refs, cutOff, making, signal)
    for (const [name, text] of files) await write(join(making, name), text)
    await place(making, path)
    return { outcome: 'exported', path, refs: refs.refs.length, objects: written?.objectCount ?? 0, packBytes: written?.packBytes ?? 0 }
  } catch (error) {
    await rm(making, { recursive: true, force: true }).catch(() => {})
    throw translate(error, dirname(path))
  }
}

function filesOf(repository: Repository, { refs, head }: RefSnapshot, cutOff: readonly ObjectId[]): ReadonlyMap<string, string> {
  const named = refs.filter(({ name }) => name.startsWith('refs/'))
  const lines = named.map(({ oid, name, peeled }) => `${oid} ${name}\n${peeled ? `^${peeled}\n` : ''}`)
  return new Map([
    ['packed-refs', `# pack-refs with: peeled fully-peeled sorted \n${lines.join('')}`],
    ['config', configOf(repository.objectFormat)],
    ['description', `${repository.description?.replaceAll('\n', ' ') ?? `${repository.ownerLogin}/${repository.name}`}\n`],
    ...(cutOff.length > 0 ? ([['shallow', `${[...cutOff].sort().join('\n')}\n`]] as const) : []),
    // last: a folder without it is no repository to git
    ['HEAD', isDetached(head) ? `${head}\n` : `ref: ${head}\n`],
  ])
}

function configOf(format: ObjectFormat): string {
  const extension = format === 'sha1' ? '' : '[extensions]\n\tobjectFormat = sha256\n'
  return `[core]\n\trepositoryformatversion = ${format === 'sha1' ? 0 : 1}\n\tfilemode = true\n\tbare = true\n${extension}`
}

/** What is in the way gives way to the new one, so it must be an export. */
async function assertOurs(path: string): Promise<void> {
  if (!existsSync(path)) return
  const there = await readFile(join(path, 'config'), 'utf8').catch(() => null)
  if (there !== configOf('sha1') && there !== configOf('sha256'))
    throw new InputError(
      'export-folder',
      `${path} is no export, or was changed since: it is left as it is. Move it away, or export to another folder`,
    )
}

async function isPresent(path: string, files: ReadonlyMap<string, string>): Promise<boolean> {
  for (const [name, text] of files) {
    const there = await readFile(join(path, name), 'utf8').catch(() => null)
    if (there !== text) return false
  }
  return existsSync(join(path, 'shallow')) === files.has('shallow')
}

async function writePack(
  { packs, workers, fetchMemory, limits, threads }: ExportParts,
  repository: Repository,
  refs: RefSnapshot,
  cutOff: readonly ObjectId[],
  folder: string,
  signal: AbortSignal,
): Promise<IndexResult> {
  const seen = await packs.open(repository.networkId) // after the refs
  const wants = [...new Set(refs.refs.map((ref) => ref.oid))]
  const pack = packStream({ pool: workers, memory: fetchMemory }, seen, { wants, haves: [], isThin: false, refs, cutOff, signal })
  const packFolder = join(folder, 'objects/pack')
  const job: IndexJob = {
    format: repository.objectFormat,
    packPath: join(packFolder, 'making.pack'),
    idxPath: join(packFolder, 'making.idx'),
    scratchFolder: packFolder,
    cutOff,
    // it is stored: what one push may bring is no limit for all of them together
    limits: { ...limits, ...withoutLimit },
    threads,
  }
  const result = await workers.run('index', job, [], (port) => converse(port, pack))
  const name = `pack-${hex(result.trailer)}`
  await rename(job.packPath, join(packFolder, `${name}.pack`))
  await rename(job.idxPath, join(packFolder, `${name}.idx`))
  return result
}

const withoutLimit = { packBytes: 2 ** 50, objectBytes: 2 ** 50, objectCount: 2 ** 32 - 1, deltaDepth: 2 ** 31 - 1, inflatedBytes: 2 ** 52 }

async function converse(port: MessagePort, pack: AsyncIterable<Uint8Array>): Promise<IndexResult> {
  const worker = new MessageStream<IndexResult>(port)
  const feed = async () => {
    try {
      for await (const bytes of pack) await worker.sendBytes(bytes)
      worker.endBytes()
    } catch (error) {
      worker.fail(error)
      throw error
    }
  }
  const [fed, result] = await Promise.allSettled([feed(), worker.message()])
  if (fed.status === 'rejected') throw fed.reason
  if (result.status === 'fulfilled') return result.value
  // the pack is of our own making
  if (!(result.reason instanceof InputError)) throw result.reason
  throw new CorruptError('export', `what the refs reach is not whole: ${result.reason.message}`, { cause: result.reason })
}

async function write(path: string, text: string): Promise<void> {
  await using file = await open(path, 'wx')
  await file.writeFile(text)
  await file.sync()
}

/** What is there gives way only when the new one is whole. */
async function place(making: string, path: string): Promise<void> {
  const old = `${path}.old`
  await rm(old, { recursive: true, force: true })
  if (existsSync(path)) await rename(path, old)
  await rename(making, path)
  await rm(old, { recursive: true, force: true })
}

function translate(error: unknown, folder: string): unknown {
  if (!(error instanceof Error && 'syscall' in error)) return error
  return new UnavailableError('export-folder', `cannot write to ${folder}: ${error.message}`, { cause: error })
}

// `stemma fsck`: findings go to standard output, one a line, as text or as JSON; how far it is, to standard error.
// Exit codes: 0 nothing is wrong, 1 something is, 2 it could not be found out.
import { systemClock } from '../base/index.ts'
import { type Finding, fsck, type FsckSummary, rebuild, type Rebuilt } from '../git/index.ts'
import type { Config } from '../config.ts'
import type { Queries } from '../db/index.ts'
import { holdObjects } from '../lfs/index.ts'
import { packageFormats } from '../package-formats.ts'
import { keepingsOf } from '../packages/index.ts'
import { contentScrubState, rebuildStore, type Rebuilt as RebuiltStore } from '../store/index.ts'
import { checkContent, contentLine, type ContentSummary, type StoreFinding } from './fsck-content.ts'
import { formatBytes, Progress } from './progress.ts'
import { parseRepository } from './repository-name.ts'
import { interruptible, withRooms } from './rooms.ts'
import { type Flags, print, UsageError } from './usage.ts'

/** The check did not come to its end. */
class Unfinished extends Error {
  readonly exitCode = 2
}

/** @throws Unfinished, with exit code 2, for all that kept it from being done. Sets the exit code to 1 when something is wrong. */
export async function runFsck(config: Config, given: Flags, wanted: string | undefined): Promise<void> {
  const repository = wanted === undefined ? undefined : parseRepository(wanted)
  if (given.rebuild === true && repository) throw new UsageError('--rebuild is for everything: leave OWNER/REPO out')
  const startMs = systemClock.monotonic()
  const progress = new Progress(process.stderr, systemClock)
  const report = (found: Finding | StoreFinding) => {
    progress.clear()
    const isText = given.json !== true
    print(isText ? ('segment' in found ? contentLine(found) : lineOf(found)) : JSON.stringify({ type: 'finding', ...found }))
  }
  const run = (signal: AbortSignal) =>
    withRooms(config, async (rooms) => {
      const { db, git } = rooms
      const show = (phase: string, done: number, total: number) => progress.show('fsck', phase, done, total)
      if (given.rebuild === true) {
        const rebuilt = await rebuild(git, { signal, progress: show })
        show('reading segments', 0, 0)
        const content = contentPart(
          await rebuildStore(db, git.options.bucket, signal),
          await holdObjects(db.queries),
          await holdPackages(db.queries),
        )
        progress.clear()
        print(given.json === true ? JSON.stringify({ type: 'rebuilt', ...rebuilt, content }) : rebuiltLines(rebuilt, content))
      }
      const how = { ...(repository ? { repository } : {}), signal, report, progress: show }
      const checked = await fsck(git, how)
      const content = await checkContent(config, rooms, how)
      const scrub = { ...checked.scrub, content: await contentScrubState(db) }
      return { ...checked, scrub, content, errors: checked.errors + content.errors, warnings: checked.warnings + content.warnings }
    })
  let summary: FsckSummary & { readonly content: ContentSummary }
  try {
    summary = await interruptible(run)
  } catch (error) {
    if (error instanceof Error && 'exitCode' in error) throw error
    throw new Unfinished(error instanceof Error ? error.message : String(error), { cause: error })
  } finally {
    progress.clear()
  }
  const seconds = (systemClock.monotonic() - startMs) / 1000
  print(
    given.json === true ? JSON.stringify({ type: 'summary', seconds: Math.round(seconds * 10) / 10, ...summary }) : endOf(summary, seconds),
  )
  if (summary.errors + summary.warnings > 0) process.exitCode = 1
}

async function holdPackages(queries: Queries): Promise<number> {
  let held = 0
  for (const keeping of keepingsOf(packageFormats)) held += await keeping.holdAgain(queries)
  return held
}

function lineOf({ severity, code, message, key, pack, network, objectCount, dependents, advice }: Finding): string {
  const place = key ?? (pack === null ? network && `network ${network}` : `pack ${pack}, in PostgreSQL`)
  const objects = objectCount > 1 ? ` (${objectCount} objects)` : ''
  const { refs, refCount } = dependents
  const named = refs.slice(0, 3).map(({ repository, ref }) => `${repository} ${ref}`)
  const more = refCount > named.length ? ` and ${refCount - named.length} more` : ''
  const needed = refCount > 0 ? `; needed by ${named.join(', ')}${more}` : ''
  return `${severity}\t${code}\t${place ?? '-'}\t${message}${objects}${needed}; to do: ${advice}`
}

/** What was made of the content store's rows. `unresolved`: contents of which something is nowhere, also such that were collected long ago. */
function contentPart({ segments, contents, wholes, corrected, damaged, unresolved }: RebuiltStore, held: number, heldBlobs: number) {
  const left = damaged.map(({ key, error }) => ({ key, reason: error.message }))
  return { segments, contents, wholes, corrected, held, heldBlobs, unresolved: unresolved.length, left }
}

function rebuiltLines({ made, corrected, removed, histories, left }: Rebuilt, content: ReturnType<typeof contentPart>): string {
  return [
    ...[...left, ...content.left].map(({ key, reason }) => `left\t${key}\t${reason}`),
    `rebuilt: ${made} rows made, ${corrected} corrected, ${removed} removed, ${histories} history and path tables given up`,
    `rebuilt: ${content.contents} contents out of ${content.segments} segments, ${content.wholes} that are stored as they came, ${content.corrected} rows corrected, ${content.held} LFS objects and ${content.heldBlobs} blobs and files of packages held again; of ${content.unresolved} something is nowhere`,
  ].join('\n')
}

function endOf(summary: FsckSummary & { readonly content: ContentSummary }, seconds: number): string {
  const { repositories, packs, objects, packBytes, refs, errors, warnings, content } = summary
  const places = `${counted(repositories, 'repository', 'repositories')}, ${counted(refs, 'ref')}`
  const seen = `${places}, ${counted(objects, 'object')} in ${counted(packs, 'pack')} (${formatBytes(packBytes)})${contentText(content)}`
  const outcome = errors + warnings === 0 ? 'nothing is wrong' : `${counted(errors, 'error')}, ${counted(warnings, 'warning')}`
  return `${outcome}: ${seen}, ${seconds.toFixed(1)} s`
}

function contentText({ contents, segments, wholes, contentBytes }: ContentSummary): string {
  const asTheyCame = wholes === 0 ? '' : `, ${wholes} as ${wholes === 1 ? 'it' : 'they'} came`
  return contents === 0
    ? ''
    : `, ${counted(contents, 'content')} in ${counted(segments, 'segment')}${asTheyCame} (${formatBytes(contentBytes)})`
}

function counted(count: number, one: string, more = `${one}s`): string {
  return `${count} ${count === 1 ? one : more}`
}

// Small blobs that tips reach, in a worker: those in which given bytes stand are sent, each as one piece. Memory: a mark for each object.
import type { MessagePort } from 'node:worker_threads'
import { answerJob, asBuffer } from '../../base/index.ts'
import type { FetchRepositories } from '../fetch-job.ts'
import { hashBytes, Kind, type ObjectId } from '../format/object-id.ts'
import type { PackSetHandle } from '../odb/index.ts'
import { Mark } from '../upload-pack/commit-walk.ts'
import { objectSteps, stretch, stretchSteps } from '../upload-pack/pace.ts'
import { paced } from '../upload-pack/repository.ts'
import { selectObjects } from '../upload-pack/selection.ts'

export interface SmallBlobsJob {
  readonly packs: PackSetHandle
  readonly cutOff: readonly ObjectId[]
  /** Packed ids. Those that aren't stored are passed over. */
  readonly tips: Uint8Array
  readonly mostBytes: number
  readonly contains: Uint8Array
}

/** @throws CorruptError when something that is reached can't be read */
export async function smallBlobsJob(job: SmallBlobsJob, port: MessagePort, repositories: FetchRepositories): Promise<void> {
  await answerJob(port, async (main, signal) => {
    for await (const blob of smallBlobs(job, repositories, signal)) await main.sendBytes(new Uint8Array(blob), true)
    main.endBytes()
  })
}

async function* smallBlobs(job: SmallBlobsJob, repositories: FetchRepositories, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const { packs, cutOff, tips, mostBytes, contains } = job
  const repository = paced(repositories.open(packs, cutOff), signal)
  const { objects, pace, set } = repository
  const h = hashBytes(set.format)
  const wants = new Set<number>()
  for (let at = 0; at < tips.length; at += h) {
    const number = set.find(tips, at)
    if (number >= 0) wants.add(number)
  }
  if (wants.size === 0) return
  const request = { wants: [...wants], haves: [], grafts: [], filter: null, thinPack: false, ofsDelta: true, tags: [] }
  const { marks } = await selectObjects(repository, request)
  for (let number = 0; number < set.size; number++) {
    const turn = number % stretch === 0 ? pace.turn(stretchSteps) : undefined
    if (turn) await turn
    if (((marks[number] as number) & Mark.send) === 0 || set.kind(number) !== Kind.blob) continue
    const sizeBytes = set.sizeBytes(number)
    if (sizeBytes > mostBytes || sizeBytes < contains.length) continue
    const reading = pace.turn(objectSteps)
    if (reading) await reading
    const bytes = await objects.read(number)
    if (asBuffer(bytes).includes(asBuffer(contains))) yield bytes
  }
}

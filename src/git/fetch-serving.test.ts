// A fetch whose client leaves while it waits for a place: nothing is begun for it when its turn comes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Repository } from '../access/index.ts'
import { SharedPlaces } from '../base/index.ts'
import type { Answer } from './answer.ts'
import { answerPack } from './fetch-serving.ts'
import type { GitRoom } from './git-room.ts'
import { plainOffer } from './upload-pack/index.ts'
import { emptyRequest } from './upload-pack/request.ts'

test('who has left while waiting for a place costs no negotiation, and gives the place back', async () => {
  const fetches = new SharedPlaces(1)
  let begun = 0
  const begin = () => {
    begun++
    throw new Error('nobody waits for this')
  }
  const log = { error: () => {} }
  const counts = { fetches: 0, pushes: 0 }
  const room = {
    counts,
    fetches,
    packsUnder: begin,
    packs: { open: begin },
    workers: { start: begin },
    options: { log },
  } as unknown as GitRoom
  const gone = new AbortController()
  const answer = { gone: gone.signal, end: () => {}, break: () => {}, write: () => undefined } as unknown as Answer
  const refs = { head: '', refs: [], byName: new Map() }
  const leave = await fetches.take('another')
  const repository = { id: 1, networkId: 'n' } as unknown as Repository
  const answered = answerPack(room, repository, emptyRequest(2), { caller: 'he', offer: plainOffer('sha1'), refs, refsVersion: 1 }, answer)
  gone.abort(new Error('the client closed the connection'))
  leave()
  await answered
  assert.equal(begun, 0)
  const free = await fetches.take('another')
  free()
})

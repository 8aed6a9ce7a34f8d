// What is known of the images of a simulated run: which there are, what was pushed to them, and each act that a tag was asked to take part in, with what became of it.
import type { Package } from '../../../src/access/index.ts'
import type { OciDigest } from '../../../src/oci/format/digests.ts'
import type { SimulatedBlob } from './image-blobs.ts'
import type { Outcome } from './repositories.ts'

/** A manifest that was made; whether an image has it, its rows say. */
export interface SimulatedManifest {
  readonly digest: OciDigest
  readonly bytes: Uint8Array
  readonly mediaType: string
}

/** A tag was to lead to a manifest from then on, or to none. */
export interface TagAct {
  readonly image: KnownImage
  readonly tag: string
  /** In hex; null: to none. */
  readonly value: string | null
  /** It goes only where it leads there. */
  readonly only: string | null
  readonly since: number
  until: number
  outcome: Outcome
}

export interface KnownImage {
  readonly one: Package
  /** That were asked for; most recent last. */
  readonly manifests: SimulatedManifest[]
  /** `maybe`: a deletion was begun whose end nobody knows. */
  isGone: boolean | 'maybe'
}

export const tagNames = ['latest', 'v1', 'v2'] as const

export class SimulatedImages {
  readonly all: KnownImage[] = []
  readonly tagActs: TagAct[] = []
  /** Of what was made in this run: digest in hex → bytes. */
  readonly blobs = new Map<string, SimulatedBlob>()
  readonly manifests = new Map<string, SimulatedManifest>()
  /** How often something of each kind came to its end. */
  readonly done = new Map<string, number>()
  #moment = 0
  #removals = 0
  #removing = 0

  /** Another number each time, while something goes on by which what was told to be there may go; the same only if nothing did since. */
  get removals(): number {
    if (this.#removing > 0) this.#removals++
    return this.#removals
  }

  begin(image: KnownImage, tag: string, value: string | null, only: string | null = null): TagAct {
    const act: TagAct = { image, tag, value, only, since: ++this.#moment, until: Number.POSITIVE_INFINITY, outcome: 'doubtful' }
    this.tagActs.push(act)
    return act
  }

  /** Not to be called where nobody knows what became of it. */
  end(act: TagAct, outcome: 'done' | 'refused'): void {
    act.outcome = outcome
    act.until = ++this.#moment
  }

  count(what: string): void {
    this.done.set(what, (this.done.get(what) ?? 0) + 1)
  }

  /** While something is taken away that others may have been told is there. */
  async removing<T>(work: () => Promise<T>): Promise<T> {
    this.#removals++
    this.#removing++
    try {
      return await work()
    } finally {
      this.#removing--
      this.#removals++ // for who looked while it went on, and looks again behind it (seed 376500543)
    }
  }

  /** Whether a tag may lead there: some act may have been the last to say so. */
  mayLeadTo(image: KnownImage, tag: string, value: string | null): boolean {
    const acts = this.tagActs.filter((act) => act.image === image && act.tag === tag && act.outcome !== 'refused')
    const isOverruled = (since: number) => acts.some((act) => act.outcome === 'done' && act.since > since && isSaying(act, value))
    const sayers = acts.filter((act) => act.value === value)
    if (value === null && !isOverruled(0)) return true
    return sayers.some((act) => !isOverruled(act.until))
  }
}

/** Whether it leaves the tag elsewhere than there. */
function isSaying({ only, value: said }: TagAct, value: string | null): boolean {
  return only === null ? said !== value : only === value
}

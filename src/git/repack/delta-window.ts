// The objects that the next one is tried against, in the kernel's memory, with the indexes of those that were tried: each is made once, and serves as long
// as its object stays. By which rules a base is taken: docs/design/repack.md.
// Memory, from heapBase on: two places for deltas, one for what is deflated, then the arena: blocks one behind the other, packed together when it is full.
import { compileKernel, instantiateKernel, type Kernel, SLACK_BYTES } from '../../../kernels/index.ts'

export interface WindowLimits {
  /** Objects kept as bases, the one at hand included, as git counts them. */
  readonly window: number
  readonly depth: number
  /** Of this window's memory in all. Fewer objects are kept when it is full. */
  readonly memoryBytes: number
}

/** An object in the window. */
interface Slot {
  readonly number: number
  readonly sizeBytes: number
  /** Deltas below it. */
  depth: number
  /** Where its bytes are, 0 when they aren't read yet; the same for its index. */
  at: number
  index: number
  isGone: boolean
}

export interface FoundDelta {
  readonly base: number
  readonly depth: number
  readonly deltaBytes: number
}

const pageBytes = 65536
/** What kernels may read behind a block. */
const blockSlack = 32
/** Parts of the greatest depth: the last object that is no deeper than each of them stays at hand, too. */
const landmarkDepths = [0, 0.1, 0.2, 0.4, 0.6, 0.8]

/** The largest object that is searched within that memory: it, a base of its size, and the index of that must fit beside each other. */
export function largestSearched(memoryBytes: number): number {
  return Math.floor(memoryBytes / 12)
}

export class DeltaWindow {
  readonly #limits: WindowLimits
  readonly #idBytes: number
  readonly #read: (number: number) => Uint8Array | Promise<Uint8Array>
  readonly #kernel: Kernel
  readonly #slots: Slot[] = [] // the first is tried last
  readonly #landmarks: (Slot | undefined)[] = []
  readonly #bases: Slot[] = [] // of one call
  readonly #deltas: [number, number]
  readonly #deflated: number
  readonly #arena: number
  #inHand: readonly (Slot | null)[] = []
  #next: number
  #end = 0
  #memory = new Uint8Array(0)

  /** @param read gives objects of at most `largestSearched` bytes */
  constructor(
    limits: WindowLimits,
    idBytes: number,
    read: (number: number) => Uint8Array | Promise<Uint8Array>,
    module: WebAssembly.Module = compileKernel(),
  ) {
    this.#limits = limits
    this.#idBytes = idBytes
    this.#read = read
    this.#kernel = instantiateKernel(module)
    const largest = largestSearched(limits.memoryBytes)
    const first = this.#kernel.heapBase()
    const deltaRoom = roundUp(largest / 2 + SLACK_BYTES)
    this.#deltas = [first, first + deltaRoom]
    this.#deflated = first + 2 * deltaRoom
    this.#arena = this.#deflated + roundUp(this.#kernel.deflateBound(largest) + SLACK_BYTES)
    this.#next = this.#arena
    this.#reach(this.#arena + pageBytes)
  }

  /** Forgets all objects. */
  clear(): void {
    this.#slots.length = 0
    this.#landmarks.length = 0
    this.#inHand = []
    this.#next = this.#arena
  }

  /**
   * Looks for a base for the object, and takes it in itself.
   * @param height deltas that rest on it already, one on the other
   * @param mayRest whether that base is worth a try
   * @returns null when there is none
   */
  async find(number: number, sizeBytes: number, height: number, mayRest?: (base: number) => boolean): Promise<FoundDelta | null> {
    while (this.#slots.length >= this.#limits.window) this.#drop(this.#slots[0] as Slot)
    const target: Slot = { number, sizeBytes, depth: 0, at: 0, index: 0, isGone: false }
    const deepest = this.#limits.depth - height
    const bases = this.#candidates()
    let best: Slot | null = null
    let deltaBytes = 0
    this.#slots.push(target)
    for (const base of bases) {
      if (base.isGone || mayRest?.(base.number) === false) continue
      const most = mostDeltaBytes(target, base, deepest, deltaBytes, this.#idBytes)
      if (most <= 0) continue
      if (target.at === 0 || base.at === 0 || base.index === 0) {
        this.#inHand = [target, base, best]
        await this.#prepare(target, base)
      }
      const [to, other] = this.#deltas
      const made = this.#kernel.deltaEncode(base.at, base.sizeBytes, base.index, target.at, sizeBytes, to, most)
      if (made === 0 || (made === deltaBytes && base.depth + 1 >= target.depth)) continue
      this.#deltas[0] = other
      this.#deltas[1] = to
      best = base
      deltaBytes = made
      target.depth = base.depth + 1
    }
    this.#inHand = [target]
    this.#remember(target)
    if (!best) return null
    if (target.depth >= deepest) this.#slots.pop()
    else this.#favour(best)
    return { base: best.number, depth: target.depth, deltaBytes }
  }

  /** Takes the object in as a base, and looks for none itself. */
  hold(number: number, sizeBytes: number, depth: number): void {
    if (depth >= this.#limits.depth) return
    while (this.#slots.length >= this.#limits.window) this.#drop(this.#slots[0] as Slot)
    const slot: Slot = { number, sizeBytes, depth, at: 0, index: 0, isGone: false }
    this.#slots.push(slot)
    this.#remember(slot)
  }

  /** The delta that `find` found last, deflated; good until the next call. */
  deflatedDelta(deltaBytes: number): Uint8Array {
    return this.#deflate(this.#deltas[1], deltaBytes)
  }

  /** The object that `find` took in last and found no base for, deflated; good until the next call. */
  async deflatedObject(): Promise<Uint8Array> {
    const slot = this.#slots.at(-1) as Slot
    if (slot.at === 0) await this.#load(slot)
    return this.#deflate(slot.at, slot.sizeBytes)
  }

  /** The window from its end, then landmarks that aren't in it. */
  #candidates(): readonly Slot[] {
    const bases = this.#bases
    bases.length = 0
    for (let i = this.#slots.length - 1; i >= 0; i--) bases.push(this.#slots[i] as Slot)
    for (const landmark of this.#landmarks) if (landmark && !bases.includes(landmark)) bases.push(landmark)
    return bases
  }

  /** What was good for this one is likely good for the next: it is kept longer, and tried first. */
  #favour(base: Slot): void {
    const place = this.#slots.indexOf(base)
    if (place < 0) return
    this.#slots.splice(place, 1)
    this.#slots.push(base)
  }

  #remember(target: Slot): void {
    const { depth } = this.#limits
    for (const [i, part] of landmarkDepths.entries()) if (target.depth <= depth * part) this.#landmarks[i] = target
  }

  #deflate(at: number, sizeBytes: number): Uint8Array {
    const count = this.#kernel.deflate(at, sizeBytes, this.#deflated)
    return this.#memory.subarray(this.#deflated, this.#deflated + count)
  }

  async #prepare(target: Slot, base: Slot): Promise<void> {
    if (target.at === 0) await this.#load(target)
    if (base.at === 0) await this.#load(base)
    if (base.index !== 0) return
    const index = this.#allocate(this.#kernel.deltaIndexBytes(base.sizeBytes))
    this.#kernel.deltaIndex(base.at, base.sizeBytes, index)
    base.index = index
  }

  async #load(slot: Slot): Promise<void> {
    const read = this.#read(slot.number)
    const bytes = read instanceof Promise ? await read : read
    slot.at = this.#allocate(slot.sizeBytes)
    this.#memory.set(bytes, slot.at)
  }

  #drop(slot: Slot): void {
    this.#slots.splice(this.#slots.indexOf(slot), 1)
    if (!this.#landmarks.includes(slot)) slot.isGone = true
  }

  #allocate(sizeBytes: number): number {
    const room = roundUp(sizeBytes + blockSlack)
    if (this.#next + room > this.#end) this.#makeRoom(room)
    const at = this.#next
    this.#next += room
    return at
  }

  /** Packs the blocks together. Where that gives too little the memory grows, and where it may not, objects go: the oldest first. */
  #makeRoom(room: number): void {
    this.#pack()
    const used = this.#next - this.#arena
    if (this.#end - this.#next < room + used / 2) {
      this.#reach(Math.min(this.#arena + 2 * used + 2 * room, this.#kernel.heapBase() + this.#limits.memoryBytes))
    }
    while (this.#next + room > this.#end) {
      const slot = this.#all().find((one) => !this.#inHand.includes(one))
      // what is in hand fits: largestSearched sees to that
      if (!slot) return this.#reach(this.#next + room)
      this.#forget(slot)
      this.#pack()
    }
  }

  #forget(slot: Slot): void {
    const place = this.#slots.indexOf(slot)
    if (place >= 0) this.#slots.splice(place, 1)
    for (const [i, landmark] of this.#landmarks.entries()) if (landmark === slot) this.#landmarks[i] = undefined
    slot.isGone = true
  }

  #all(): Slot[] {
    return [...new Set([...this.#slots, ...this.#landmarks, ...this.#inHand])].filter((slot) => !!slot)
  }

  #pack(): void {
    const blocks: { at: number; bytes: number; slot: Slot; isIndex: boolean }[] = []
    for (const slot of this.#all()) {
      if (slot.at !== 0) blocks.push({ at: slot.at, bytes: roundUp(slot.sizeBytes + blockSlack), slot, isIndex: false })
      const indexBytes = this.#kernel.deltaIndexBytes(slot.sizeBytes)
      if (slot.index !== 0) blocks.push({ at: slot.index, bytes: roundUp(indexBytes + blockSlack), slot, isIndex: true })
    }
    blocks.sort((a, b) => a.at - b.at)
    this.#next = this.#arena
    for (const { at, bytes, slot, isIndex } of blocks) {
      if (at !== this.#next) this.#memory.copyWithin(this.#next, at, at + bytes)
      if (isIndex) slot.index = this.#next
      else slot.at = this.#next
      this.#next += bytes
    }
  }

  #reach(end: number): void {
    const { memory } = this.#kernel
    const missing = Math.ceil((end - memory.buffer.byteLength) / pageBytes)
    if (missing > 0) memory.grow(missing)
    this.#memory = new Uint8Array(memory.buffer)
    this.#end = memory.buffer.byteLength
  }
}

/** How long a delta of the target on that base may be: git's rules, by which a deeper base must save more. 0: it isn't worth a try. */
function mostDeltaBytes(target: Slot, base: Slot, deepest: number, deltaBytes: number, idBytes: number): number {
  if (base.depth >= deepest) return 0
  const isDelta = deltaBytes > 0
  const bound = isDelta ? deltaBytes : Math.floor(target.sizeBytes / 2) - idBytes
  const most = Math.floor((bound * (deepest - base.depth)) / (deepest - (isDelta ? target.depth : 1) + 1))
  return target.sizeBytes - base.sizeBytes >= most || target.sizeBytes < base.sizeBytes / 32 ? 0 : most
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / 16) * 16
}

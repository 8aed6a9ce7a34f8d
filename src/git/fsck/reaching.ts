// Which refs lead to something that can't be had? A walk over everything that the tips reach, each object once, that carries back from each
// bad object a bit for the fault that it is bad by. Only for networks in which something is wrong.
import { CorruptError, hex, InputError } from '../../base/index.ts'
import { hashBytes, Kind } from '../format/object-id.ts'
import { eachLink } from '../import/links.ts'
import type { ObjectReader, PackSet } from '../odb/index.ts'
import { objectSteps, type Pace } from '../upload-pack/pace.ts'

/** Faults that are told apart; more share the last one. */
export const mostFaults = 30
const visited = 1 << 30

export interface ReachingQuestion {
  /** Packed ids. */
  readonly tips: Uint8Array
  /** For each fault, the numbers of its bad objects. */
  readonly bad: readonly (readonly number[])[]
  /** Places of the faults by which an object is missing that is nowhere to be found. */
  readonly missing: readonly number[]
  readonly cutOff: ReadonlySet<string>
}

interface Frame {
  readonly number: number
  readonly links: readonly number[]
  next: number
}

function bitOf(fault: number): number {
  return 1 << Math.min(fault, mostFaults - 1)
}

/** For each tip, a bit for each fault that it leads to. */
export async function findReaching(set: PackSet, reader: ObjectReader, pace: Pace, question: ReachingQuestion): Promise<Uint32Array> {
  const walk = new Walk(set, reader, pace, question)
  const h = hashBytes(set.format)
  const found = new Uint32Array(question.tips.length / h)
  for (let i = 0; i < found.length; i++) found[i] = await walk.from(set.find(question.tips, i * h))
  return found
}

class Walk {
  readonly #set: PackSet
  readonly #reader: ObjectReader
  readonly #pace: Pace
  readonly #cutOff: ReadonlySet<string>
  readonly #marks: Uint32Array
  readonly #missing: number

  constructor(set: PackSet, reader: ObjectReader, pace: Pace, { bad, missing, cutOff }: ReachingQuestion) {
    this.#set = set
    this.#reader = reader
    this.#pace = pace
    this.#cutOff = cutOff
    this.#marks = new Uint32Array(set.size)
    this.#missing = missing.reduce((bits, fault) => bits | bitOf(fault), 0)
    for (const [fault, numbers] of bad.entries()) {
      for (const number of numbers) this.#marks[number] = (this.#marks[number] as number) | bitOf(fault)
    }
  }

  async from(tip: number): Promise<number> {
    if (tip < 0) return this.#missing
    const stack: Frame[] = []
    if (!this.#isVisited(tip)) stack.push(await this.#enter(tip))
    for (let frame = stack.at(-1); frame; frame = stack.at(-1)) {
      const link = frame.links[frame.next]
      if (link === undefined) {
        stack.pop()
        continue
      }
      if (!this.#isVisited(link)) {
        stack.push(await this.#enter(link))
        continue
      }
      this.#add(frame.number, this.#faultsOf(link))
      frame.next++
    }
    return this.#faultsOf(tip)
  }

  #isVisited(number: number): boolean {
    return ((this.#marks[number] as number) & visited) !== 0
  }

  #faultsOf(number: number): number {
    return (this.#marks[number] as number) & (visited - 1)
  }

  #add(number: number, bits: number): void {
    this.#marks[number] = (this.#marks[number] as number) | bits
  }

  async #enter(number: number): Promise<Frame> {
    this.#add(number, visited)
    const turn = this.#pace.turn(objectSteps)
    if (turn) await turn
    return { number, links: this.#set.kind(number) === Kind.blob ? [] : await this.#links(number), next: 0 }
  }

  /** What can't be read leads nowhere: that it can't is one of the faults. */
  async #links(number: number): Promise<readonly number[]> {
    const kind = this.#set.kind(number)
    const links: number[] = []
    try {
      const bytes = await this.#reader.read(number)
      const mayLack = kind === Kind.commit && this.#cutOff.has(hex(this.#set.oid(number)))
      eachLink(kind, bytes, this.#set.format, (ids, at, expected) => {
        const link = this.#set.find(ids, at)
        if (link >= 0) links.push(link)
        else if (!(mayLack && expected === Kind.commit)) this.#add(number, this.#missing)
      })
    } catch (error) {
      if (!(error instanceof CorruptError || error instanceof InputError)) throw error
    }
    return links
  }
}

// Filters by where an object stands: how deep (`tree`), or under which path (`sparse:oid`). Each keeps for every object whether any of its
// places lets it in.
import { InputError, latin1 } from '../../base/index.ts'
import { Kind } from '../format/object-id.ts'
import { matchSparse, type SparsePattern } from '../format/sparse-patterns.ts'
import type { TreeVisitor } from './tree-walk.ts'

export interface PlaceVisitor extends TreeVisitor {
  /** The next root tree comes; `named`: it was asked for itself, so that its entries stand at the top, and it is in whatever the filter. */
  begin(named: boolean): void
  /** Whether the tree or blob is in. */
  allows(number: number, kind: Kind): boolean
}

const deepest = 0xffff
/** Folders of one root that patterns are compared with: a few small trees can stand for any number of them. */
const mostFolders = 1 << 20
/** Comparing a path with so many bytes of patterns takes about as long as a step of a walk. */
const bytesPerStep = 64

/** Trees and blobs less deep than that: a commit's tree has depth 0. The context is a tree's entries' depth. */
export class DepthVisitor implements PlaceVisitor {
  readonly #limit: number
  readonly #depths: Uint16Array // the least depth met so far, plus one; 0: none
  #isRoot = false
  #isNamed = false

  constructor(size: number, limit: number) {
    this.#limit = Math.min(limit, deepest - 1)
    this.#depths = new Uint16Array(size)
  }

  begin(named: boolean): void {
    this.#isRoot = true
    this.#isNamed = named
  }

  meet(number: number, _isTree: boolean, context: number): number {
    const isRoot = this.#isRoot
    this.#isRoot = false
    if (isRoot && this.#isNamed) return 0
    if (context >= this.#limit) return -1
    const known = this.#depths[number] as number
    if (known > 0 && known <= context + 1) return -1
    this.#depths[number] = context + 1
    return context + 1
  }

  allows(number: number): boolean {
    return this.#depths[number] !== 0
  }
}

/** Trees all; blobs under paths that the patterns take in. The context is the folder's place in lists of what is known of folders. */
export class SparseVisitor implements PlaceVisitor {
  readonly #patterns: readonly SparsePattern[]
  readonly #allowed: Uint8Array
  readonly #patternBytes: number
  cost = 0
  #paths: string[] = []
  #answers: boolean[] = []
  #isNamed = false

  constructor(size: number, patterns: readonly SparsePattern[]) {
    this.#patterns = patterns
    this.#patternBytes = patterns.reduce((sum, { literal, wildcard }) => sum + (literal === null ? wildcard.steps.length : 1), 0)
    this.#allowed = new Uint8Array(size)
  }

  begin(named: boolean): void {
    this.#paths = []
    this.#answers = []
    this.#isNamed = named
  }

  meet(number: number, isTree: boolean, context: number, bytes: Uint8Array, nameAt: number): number {
    const isRoot = this.#paths.length === 0
    const name = isRoot ? '' : latin1(bytes.subarray(nameAt, bytes.indexOf(0, nameAt)))
    const folder = isRoot ? '' : (this.#paths[context] as string)
    const path = folder === '' ? name : `${folder}/${name}`
    this.cost += 1 + this.#patternBytes * (path.length / bytesPerStep)
    const inherited = isRoot ? false : (this.#answers[context] as boolean)
    const answer = isRoot && this.#isNamed ? false : (matchSparse(this.#patterns, path, isTree) ?? inherited)
    if (!isTree) {
      if (answer) this.#allowed[number] = 1
      return 0
    }
    if (this.#answers.push(answer) > mostFolders) {
      throw new InputError('sparse-filter', `a tree has more than ${mostFolders} folders, which are too many for a sparse filter`)
    }
    return this.#paths.push(path) - 1
  }

  allows(number: number, kind: Kind): boolean {
    return kind !== Kind.blob || this.#allowed[number] !== 0
  }
}

// Changes of paths: which commits changed a path against their first parent, and to what. Stored ones as they stand in a part of the path table,
// new ones in memory.
import { equalBytes, latin1 } from '../../base/index.ts'
import { codeOf, goneValue, packValue, type PathTable, placeOf } from '../format/path-table.ts'

/** The changes of one path in one part, by ascending row. */
export interface PathChanges {
  readonly part: ChangePart
  readonly rows: ArrayLike<number>
  readonly values: ArrayLike<number>
  /** They are those at [from, to). */
  readonly from: number
  readonly to: number
}

/** One change. */
export interface Change {
  readonly row: number
  readonly value: number
  readonly part: ChangePart
}

export interface ChangePart {
  /** Null: no commit of this part changed that path. Text with a character for each byte. */
  of(folder: string, name: string): PathChanges | null
  /** All paths right in that folder that any commit of this part changed. */
  in(folder: string): Iterable<readonly [name: string, changes: PathChanges]>
  /** The id of a value, as a view. */
  idOf(value: number): Uint8Array
}

/** A path's folder ('' at the top) and its name there. */
export function splitPath(path: string): [folder: string, name: string] {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? ['', path] : [path.slice(0, slash), path.slice(slash + 1)]
}

/** What a change leaves at its path: null for nothing. */
export function stateOf({ value, part }: Change): { readonly code: number; readonly oid: Uint8Array } | null {
  return value === goneValue ? null : { code: codeOf(value), oid: part.idOf(value) }
}

/** Does the same stand at a path behind both? Null: nothing was ever there. */
export function isSameState(a: Change | null, b: Change | null): boolean {
  const [left, right] = [a?.value ?? goneValue, b?.value ?? goneValue]
  if (left === goneValue || right === goneValue) return left === right
  if (a?.part === b?.part) return left === right
  return codeOf(left) === codeOf(right) && equalBytes(a?.part.idOf(left) as Uint8Array, b?.part.idOf(right) as Uint8Array)
}

export class StoredChanges implements ChangePart {
  readonly table: PathTable
  readonly #h: number
  readonly #keys: Buffer

  constructor(table: PathTable, h: number) {
    this.table = table
    this.#h = h
    this.#keys = Buffer.from(table.keys.buffer, table.keys.byteOffset, table.keys.length)
  }

  of(folder: string, name: string): PathChanges | null {
    const key = Buffer.from(`${folder}\0${name}`, 'latin1')
    const place = this.#firstFrom(key)
    return place < this.#count && this.#compare(place, key) === 0 ? this.#changes(place) : null
  }

  *in(folder: string): Generator<readonly [string, PathChanges], void, undefined> {
    const prefix = Buffer.from(`${folder}\0`, 'latin1')
    const { firstKeys } = this.table
    for (let place = this.#firstFrom(prefix); place < this.#count; place++) {
      const [start, end] = [firstKeys[place] as number, firstKeys[place + 1] as number]
      if (end - start < prefix.length || this.#keys.compare(prefix, 0, prefix.length, start, start + prefix.length) !== 0) return
      yield [this.#keys.toString('latin1', start + prefix.length, end), this.#changes(place)]
    }
  }

  /** Every path with its changes. */
  *all(): Generator<readonly [folder: string, name: string, PathChanges], void, undefined> {
    const { firstKeys } = this.table
    for (let place = 0; place < this.#count; place++) {
      const [folder = '', name = ''] = latin1(this.table.keys.subarray(firstKeys[place], firstKeys[place + 1])).split('\0', 2)
      yield [folder, name, this.#changes(place)]
    }
  }

  idOf(value: number): Uint8Array {
    const at = placeOf(value) * this.#h
    return this.table.valueIds.subarray(at, at + this.#h)
  }

  get #count(): number {
    return this.table.firstKeys.length - 1
  }

  #changes(place: number): PathChanges {
    const { firstRows, rows, values } = this.table
    return { part: this, rows, values, from: firstRows[place] as number, to: firstRows[place + 1] as number }
  }

  #firstFrom(key: Uint8Array): number {
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#compare(middle, key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  #compare(place: number, key: Uint8Array): number {
    const { firstKeys } = this.table
    return this.#keys.compare(key, 0, key.length, firstKeys[place], firstKeys[place + 1])
  }
}

interface Growing {
  readonly rows: number[]
  readonly values: number[]
}

export class NewChanges implements ChangePart {
  readonly #h: number
  readonly #folders = new Map<string, Map<string, Growing>>()
  readonly #places = new Map<string, number>()
  #ids: Uint8Array
  #count = 0

  constructor(h: number) {
    this.#h = h
    this.#ids = new Uint8Array(64 * h)
  }

  /** How many there are. */
  get count(): number {
    return this.#count
  }

  /** Behind all of that path so far. @param code −1: it is gone */
  add(folder: string, name: string, row: number, code: number, oids: Uint8Array, at: number): void {
    const value = code < 0 ? goneValue : packValue(code, this.#place(oids, at))
    const names = this.#folders.get(folder) ?? new Map<string, Growing>()
    if (names.size === 0) this.#folders.set(folder, names)
    const path = names.get(name)
    if (path === undefined) names.set(name, { rows: [row], values: [value] })
    else {
      path.rows.push(row)
      path.values.push(value)
    }
    this.#count++
  }

  of(folder: string, name: string): PathChanges | null {
    const path = this.#folders.get(folder)?.get(name)
    return path ? this.#changes(path) : null
  }

  *in(folder: string): Generator<readonly [string, PathChanges], void, undefined> {
    for (const [name, path] of this.#folders.get(folder) ?? []) yield [name, this.#changes(path)]
  }

  /** Every path with its changes. */
  *all(): Generator<readonly [folder: string, name: string, PathChanges], void, undefined> {
    for (const [folder, names] of this.#folders) for (const [name, path] of names) yield [folder, name, this.#changes(path)]
  }

  idOf(value: number): Uint8Array {
    const at = placeOf(value) * this.#h
    return this.#ids.subarray(at, at + this.#h)
  }

  /** As a part of the table holds them. */
  encode(): Pick<PathTable, 'keys' | 'firstKeys' | 'firstRows' | 'rows' | 'values' | 'valueIds'> {
    const paths = [...this.#folders].flatMap(([folder, names]) =>
      Array.from(names, ([name, path]) => ({ key: Buffer.from(`${folder}\0${name}`, 'latin1'), path })),
    )
    paths.sort((a, b) => a.key.compare(b.key))
    const firstKeys = new Uint32Array(paths.length + 1)
    const firstRows = new Uint32Array(paths.length + 1)
    const rows = new Uint32Array(this.#count)
    const values = new Uint32Array(this.#count)
    for (const [i, { key, path }] of paths.entries()) {
      firstKeys[i + 1] = (firstKeys[i] as number) + key.length
      firstRows[i + 1] = (firstRows[i] as number) + path.rows.length
      rows.set(path.rows, firstRows[i])
      values.set(path.values, firstRows[i])
    }
    const keys = new Uint8Array(firstKeys[paths.length] as number)
    for (const [i, { key }] of paths.entries()) keys.set(key, firstKeys[i])
    return { keys, firstKeys, firstRows, rows, values, valueIds: this.#ids.slice(0, this.#places.size * this.#h) }
  }

  #changes({ rows, values }: Growing): PathChanges {
    return { part: this, rows, values, from: 0, to: rows.length }
  }

  #place(oids: Uint8Array, at: number): number {
    const id = latin1(oids.subarray(at, at + this.#h))
    const known = this.#places.get(id)
    if (known !== undefined) return known
    const place = this.#places.size
    this.#places.set(id, place)
    if ((place + 1) * this.#h > this.#ids.length) {
      const larger = new Uint8Array(this.#ids.length * 2)
      larger.set(this.#ids)
      this.#ids = larger
    }
    for (let i = 0; i < this.#h; i++) this.#ids[place * this.#h + i] = oids[at + i] as number
    return place
  }
}

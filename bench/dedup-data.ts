// What bench/dedup.ts puts: versions of large files, made from seeds one at a time, or release tags of a repository as tars.
import { execFileSync } from 'node:child_process'
import { mkdirSync, openSync, closeSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { seededBytes, SeededRandom } from '../tests/support/random.ts'

export interface DataSet {
  readonly name: string
  readonly title: string
  /** A path for each version; it is there between `make` and `drop`. */
  readonly files: readonly string[]
  make(at: number): Promise<void>
  drop(at: number): void
  /** Of all versions; known once each was made. */
  sizeBytes(): number
}

/** Versions that follow from one another: `change` makes the next one out of the bytes of the last. */
function chain(
  name: string,
  title: string,
  folder: string,
  versions: number,
  first: () => Buffer,
  change: (last: Buffer, version: number) => Buffer,
): DataSet {
  const files = Array.from({ length: versions }, (_, at) => join(folder, `${at}`, name))
  const sizes = new Map<number, number>()
  let made = -1
  let bytes: Buffer = Buffer.alloc(0)
  return {
    name,
    title,
    files,
    make: async (at) => {
      if (at !== made + 1) made = -1
      while (made < at) {
        made++
        bytes = made === 0 ? first() : change(bytes, made)
      }
      sizes.set(at, bytes.length)
      mkdirSync(join(folder, `${at}`), { recursive: true })
      writeFileSync(files[at] as string, bytes)
    },
    drop: (at) => rmSync(join(folder, `${at}`), { recursive: true }),
    sizeBytes: () => [...sizes.values()].reduce((sum, size) => sum + size, 0),
  }
}

const words =
  'account active address amount balance city created customer deleted email first invoice item last limit name number order paid phone price quantity region shipped state status street tax total updated user value'.split(
    ' ',
  )

/** A page of a table: a header with a checksum, rows of words and numbers, and room left. */
function page(random: SeededRandom, pageBytes: number, number: number, version: number): Buffer {
  const out = Buffer.alloc(pageBytes)
  seededBytes(`${number} ${version}`, 16).copy(out)
  let at = 32
  for (let row = 0; at < pageBytes * 0.9; row++) {
    const text = `${number * 100 + row}|${words[random.below(words.length)]} ${words[random.below(words.length)]}|${random.below(1e9)}|${(random.below(1e7) / 100).toFixed(2)}|2026-0${1 + random.below(9)}-1${random.below(10)}\0`
    at += out.write(text, at, 'latin1')
  }
  return out
}

/** A database file of 8 KiB pages: each version changes pages in clusters, here and there, and adds some at the end. */
export function databaseFile(folder: string, sizeBytes: number, versions: number): DataSet {
  const pageBytes = 8192
  const pages = Math.floor(sizeBytes / pageBytes)
  const random = new SeededRandom(11)
  const first = (): Buffer => Buffer.concat(Array.from({ length: pages }, (_, number) => page(random, pageBytes, number, 0)))
  const change = (last: Buffer, version: number): Buffer => {
    const added = Array.from({ length: Math.ceil(pages / 100) }, (_, n) => page(random, pageBytes, last.length / pageBytes + n, version))
    const next = Buffer.concat([last, ...added])
    for (let cluster = 0; cluster < pages / 400; cluster++) {
      const at = random.below(last.length / pageBytes - 8)
      for (let n = at; n < at + 1 + random.below(6); n++) page(random, pageBytes, n, version).copy(next, n * pageBytes)
    }
    return next
  }
  return chain('database', 'A database file, changed in place', folder, versions, first, change)
}

/** A disk image: files of text and of noise at multiples of 4 KiB, free space of zeros; each version rewrites, removes and adds files. */
export function diskImage(folder: string, sizeBytes: number, versions: number): DataSet {
  const unit = 4096
  const random = new SeededRandom(12)
  const write = (image: Buffer, seed: number): void => {
    const length = Math.ceil((1 + random.below(random.below(4) === 0 ? 400 : 24)) * unit)
    const at = Math.floor(random.below(image.length - length) / unit) * unit
    const kind = random.below(4)
    if (kind === 0) image.fill(0, at, at + length)
    else if (kind === 1) seededBytes(`image ${seed}`, length).copy(image, at)
    else
      Buffer.from(
        Array.from({ length: Math.ceil(length / 24) }, () => `${words[random.below(words.length)]} = ${random.below(1e6)};\n`).join(''),
      ).copy(image, at, 0, length)
  }
  let seed = 0
  const first = (): Buffer => {
    const image = Buffer.alloc(sizeBytes)
    for (let n = 0; n < sizeBytes / 150_000; n++) write(image, seed++)
    return image
  }
  const change = (last: Buffer): Buffer => {
    const next = Buffer.from(last)
    for (let n = 0; n < sizeBytes / 5_000_000; n++) write(next, seed++)
    return next
  }
  return chain('image', 'A disk image', folder, versions, first, change)
}

/** Model weights: tensors of 16-bit floats around zero; each version trains some tensors on, all of their numbers a little. */
export function modelWeights(folder: string, sizeBytes: number, versions: number): DataSet {
  const tensorBytes = 2 << 20
  const random = new SeededRandom(13)
  const fill = (to: Buffer, at: number, seed: string): void => {
    const noise = seededBytes(seed, tensorBytes)
    for (let n = 0; n + 1 < tensorBytes && at + n + 1 < to.length; n += 2) {
      // bfloat16 about a normal distribution: mantissa and sign are noise, the exponent has few values
      const exponent = 118 - Math.min(7, Math.clz32(((noise[n] as number) | 1) << 24))
      to[at + n] = noise[n + 1] as number
      to[at + n + 1] = ((noise[n] as number) & 128) | (exponent >> 1)
    }
  }
  const first = (): Buffer => {
    const out = Buffer.alloc(sizeBytes)
    for (let at = 0; at < sizeBytes; at += tensorBytes) fill(out, at, `weights ${at}`)
    return out
  }
  const change = (last: Buffer, version: number): Buffer => {
    const next = Buffer.from(last)
    for (let at = 0; at < sizeBytes; at += tensorBytes) if (random.below(8) === 0) fill(next, at, `weights ${at} ${version}`)
    return next
  }
  return chain('weights', 'Model weights, some tensors trained on', folder, versions, first, change)
}

/** The last release tags of a repository, each as git archive makes it. */
export function sourceTars(folder: string, repository: string, tags: number): DataSet {
  const git = (...args: string[]): string => execFileSync('git', ['--git-dir', repository, ...args], { encoding: 'utf8' })
  const chosen = git('tag', '--sort=version:refname')
    .split('\n')
    .filter((tag) => /^v?\d+\.\d+(\.\d+)?$/.test(tag))
    .slice(-tags)
  const files = chosen.map((tag) => join(folder, tag, 'source.tar'))
  const sizes = new Map<number, number>()
  return {
    name: 'tars',
    title: `A source tree as tar, ${chosen[0]} to ${chosen.at(-1)}`,
    files,
    make: async (at) => {
      mkdirSync(join(folder, chosen[at] as string), { recursive: true })
      const path = files[at] as string
      const out = openSync(path, 'w')
      execFileSync('git', ['--git-dir', repository, 'archive', '--format=tar', chosen[at] as string], { stdio: ['ignore', out, 'inherit'] })
      closeSync(out)
      sizes.set(at, statSync(path).size)
    },
    drop: (at) => rmSync(join(folder, chosen[at] as string), { recursive: true }),
    sizeBytes: () => [...sizes.values()].reduce((sum, size) => sum + size, 0),
  }
}

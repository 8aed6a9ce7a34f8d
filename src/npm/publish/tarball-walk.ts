// A tarball's files, told as its tar goes by: that all of it is what a package may hold, and what is listed of it. Bodies pass; package.json alone is kept.
import { asBuffer, concatBytes, InputError } from '../../base/index.ts'
import { mostMetaBytes, TarWalk } from '../../store/index.ts'

export interface WalkLimits {
  /** Files and folders. */
  readonly entries: number
  /** Of package.json. */
  readonly documentBytes: number
}

/** What stands in a tarball. */
export interface TarballFiles {
  readonly fileCount: number
  /** Of its files. */
  readonly unpackedBytes: number
  /** Its package.json, as it stands there. */
  readonly packageJson: Uint8Array
  /** npm makes a script of it that runs when the package is installed. */
  readonly hasBindingGyp: boolean
}

const refused: Readonly<Record<string, string>> = {
  '1': 'a hard link',
  '2': 'a symbolic link',
  '3': 'a device',
  '4': 'a device',
  '6': 'a pipe',
  S: 'a file with holes',
}
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export class TarballWalk {
  readonly #limits: WalkLimits
  readonly #walk = new TarWalk(mostMetaBytes)
  #entries = 0
  #fileCount = 0
  #unpackedBytes = 0
  /** The one folder that all stands in; clients take it away. */
  #folder: string | null = null
  #packageJson: Uint8Array[] | null = null
  #isInPackageJson = false
  #hasBindingGyp = false

  constructor(limits: WalkLimits) {
    this.#limits = limits
  }

  /** The next bytes of the tar. InputError 'bad-tarball'. */
  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const { bodyLeft } = this.#walk
      if (bodyLeft > 0) {
        const body = bytes.subarray(at, at + bodyLeft)
        if (this.#isInPackageJson) this.#packageJson?.push(new Uint8Array(body))
        this.#walk.body(body.length)
        at += body.length
        continue
      }
      at += this.#walk.skeleton(bytes.subarray(at))
      const member = this.#walk.takeMember()
      if (member !== null) this.#enter(member.path, member.type, member.bodyBytes)
      if (this.#walk.place === 'broken') throw badTarball('holds something else than a tar archive')
    }
  }

  /** When all of it has come. InputError 'bad-tarball'. */
  end(): TarballFiles {
    const { place } = this.#walk
    if (place === 'within') throw badTarball('ends within a file')
    if (this.#packageJson === null) throw badTarball('has no package.json in its folder')
    return {
      fileCount: this.#fileCount,
      unpackedBytes: this.#unpackedBytes,
      packageJson: concatBytes(this.#packageJson),
      hasBindingGyp: this.#hasBindingGyp,
    }
  }

  #enter(path: Uint8Array, type: string, sizeBytes: number): void {
    if (++this.#entries > this.#limits.entries) throw badTarball(`has more than ${this.#limits.entries} files`)
    const name = this.#inFolder(path, type === '5')
    this.#isInPackageJson = false
    if (type === '5') return
    if (type !== '0') throw badTarball(`has ${refused[type] ?? 'something that is no file'}: ${name}`)
    this.#fileCount++
    this.#unpackedBytes += sizeBytes
    if (name === 'binding.gyp') this.#hasBindingGyp = true
    // where names are told apart without regard to case, a second one would take the first one's place
    if (name.toLowerCase() !== 'package.json') return
    if (this.#packageJson !== null || name !== 'package.json') throw badTarball('has package.json twice, or in other letters')
    if (sizeBytes > this.#limits.documentBytes) throw badTarball(`has a package.json of more than ${this.#limits.documentBytes} bytes`)
    this.#packageJson = []
    this.#isInPackageJson = true
  }

  /** Its name without the folder that all is in. */
  #inFolder(path: Uint8Array, isFolder: boolean): string {
    const text = nameOf(path)
    const parts = text.split(/[/\\]/)
    if (parts.includes('..')) throw badTarball(`has a name that leads out of its folder: ${text}`)
    if (/^([/\\]|[a-z]:)/i.test(text)) throw badTarball(`has a name that begins at the root: ${text}`)
    const [folder = '', ...rest] = parts.filter((part) => part !== '' && part !== '.')
    if (folder === '' && isFolder) return ''
    this.#folder ??= folder
    if (folder !== this.#folder || (rest.length === 0 && !isFolder))
      throw badTarball(`has something outside of its folder ${this.#folder}: ${text}`)
    return rest.join('/')
  }
}

function nameOf(path: Uint8Array): string {
  try {
    const text = decoder.decode(path)
    if (!text.includes('\0')) return text
  } catch (cause) {
    throw new InputError('bad-tarball', `The tarball has a name that is not UTF-8: ${asBuffer(path).toString()}`, { cause })
  }
  throw badTarball('has a name with a zero byte')
}

export function badTarball(what: string): InputError {
  return new InputError('bad-tarball', `The tarball ${what}`)
}

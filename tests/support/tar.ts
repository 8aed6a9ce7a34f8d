// Tar archives as tests need them: members with every oddity that a header can have.
import { latin1, utf8 } from '../../src/base/index.ts'
import { SeededRandom } from './random.ts'
import { noise } from './seeded.ts'

export interface TarMemberText {
  readonly name?: string
  readonly mode?: number
  readonly type?: string
  readonly body?: Uint8Array
  readonly link?: string
  readonly mtime?: number
  /** Said in the header instead of the body's size. */
  readonly size?: number
  /** The size in base 256. */
  readonly isBinary?: boolean
  readonly magic?: string
  readonly prefix?: string
  /** Put into the block last, before the sum. */
  readonly patch?: (block: Buffer) => void
  /** Added to the sum: a wrong one. */
  readonly wrongSum?: number
}

export function tarMember(member: TarMemberText): Buffer {
  const {
    name = 'file',
    mode = 0o644,
    type = '0',
    body = new Uint8Array(),
    link = '',
    mtime = 1_700_000_000,
    magic = 'ustar\0' + '00',
    prefix = '',
  } = member
  const size = member.size ?? body.length
  const block = Buffer.alloc(512)
  block.write(name, 0, 100)
  block.write(`${mode.toString(8).padStart(7, '0')}\0`, 100)
  block.write('0000000\0' + '0000000\0', 108)
  if (member.isBinary === true) {
    block[124] = 0x80
    block.writeBigUInt64BE(BigInt(size), 128)
  } else block.write(`${size.toString(8).padStart(11, '0')}\0`, 124)
  block.write(`${mtime.toString(8).padStart(11, '0')}\0`, 136)
  block.write(type, 156, 1, 'latin1')
  block.write(link, 157, 100)
  block.write(magic, 257, 8, 'latin1')
  block.write(prefix, 345, 155)
  member.patch?.(block)
  block.write(' '.repeat(8), 148)
  const sum = block.reduce((total, byte) => total + byte, 0) + (member.wrongSum ?? 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return Buffer.concat([block, body, Buffer.alloc((512 - (body.length % 512)) % 512)])
}

export function paxMember(records: Readonly<Record<string, string>>, type = 'x'): Buffer {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`
    let length = Buffer.byteLength(rest) + 1
    while (Buffer.byteLength(rest) + String(length).length !== length) length++
    return `${length}${rest}`
  })
  return tarMember({ name: 'PaxHeaders/x', type, body: utf8(lines.join('')) })
}

/** GNU's long name or link target (`L`, `K`). */
export function longMember(type: 'L' | 'K', text: string): Buffer {
  return tarMember({ name: '././@LongLink', type, body: utf8(`${text}\0`), magic: 'ustar  \0' })
}

export function tarOf(...members: Uint8Array[]): Buffer {
  return Buffer.concat([...members, Buffer.alloc(1024)])
}

const words = Array.from({ length: 3000 }, (_, n) => latin1(noise(n, 4 + (n % 7)).map((byte) => 97 + (byte % 26))))
const made = new Map<string, Buffer>()

/** Something like source text. */
export function sampleText(seed: number, sizeBytes: number): Buffer {
  const name = `${seed} ${sizeBytes}`
  const text = made.get(name) ?? writeText(new SeededRandom(seed), sizeBytes)
  made.set(name, text)
  return text
}

function writeText(random: SeededRandom, sizeBytes: number): Buffer {
  const line = () => `  const ${words[random.below(3000)]} = ${words[random.below(300)]}(${words[random.below(30)]}, ${random.below(100)})`
  return Buffer.from(
    Array.from({ length: sizeBytes / 25 }, line)
      .join('\n')
      .padEnd(sizeBytes, '.'),
  ).subarray(0, sizeBytes)
}

/** A layer of some files; versions of it differ in one, and in all times. */
export function sampleLayer(version: number, files = 60): Buffer {
  const members = Array.from({ length: files }, (_, n) =>
    tarMember({ name: `srv/file-${n}`, mtime: 1_700_000_000 + version, body: sampleText(n === 7 ? 1000 + version : n, 3000 + n * 211) }),
  )
  return tarOf(tarMember({ name: 'srv/', type: '5' }), ...members, tarMember({ name: 'srv/large', body: sampleText(77, 1_500_000) }))
}

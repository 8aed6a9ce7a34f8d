// Tar archives as tests need them: members with every oddity that a header can have.
import { utf8 } from '../../src/base/index.ts'

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

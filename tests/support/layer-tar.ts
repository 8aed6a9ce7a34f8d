// Tar archives for tests (POSIX.1-2008, ustar and pax), built entry by entry; anything may stand in a name.

export interface LayerTarEntry {
  readonly name: string
  /** As in a header; `0` where there is none. */
  readonly type?: '0' | '1' | '2' | '5'
  readonly mode?: number
  readonly link?: string
  readonly content?: string | Uint8Array
}

const blockBytes = 512

/** `end`: two blocks of zeros, as programs write it. */
export function layerTar(entries: readonly LayerTarEntry[], end = true): Buffer {
  return Buffer.concat([...entries.flatMap(blocksOf), Buffer.alloc(end ? 2 * blockBytes : 0)])
}

function blocksOf({
  name,
  type = name.endsWith('/') ? '5' : '0',
  mode = type === '5' ? 0o755 : 0o644,
  link = '',
  content = '',
}: LayerTarEntry): Buffer[] {
  const body = Buffer.from(content)
  const isLong = Buffer.byteLength(name) > 100 || Buffer.byteLength(link) > 100
  const records = Buffer.from([paxRecord('path', name), paxRecord('linkpath', link)].join(''))
  const pax = isLong ? [header('pax', 'x', 0o644, '', records.length), padded(records)] : []
  return [...pax, header(name, type, mode, link, body.length), padded(body)]
}

function paxRecord(key: string, value: string): string {
  if (value === '') return ''
  const rest = ` ${key}=${value}\n`
  let length = Buffer.byteLength(rest)
  while (length !== Buffer.byteLength(rest) + String(length).length) length = Buffer.byteLength(rest) + String(length).length
  return `${length}${rest}`
}

function header(name: string, type: string, mode: number, link: string, sizeBytes: number): Buffer {
  const block = Buffer.alloc(blockBytes)
  block.write(name.slice(0, 100), 0)
  block.write(`${mode.toString(8).padStart(7, '0')}\0${'0000000\0'.repeat(2)}`, 100)
  block.write(`${sizeBytes.toString(8).padStart(11, '0')}\0${'0'.repeat(11)}\0        ${type}`, 124)
  block.write(link.slice(0, 100), 157)
  block.write('ustar\x0000', 257)
  const sum = block.reduce((all, byte) => all + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

function padded(body: Buffer): Buffer {
  return Buffer.concat([body, Buffer.alloc((blockBytes - (body.length % blockBytes)) % blockBytes)])
}

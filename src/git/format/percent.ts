// Percent escapes as git writes and reads them in filters and in promisor-remote (url.c, strbuf.c): not those of a URL's query, where + is a space.

/** As url_percent_decode: what isn't a sound escape, or is one of NUL, stands for itself. */
export function percentDecode(text: string): string {
  if (!text.includes('%')) return text
  const bytes = Buffer.from(text)
  const out: number[] = []
  for (let at = 0; at < bytes.length; at++) {
    const pair = bytes[at] === 0x25 ? bytes.toString('latin1', at + 1, at + 3) : ''
    const value = /^[0-9a-fA-F]{2}$/.test(pair) ? Number.parseInt(pair, 16) : 0
    if (value > 0) at += 2
    out.push(value > 0 ? value : (bytes[at] as number))
  }
  return Buffer.from(out).toString()
}

/** Printable ASCII stands for itself where `isPlain` says so; every other byte becomes %xx. */
export function percentEncode(text: string, isPlain: (char: string) => boolean): string {
  let out = ''
  for (const byte of Buffer.from(text)) {
    const char = String.fromCharCode(byte)
    out += byte > 0x20 && byte < 0x7f && isPlain(char) ? char : `%${byte.toString(16).padStart(2, '0')}`
  }
  return out
}

// Section `OPEN` of a segment: how contents are made again whose parts ended with it (store/opened/format/opened-form.ts). docs/design/content-store.md. Pure.
import { asBuffer, CorruptError } from '../../base/index.ts'

/** Records of `OPEN`: u32 length, form. */
export function encodeForms(forms: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(
    forms.flatMap((form) => {
      const length = Buffer.alloc(4)
      length.writeUInt32LE(form.length)
      return [length, form]
    }),
  )
}

/** CorruptError 'opened-form' where the records don't fit the bytes. */
export function decodeForms(section: Uint8Array): Uint8Array[] {
  const forms: Uint8Array[] = []
  for (let at = 0; at < section.length; ) {
    const end = at + 4 > section.length ? Number.POSITIVE_INFINITY : at + 4 + asBuffer(section).readUInt32LE(at)
    if (end > section.length) throw new CorruptError('opened-form', 'what a segment says of opened contents is damaged')
    forms.push(section.slice(at + 4, end))
    at = end
  }
  return forms
}

// Entries of a pack in the order in which they lie, from their offsets: for the index of a new pack (section ORDR), and in each thread that reads
// an index without. There it is part of the first answer after a start: so it is a counting sort by 16-bit digits, not a comparison sort.

const digitValues = 0x10000
/** Fewer entries than these are compared: the table of digits alone would take longer. */
const fewEntries = 2048

/** Places in `offsets`, by ascending offset. Offsets are whole numbers below 2⁵³, all different. */
export function orderByOffset(offsets: Float64Array | Uint32Array): Uint32Array {
  if (offsets.length < fewEntries) {
    return Uint32Array.from({ length: offsets.length }, (_, i) => i).sort((a, b) => (offsets[a] as number) - (offsets[b] as number))
  }
  let most = 0
  for (const offset of offsets) if (offset > most) most = offset
  let order = byDigit(offsets, null, 1)
  for (let unit = digitValues; unit <= most; unit *= digitValues) order = byDigit(offsets, order, unit)
  return order
}

/** One pass: stable, from the order of the lower digits (null: as they stand). */
function byDigit(offsets: Float64Array | Uint32Array, from: Uint32Array | null, unit: number): Uint32Array {
  const n = offsets.length
  const starts = new Uint32Array(digitValues + 1)
  const digits = new Uint16Array(n)
  for (let i = 0; i < n; i++) {
    const offset = offsets[i] as number
    const digit = unit === 1 ? offset % digitValues : Math.floor(offset / unit) % digitValues
    digits[i] = digit
    starts[digit + 1] = (starts[digit + 1] as number) + 1
  }
  for (let digit = 1; digit <= digitValues; digit++) starts[digit] = (starts[digit] as number) + (starts[digit - 1] as number)
  const order = new Uint32Array(n)
  for (let i = 0; i < n; i++) {
    const place = from === null ? i : (from[i] as number)
    const digit = digits[place] as number
    const at = starts[digit] as number
    order[at] = place
    starts[digit] = at + 1
  }
  return order
}

// Bytes as repositories hold them, for property tests: runs, repetitions, text and noise.
import fc from 'fast-check'

export const bytePieces = fc.array(
  fc.oneof(
    fc.tuple(fc.nat(255), fc.integer({ min: 1, max: 700 })).map(([byte, count]) => Array.from({ length: count }, () => byte)),
    fc
      .tuple(fc.array(fc.nat(255), { minLength: 1, maxLength: 20 }), fc.integer({ min: 1, max: 80 }))
      .map(([some, times]) => Array.from({ length: times }, () => some).flat()),
    fc.array(fc.integer({ min: 97, max: 122 }), { maxLength: 400 }),
    fc.array(fc.nat(255), { maxLength: 300 }),
  ),
  { maxLength: 12 },
)

// How objects and deltas that are made anew are deflated.
import { deflateSync } from 'node:zlib'

/** Measured on what a shallow clone of git.git has to encode: a tenth smaller than level 1, for a third more time; 6 takes twice the time of 1. */
export const encodeLevel = 4

/** A zlib stream of the bytes. Window and tables are no larger than they need: setting them up costs more than deflating something small. */
export function deflateBytes(bytes: Uint8Array): Uint8Array {
  const windowBits = Math.min(15, Math.max(9, 32 - Math.clz32(bytes.length)))
  return deflateSync(bytes, { level: encodeLevel, windowBits, memLevel: Math.min(8, Math.max(4, windowBits - 6)) })
}

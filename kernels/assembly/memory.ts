// Where the kernels' own tables lie. Everything else in linear memory belongs to the caller (kernels/kernel.ts draws the map).

/** First byte behind the kernels' own tables. */
export function heapBase(): usize {
  return (__heap_base + 63) & ~63
}

/** Bytes that kernels may read behind an input and write behind an output, without looking at or keeping what is there. */
export const SLACK: usize = 512

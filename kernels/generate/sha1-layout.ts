// How a slot lies in memory: what is kept of one block in each of eight lanes until its collision conditions have been tried. Shared by the
// generators; kernels/assembly/sha1-recent.ts gets the numbers as constants of the generated module.

/** The steps whose states are kept (sha1-conditions.ts). The early one's stand at the slot's beginning. */
export const Step = { early: 58, late: 65 } as const
/** Offsets in a slot: five state words before step 65; five behind the block; where the blocks are; whose they are. Eight lanes each. */
export const LATE = 160
export const END = 320
export const POINTERS = 480
export const MESSAGES = 512
export const SLOT_BYTES = 544
/** Blocks of eight lanes that are kept: as many as a vector has bits. */
export const SLOTS = 16
/** Expanded words of one block in each of eight lanes. */
export const WORDS_BYTES = 2560

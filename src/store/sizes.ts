// The store's numbers. Those that decide what stored bytes look like were chosen with figures: docs/decisions/0015-chunks-and-blocks.md.

/** Smaller content is one chunk. */
export const wholeBelowBytes = 1 << 20
/** FastCDC: least, normal (as bits) and most bytes of a chunk. */
export const leastChunkBytes = 16 << 10
export const chunkBits = 16
export const mostChunkBytes = 256 << 10
/** Chunks that are looked up together; what one batch holds of old content, at most so many old segments give. */
export const batchBytes = 4 << 20
export const mostOldSegments = 6
/** The same for small contents that are opened, of which there are many versions, each a segment of its own until compaction comes: they are read all at once. */
export const mostOldOfSmall = 24
/** A block is closed before it would grow over this; a chunk that is larger is a block of its own. */
export const blockBytes = 1 << 20
/** A segment is closed when its blocks have so many bytes. */
export const segmentBytes = 32 << 20
/** New blocks of a put that wait in memory for its end; more go to a segment of its own. */
export const heldBytes = 4 << 20
/** Blocks of one group commit: one PUT. */
export const groupBytes = 14 << 20
/** Segments up to so many bytes stay in PostgreSQL. */
export const tailBytes = 256 << 10
/** Content that comes by `ContentUploads` and is no larger is chunked at once, with others'; larger is stored whole. docs/decisions/0029-whole-contents.md. */
export const smallBytes = 64 << 10

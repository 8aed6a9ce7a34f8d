// What opening an archive may cost, in one place. What goes beyond stays as it is stored, with the reason noted; nothing here is a client's error.

/** Members of one archive. */
export const mostEntries = 1_000_000
/** Bytes of one name, link target or PAX header: what is longer is no archive that anybody made by hand or tool. */
export const mostMetaBytes = 1 << 20
/** Bytes of an archive's skeleton and file list, which are gathered in memory and in a file before they are stored. */
export const mostSkeletonBytes = 2 ** 30
/** Inflated bytes of one content. */
export const mostInflatedBytes = 64 * 2 ** 30
/** An archive may inflate to so many times its size; below `freeInflatedBytes` more is no harm. */
export const mostInflation = 200
export const freeInflatedBytes = 64 << 20
/** Gzip members of one content. */
export const mostMembers = 100_000
/** Zstd frames have so many bytes on average, or more: each is a chunk. */
export const leastFrameBytes = 256
/** The same for the file list, which makes no chunks of them: a zstd:chunked layer of nothing but files of one byte has 67 (two frames a file). */
export const leastListedFrameBytes = 48
/** So few are always unpacked, and never more than so many. */
export const freeFrames = 1000
export const mostListedFrames = 4_000_000
/** Bytes behind the last member. */
export const mostTrailingBytes = 64 << 10
/** Contents up to so many bytes are opened together with others, in memory; so many of them, so many bytes, at once. One that inflates to more is opened alone. */
export const mostSmallBytes = 1 << 20
export const mostTogether = 64
export const mostTogetherBytes = 4 << 20
export const mostSmallPlainBytes = 16 << 20

// The search of zlib's matcher (deflate.c: longest_match) as src/store/replay/zlib-predictor.ts needs it: zlib looks at the places with the hash of three bytes, the
// nearest first, at most so many. A match of four or more is among those that have the hash of four bytes in common, too, which are far fewer; how many zlib would have
// looked at before is told by numbers that those of one hash have in their order. So the same match is found. The twin says it as zlib does.
// A place is an index into the bytes + `offset`; 0 is none. Room: reads up to 16 bytes behind the bytes; they don't count.
//
// Tables: last places of 65,536 hashes of three bytes, i32 | the same of four | then rings of 32,768 u16, by place: the way back to the one before it with the same
// hash of three, `NONE` where there is none that near | the same of four | its number among those with its hash of three.

const MASK: i32 = 0x7fff
const MOST_DISTANCE: i32 = 0x8000 - 262
const MOST_MATCH: u32 = 258
const NONE: i32 = 0xffff
const HEADS_OF_FOUR: usize = 4 << 16
const WAYS: usize = 8 << 16
const RING: usize = 2 << 15
const WAYS_OF_FOUR: usize = WAYS + RING
const NUMBERS: usize = WAYS_OF_FOUR + RING

/** Where the match is that `zlibMatch` has found, as a distance; 0 when it has found none. */
export let zlibDistance: u32 = 0

/** Bytes of the tables; those of the hashes stand first, and are to be zero at the beginning. */
export function zlibTableBytes(): usize {
  return NUMBERS + RING
}

@inline
function slot(table: usize, place: i32): usize {
  return table + (<usize>(place & MASK) << 1)
}

/** Kinds as hashKinds of the predictor has them. */
@inline
function hashOf(word: u32, kind: u32): usize {
  const a = word & 255
  const b = (word >> 8) & 255
  const c = (word >> 16) & 255
  if (kind == 0) return ((a << 10) ^ (b << 5) ^ c) & 0x7fff
  if (kind == 1) return ((a << 12) ^ (b << 6) ^ c) & 0xffff
  return ((word * 0x9e3779b1) >> 17) & 0x7fff
}

@inline
function wayTo(head: i32, place: i32): i32 {
  return head == 0 ? NONE : min<i32>(place - head, NONE)
}

/** What is behind the end counts as zero. @param left bytes up to it */
function note(at: usize, tables: usize, place: i32, kind: u32, left: u32): void {
  const bytes = load<u32>(at)
  const word = left > 3 ? bytes : bytes & 0xffffff
  const head = tables + (hashOf(word, kind) << 2)
  const before = load<i32>(head)
  const way = wayTo(before, place)
  store<i32>(head, place)
  store<u16>(slot(tables + WAYS, place), <u16>way)
  store<u16>(slot(tables + NUMBERS, place), way > MASK ? 0 : load<u16>(slot(tables + NUMBERS, before)) + 1)
  const headOfFour = tables + HEADS_OF_FOUR + (<usize>((word * 0x9e3779b1) >> 16) << 2)
  store<u16>(slot(tables + WAYS_OF_FOUR, place), <u16>wayTo(load<i32>(headOfFour), place))
  store<i32>(headOfFour, place)
}

/** Notes the places from one index to another one. */
export function zlibNote(bytes: usize, tables: usize, offset: i32, from: u32, until: u32, end: u32, kind: u32): void {
  for (let index = from; index < until; index++) note(bytes + index, tables, <i32>index + offset, kind, end - index)
}

@inline
function alike(one: usize, other: usize, most: u32): u32 {
  for (let count: u32 = 0; count < most; count += 8) {
    const differs = load<u64>(one + count) ^ load<u64>(other + count)
    if (differs) return min<u32>(most, count + (<u32>ctz<u64>(differs) >> 3))
  }
  return most
}

/**
 * The length of the longest match at `index` that is longer than `least` (2 at least), the nearest of such; `least` where there is none. At most `tries` places are
 * looked at, and none when a match has `nice` bytes (4 at least). Notes the places from `noted` up to `index`, that one too. At least three bytes are there.
 * @param far matches of three farther away don't count
 * @param isEachNoted no place was left out (and the hash isn't of four bytes)
 * @param isExact of its hash's places the farthest that there may be counts only where it is the first: so is zlib
 */
export function zlibMatch(
  bytes: usize,
  tables: usize,
  offset: i32,
  index: u32,
  end: u32,
  noted: u32,
  kind: u32,
  least: u32,
  tries: u32,
  nice: u32,
  far: i32,
  isEachNoted: bool,
  isExact: bool,
): u32 {
  for (let next = noted; next <= index; next++) note(bytes + next, tables, <i32>next + offset, kind, end - next)
  zlibDistance = 0
  const here = <i32>index + offset
  const at = bytes + index
  const most = min<u32>(MOST_MATCH, end - index)
  const isNearer = isExact && <i32>load<u16>(slot(tables + WAYS, here)) != MOST_DISTANCE
  const nearest = max<i32>(here - MOST_DISTANCE + <i32>isNearer, 1)
  const origin = bytes - offset
  if (most > max<u32>(least, 3)) {
    length = max<u32>(least, 3)
    bound = here - 1
    const enough = min<u32>(nice, most)
    if (
      !common(at, tables, origin, here, nearest, most, tries, enough, kind, isEachNoted) &&
      !rare(at, tables, origin, here, nearest, most, tries, enough)
    )
      common(at, tables, origin, here, nearest, most, tries, enough, kind, false)
    if (zlibDistance != 0) return length
  }
  return least == 2 ? three(at, tables, origin, here, max<i32>(nearest, here - far), tries) : least
}

// What a search knows while it goes on.
let length: u32 = 0
/** No place behind this one is left to be looked at. */
let bound: i32 = 0

/** Whether zlib looks there: `place` has the hash that the place `here` has. */
@inline
function isReached(tables: usize, here: i32, place: i32, tries: u32): bool {
  const nearer = <u32>load<u16>(slot(tables + NUMBERS, here)) - <u32>load<u16>(slot(tables + NUMBERS, place))
  return (nearer & 0xffff) <= tries
}

/** Whether that place has a longer match, and is reached. */
@inline
function take(from: usize, at: usize, tables: usize, here: i32, place: i32, most: u32, tries: u32): bool {
  const count = alike(from, at, most)
  if (count <= length || !isReached(tables, here, place, tries)) return false
  length = count
  zlibDistance = here - place
  return true
}

/** By the hash of the first four bytes. Ends, too, where `rare` may go on. True: there is nothing left to look at. */
@inline
function common(
  at: usize,
  tables: usize,
  origin: usize,
  here: i32,
  nearest: i32,
  most: u32,
  tries: u32,
  enough: u32,
  kind: u32,
  isRareNext: bool,
): bool {
  // what zlib hashes by four bytes has no other hash
  const ways = tables + (kind == 2 ? WAYS : WAYS_OF_FOUR)
  // a longer match has these bytes
  let word = load<u32>(at + length - 3)
  let place = here - <i32>load<u16>(slot(ways, here))
  // so many may have other bytes, and the hash by chance: those of the same ones tell how far zlib goes
  for (let passed: u32 = 0; place >= nearest; passed++) {
    const from = origin + <usize>place
    if (passed >= tries && (load<u32>(from) ^ load<u32>(at)) << 8 == 0 && !isReached(tables, here, place, tries)) return true
    if (place <= bound) {
      if (isRareNext && here - place >= <i32>length - 3) {
        bound = place
        return false
      }
      if (load<u32>(from + length - 3) == word && take(from, at, tables, here, place, most, tries)) {
        if (length >= enough) return true
        word = load<u32>(at + length - 3)
      }
    }
    place -= <i32>load<u16>(slot(ways, place))
  }
  return true
}

/** By the hash of the last four bytes that a longer match has: hardly anything has them, while many places begin alike. Every place has been noted. False: it took too long. */
@inline
function rare(at: usize, tables: usize, origin: usize, here: i32, nearest: i32, most: u32, tries: u32, enough: u32): bool {
  let left = tries
  while (true) {
    const behind = <i32>length - 3
    const word = load<u32>(at + behind)
    let place = load<i32>(tables + HEADS_OF_FOUR + (<usize>((word * 0x9e3779b1) >> 16) << 2)) - behind
    const known = length
    for (; place >= nearest; place -= <i32>load<u16>(slot(tables + WAYS_OF_FOUR, place + behind))) {
      if (left-- == 0) return false
      if (place > bound) continue
      bound = place - 1
      const from = origin + <usize>place
      if (load<u32>(from + behind) == word && take(from, at, tables, here, place, most, tries)) break
    }
    if (length == known || length >= enough) return true
  }
}

/** The nearest match of three, where there is no longer one. */
@inline
function three(at: usize, tables: usize, origin: usize, here: i32, nearest: i32, tries: u32): u32 {
  const word = load<u32>(at) << 8
  let place = here - <i32>load<u16>(slot(tables + WAYS, here))
  for (let left = tries; left > 0 && place >= nearest; left--) {
    if (load<u32>(origin + <usize>place) << 8 == word) {
      zlibDistance = here - place
      return 3
    }
    place -= <i32>load<u16>(slot(tables + WAYS, place))
  }
  return 2
}

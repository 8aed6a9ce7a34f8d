// Scans a tree: puts what it refers to into the set, and says whether it is clean: well-formed, sorted, without duplicates, of usual modes,
// and without any name that could be a disguise of `.git` or of git's own files. Cheap tests that err on the side of "not clean":
// whatever is not surely clean is judged by the precise checks (src/git/format/fsck).
// A tree that is not clean may have left some of its references in the set; the caller refuses it or adds the rest.

import { IS_BLOB, IS_GITATTRIBUTES, IS_GITMODULES, IS_TREE } from './flags'
import { refsAdd } from './refs'

const SLASH: u32 = 0x2f
const MAX_NAME: usize = 4096
const MAX_CANDIDATES: u32 = 64

/** Files whose name begins the names that follow: starts and lengths. A folder of the same name may still come, as `a`, `a.b`, `a/` sort so. */
const candidates: usize = memory.data(512)
let candidateCount: u32 = 0

let entryKind: u32 = 0
const GITLINK: u32 = 1
const SYMLINK: u32 = 9

/** Reads the mode at `at`; returns its length with the space, 0 when it isn't one of the five usual ones. */
@inline
function readMode(at: usize): usize {
  const word = load<u64>(at)
  const seven = word & 0xffffffffffffff
  // "100644 ", "100755 ", "40000 ", "120000 ", "160000 "
  if (seven == 0x20343436303031 || seven == 0x20353537303031) {
    entryKind = IS_BLOB
    return 7
  }
  if ((word & 0xffffffffffff) == 0x203030303034) {
    entryKind = IS_TREE
    return 6
  }
  if (seven == 0x20303030303231) {
    entryKind = SYMLINK
    return 7
  }
  if (seven == 0x20303030303631) {
    entryKind = GITLINK
    return 7
  }
  return 0
}

/** Bytes of the name at `at`, up to its NUL before `limit`; 0 when it is empty, too long, or holds a slash or backslash. */
@inline
function nameLength(at: usize, limit: usize): usize {
  const slash = i8x16.splat(0x2f)
  const backslash = i8x16.splat(0x5c)
  const zero = i8x16.splat(0)
  let p = at
  while (p < limit) {
    const bytes = v128.load(p)
    const ends = <u32>i8x16.bitmask(i8x16.eq(bytes, zero))
    const bad = <u32>i8x16.bitmask(v128.or(i8x16.eq(bytes, slash), i8x16.eq(bytes, backslash)))
    if (ends) {
      const end = ctz<u32>(ends)
      if (bad & ((1 << end) - 1)) return 0
      p += end
      return p < limit && p - at <= MAX_NAME ? p - at : 0
    }
    if (bad) return 0
    p += 16
  }
  return 0
}

@inline
function lower(byte: u32): u32 {
  return byte - 65 < 26 ? byte | 32 : byte
}

/** Whether a name that begins with a dot is clean; adds the roles of git's own files to entryKind. */
function isCleanDotName(at: usize, length: usize): bool {
  if (length == 1 || entryKind == SYMLINK) return false
  for (let i: usize = 1; i < length; i++) if (load<u8>(at + i) >= 0x80) return false
  const second = lower(load<u8>(at, 1))
  if (second == 0x2e) return length > 2
  if (second != 0x67 || length < 4 || lower(load<u8>(at, 2)) != 0x69 || lower(load<u8>(at, 3)) != 0x74) return true
  if (entryKind == IS_BLOB) {
    // ".gitignore", ".gitmodules", ".gitattributes", exactly
    const word = load<u64>(at)
    if (length == 10 && word == 0x6f6e67697469672e && load<u16>(at, 8) == 0x6572) return true
    if (length == 11 && word == 0x75646f6d7469672e && load<u16>(at, 8) == 0x656c && load<u8>(at, 10) == 0x73) {
      entryKind = IS_BLOB | IS_GITMODULES
      return true
    }
    if (length == 14 && word == 0x727474617469672e && load<u32>(at, 8) == 0x74756269 && load<u16>(at, 12) == 0x7365) {
      entryKind = IS_BLOB | IS_GITATTRIBUTES
      return true
    }
  }
  // ".git" and a character that no disguise goes on with: ".github", ".gitkeep", ".gitlab-ci.yml"
  if (length == 4) return false
  const fifth = lower(load<u8>(at, 4))
  return fifth - 97 < 26 && fifth != 0x69 && fifth != 0x6d && fifth != 0x61
}

function isCleanName(at: usize, length: usize): bool {
  const first = <u32>load<u8>(at)
  if (first == 0x2e) return isCleanDotName(at, length)
  if (first == 0x7e || first == 0xe2 || first == 0xef) return false
  const letter = first | 32
  if (letter != 0x67 && letter != 0x6d) return true
  // Short names of NTFS: g or m, up to six letters, a tilde.
  for (let i: usize = 1; i < min<usize>(length, 8); i++) if (load<u8>(at + i) == 0x7e) return false
  return true
}

function isPrefix(candidate: usize, length: usize, name: usize, nameSize: usize): bool {
  return length < nameSize && memory.compare(candidate, name, length) == 0 && <u32>load<u8>(name + length) < SLASH
}

/** Remembers the file; forgets those that no later name can repeat. False when there are too many to remember. */
function remember(at: usize, length: usize): bool {
  while (candidateCount > 0) {
    const top = candidates + ((candidateCount - 1) << 3)
    if (isPrefix(load<u32>(top), load<u32>(top, 4), at, length)) break
    candidateCount--
  }
  if (candidateCount == MAX_CANDIDATES) return false
  const top = candidates + (candidateCount << 3)
  store<u32>(top, <u32>at)
  store<u32>(top, <u32>length, 4)
  candidateCount++
  return true
}

function isRemembered(at: usize, length: usize): bool {
  while (candidateCount > 0) {
    const top = candidates + ((candidateCount - 1) << 3)
    const size = <usize>load<u32>(top, 4)
    if (size == length && memory.compare(load<u32>(top), at, length) == 0) return true
    if (isPrefix(load<u32>(top), size, at, length)) return false
    candidateCount--
  }
  return false
}

/** Whether the name may follow the one before it. */
@inline
function isAfter(before: usize, beforeLength: usize, wasTree: bool, at: usize, length: usize, isTree: bool): bool {
  const common = min<usize>(beforeLength, length)
  let i: usize = 0
  while (i < common) {
    const difference = load<u64>(before + i) ^ load<u64>(at + i)
    if (difference) {
      i += <usize>(ctz<u64>(difference) >> 3)
      if (i < common) return load<u8>(before + i) < load<u8>(at + i)
      break
    }
    i += 8
  }
  if (beforeLength == length) return false
  const a: u32 = common < beforeLength ? <u32>load<u8>(before + common) : wasTree ? SLASH : 0
  const b: u32 = common < length ? <u32>load<u8>(at + common) : isTree ? SLASH : 0
  if (a == 0 && b < SLASH && !remember(before, beforeLength)) return false
  if (b == SLASH && a < SLASH && a > 0 && isRemembered(at, length)) return false
  return a < b
}

@inline
function isNull(id: usize, idSize: usize): bool {
  if (load<u64>(id) != 0) return false
  for (let i: usize = 8; i < idSize; i++) if (load<u8>(id + i) != 0) return false
  return true
}

/** True: clean, and all its references are in the set. False: the precise checks must decide. */
export function scanTree(at: usize, size: usize, idSize: usize): bool {
  const end = at + size
  let p = at
  let before: usize = 0
  let beforeLength: usize = 0
  let wasTree = false
  candidateCount = 0
  while (p < end) {
    const modeLength = readMode(p)
    if (modeLength == 0) return false
    const name = p + modeLength
    const length = nameLength(name, end)
    const id = name + length + 1
    p = id + idSize
    if (length == 0 || p > end || isNull(id, idSize) || !isCleanName(name, length)) return false
    const isTree = entryKind == IS_TREE
    if (before != 0 && !isAfter(before, beforeLength, wasTree, name, length, isTree)) return false
    before = name
    beforeLength = length
    wasTree = isTree
    if (entryKind == GITLINK) continue
    refsAdd(id, entryKind & ~1)
  }
  return true
}

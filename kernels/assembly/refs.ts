// The set of ids that objects refer to, each once, with flags saying as what. Open addressing over an index of entry numbers; the entries
// (id, then u32 flags) follow one another. A small cache in front takes the repetitions: trees repeat nearly all of their parent's entries.
// The hash is seeded: ids in a tree are the sender's free choice, and must not let him choose collisions.

let index: usize = 0
let mask: u32 = 0
let entries: usize = 0
let count: u32 = 0
let idSize: usize = 20
let stride: usize = 24
let seed: u64 = 0

const CACHE_SLOTS: usize = 8192
const cache: usize = memory.data(294912)

/** Begins an empty set; `slots` (a power of two) words at `at` are its index, entries follow one another from `entriesAt`. */
export function refsBegin(at: usize, slots: u32, entriesAt: usize, bytesOfId: u32, seedLow: u32, seedHigh: u32): void {
  index = at
  mask = slots - 1
  entries = entriesAt
  count = 0
  idSize = bytesOfId
  stride = idSize + 4
  seed = (<u64>seedHigh << 32) | seedLow
  memory.fill(index, 0, slots << 2)
  memory.fill(cache, 0, CACHE_SLOTS * stride)
}

export function refsCount(): u32 {
  return count
}

@inline
function hash(id: usize): u32 {
  let x = (load<u64>(id) ^ seed) * 0x9e3779b97f4a7c15
  x = (x ^ (x >> 32) ^ load<u64>(id, 8)) * 0xd6e8feb86659fd93
  x = (x ^ (x >> 32) ^ <u64>load<u32>(id, 16)) * 0xa0761d6478bd642f
  return <u32>(x ^ (x >> 32))
}

@inline
function isSame(a: usize, b: usize): bool {
  if (load<u64>(a) != load<u64>(b) || load<u64>(a, 8) != load<u64>(b, 8) || load<u32>(a, 16) != load<u32>(b, 16)) return false
  return idSize == 20 || (load<u32>(a, 20) == load<u32>(b, 20) && load<u64>(a, 24) == load<u64>(b, 24))
}

/** Adds an id with these flags (or adds the flags to it). Room for one more entry and a free index slot must be there. */
export function refsAdd(id: usize, flags: u32): void {
  const cached = cache + (<usize>load<u32>(id) & (CACHE_SLOTS - 1)) * stride
  if (isSame(cached, id) && load<u32>(cached + idSize) == flags) return
  memory.copy(cached, id, idSize)
  store<u32>(cached + idSize, flags)
  let slot = hash(id) & mask
  while (true) {
    const number = load<u32>(index + (slot << 2))
    if (number == 0) break
    const entry = entries + (number - 1) * stride
    if (isSame(entry, id)) {
      store<u32>(entry + idSize, load<u32>(entry + idSize) | flags)
      return
    }
    slot = (slot + 1) & mask
  }
  const entry = entries + count * stride
  count++
  store<u32>(index + (slot << 2), count)
  memory.copy(entry, id, idSize)
  store<u32>(entry + idSize, flags)
}

/** Gives the index more slots (again a power of two, the first of them those it has). */
export function refsGrow(slots: u32): void {
  mask = slots - 1
  memory.fill(index, 0, slots << 2)
  for (let i: u32 = 0; i < count; i++) {
    let slot = hash(entries + i * stride) & mask
    while (load<u32>(index + (slot << 2))) slot = (slot + 1) & mask
    store<u32>(index + (slot << 2), i + 1)
  }
}

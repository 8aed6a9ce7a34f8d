// CRC-32 (ISO 3309, polynomial 0xEDB88320), eight bytes a step ("slicing by eight", Kounavis & Berry 2005).

const tables: usize = memory.data(8192)

export function crc32Setup(): void {
  for (let i: u32 = 0; i < 256; i++) {
    let c = i
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >> 1) ^ 0xedb88320 : c >> 1
    store<u32>(tables + (i << 2), c)
  }
  for (let j: u32 = 1; j < 8; j++) {
    for (let i: u32 = 0; i < 256; i++) {
      const c = load<u32>(tables + (((j - 1) * 256 + i) << 2))
      store<u32>(tables + ((j * 256 + i) << 2), (c >> 8) ^ load<u32>(tables + ((c & 255) << 2)))
    }
  }
}

/** Goes on from `seed` (0 at first) over `size` bytes. */
export function crc32(seed: u32, from: usize, size: usize): u32 {
  let c = ~seed
  let at = from
  let left = size
  while (left >= 8) {
    const v = load<u64>(at) ^ <u64>c
    const low = <u32>v
    const high = <u32>(v >> 32)
    c =
      load<u32>(tables + ((low & 255) << 2), 7168) ^
      load<u32>(tables + (((low >> 8) & 255) << 2), 6144) ^
      load<u32>(tables + (((low >> 16) & 255) << 2), 5120) ^
      load<u32>(tables + ((low >> 24) << 2), 4096) ^
      load<u32>(tables + ((high & 255) << 2), 3072) ^
      load<u32>(tables + (((high >> 8) & 255) << 2), 2048) ^
      load<u32>(tables + (((high >> 16) & 255) << 2), 1024) ^
      load<u32>(tables + ((high >> 24) << 2))
    at += 8
    left -= 8
  }
  while (left--) c = (c >> 8) ^ load<u32>(tables + (((c ^ load<u8>(at++)) & 255) << 2))
  return ~c
}

// The CRC-32 of bytes that lie one behind the other, from the CRCs of the parts (RFC 1952 section 8's CRC; zlib's crc32_combine is the model):
// what a region of a stored pack must come to is known from its index, without a look at the bytes.

const polynomial = 0xedb88320

/** Appends zeros to CRCs, by powers of two, through tables that are made when they are needed. */
export class CrcChain {
  readonly #matrices: Uint32Array[] = [] // for 2^i zero bytes: what becomes of each of the 32 bits
  readonly #tables: Uint32Array[] = [] // the same for each of the four bytes: 4 × 256

  /** CRC of A followed by B. */
  join(a: number, b: number, bBytes: number): number {
    return (this.shift(a, bBytes) ^ b) >>> 0
  }

  /** What `join` takes away from a CRC of the whole: CRC of B, from that of A and of A followed by B. */
  rest(a: number, whole: number, bBytes: number): number {
    return (this.shift(a, bBytes) ^ whole) >>> 0
  }

  shift(crc: number, zeroBytes: number): number {
    let value = crc
    for (let power = 0, left = zeroBytes; left > 0; power++, left = Math.floor(left / 2)) {
      if (left % 2 === 0) continue
      const table = this.#tables[power] ?? this.#table(power)
      value =
        (table[value & 255] as number) ^
        (table[256 + ((value >>> 8) & 255)] as number) ^
        (table[512 + ((value >>> 16) & 255)] as number) ^
        (table[768 + (value >>> 24)] as number)
    }
    return value >>> 0
  }

  #table(power: number): Uint32Array {
    const matrix = this.#matrix(power)
    const table = new Uint32Array(1024)
    for (let byte = 0; byte < 4; byte++) {
      for (let value = 0; value < 256; value++) table[byte * 256 + value] = times(matrix, (value << (8 * byte)) >>> 0)
    }
    this.#tables[power] = table
    return table
  }

  #matrix(power: number): Uint32Array {
    for (let made = this.#matrices.length; made <= power; made++) {
      let matrix = made === 0 ? oneZeroBit() : (this.#matrices[made - 1] as Uint32Array)
      for (let squares = made === 0 ? 3 : 1; squares > 0; squares--) matrix = square(matrix)
      this.#matrices.push(matrix)
    }
    return this.#matrices[power] as Uint32Array
  }
}

function oneZeroBit(): Uint32Array {
  return Uint32Array.from({ length: 32 }, (_, bit) => (bit === 0 ? polynomial : (1 << (bit - 1)) >>> 0))
}

function times(matrix: Uint32Array, vector: number): number {
  let sum = 0
  for (let bit = 0, left = vector; left !== 0; bit++, left >>>= 1) if (left & 1) sum ^= matrix[bit] as number
  return sum >>> 0
}

function square(matrix: Uint32Array): Uint32Array {
  return matrix.map((column) => times(matrix, column))
}

// Which addresses are public: those that the server may connect to on somebody else's word. Everything that IANA's special-purpose registries
// (RFC 6890) don't call globally reachable is private. An IPv6 address that carries an IPv4 address (mapped, NAT64, 6to4) is what that one is.
// Pure.
import { BlockList, isIP } from 'node:net'

const private4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8], // this network
  ['10.0.0.0', 8],
  ['100.64.0.0', 10], // shared by a carrier
  ['127.0.0.0', 8],
  ['169.254.0.0', 16], // link-local: the metadata of clouds
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24], // documentation
  ['192.88.99.0', 24], // 6to4's relays
  ['192.168.0.0', 16],
  ['198.18.0.0', 15], // benchmarks
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4], // multicast
  ['240.0.0.0', 4], // reserved, broadcast
]

/** Within 2000::/3, which alone is given out. */
const private6: readonly (readonly [string, number])[] = [
  ['2001::', 23], // protocols' own: Teredo, ORCHID, benchmarks
  ['2001:db8::', 32], // documentation
  ['3fff::', 20],
]

const blocked = new BlockList()
for (const [network, bits] of private4) blocked.addSubnet(network, bits, 'ipv4')
for (const [network, bits] of private6) blocked.addSubnet(network, bits, 'ipv6')

/** Networks and hosts that an operator lets the server reach though they are private. */
export class AllowedHosts {
  readonly #networks = new BlockList()
  readonly #names = new Set<string>()

  /** @param entries each `10.0.0.0/8`, `fd00::/8`, an address, or a host's name. RangeError for what is none */
  constructor(entries: readonly string[]) {
    for (const entry of entries) this.#add(entry)
  }

  #add(entry: string): void {
    const [address = '', bits, more] = entry.split('/')
    const family = isIP(address)
    if (family !== 0 && more === undefined && (bits === undefined || /^\d{1,3}$/.test(bits))) {
      const most = family === 4 ? 32 : 128
      const size = bits === undefined ? most : Number(bits)
      if (size > most) throw new RangeError(`${entry} is no network`)
      this.#networks.addSubnet(address, size, family === 4 ? 'ipv4' : 'ipv6')
    } else if (/^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/i.test(entry) && !/^[\d.]+$/.test(entry)) {
      this.#names.add(entry.toLowerCase())
    } else {
      throw new RangeError(`${entry} is neither a network, nor an address, nor a host's name`)
    }
  }

  hasName(name: string): boolean {
    return this.#names.has(name.toLowerCase().replace(/\.$/, ''))
  }

  hasAddress(address: string): boolean {
    const family = isIP(address)
    if (family === 0) return false
    if (this.#networks.check(address, family === 4 ? 'ipv4' : 'ipv6')) return true
    const inner = family === 6 ? embedded4(groupsOf(address)) : null
    return inner !== null && this.#networks.check(inner, 'ipv4')
  }
}

/** Whether the address is one that everybody on the internet could connect to. False for what is no address. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address)
  if (family === 4) return !blocked.check(address, 'ipv4')
  if (family !== 6 || address.includes('%')) return false
  const groups = groupsOf(address)
  const inner = embedded4(groups)
  if (inner !== null) return !blocked.check(inner, 'ipv4')
  const isGivenOut = ((groups[0] as number) & 0xe000) === 0x2000
  return isGivenOut && !blocked.check(address, 'ipv6')
}

/** The IPv4 address that packets to that IPv6 address end at; null: none. */
function embedded4(groups: readonly number[]): string | null {
  const [a, b, c, d, e, f, g, h] = groups as [number, number, number, number, number, number, number, number]
  if (a === 0x2002) return dotted(b, c) // 6to4
  if (a === 0x64 && b === 0xff9b && (c | d | e | f) === 0) return dotted(g, h) // NAT64
  if ((a | b | c | d | e) === 0 && f === 0xffff) return dotted(g, h) // mapped
  if ((a | b | c | d) === 0 && e === 0xffff && f === 0) return dotted(g, h) // translated (SIIT)
  return null
}

function dotted(high: number, low: number): string {
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}

/** The eight groups of an address that `isIP` calls 6. */
function groupsOf(address: string): number[] {
  const plain = address.replace(/%.*$/, '').replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) => {
    const pair = (high: string, low: string) => (Number(high) * 256 + Number(low)).toString(16)
    return `${pair(a, b)}:${pair(c, d)}`
  })
  const [head = '', tail] = plain.split('::')
  const parse = (part: string) => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)))
  const left = parse(head)
  const right = tail === undefined ? [] : parse(tail)
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right]
}

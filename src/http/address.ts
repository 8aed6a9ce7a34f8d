// Addresses as whom they are counted for: whoever has one IPv6 address has the 2^64 of its network.
import { isIPv4, isIPv6 } from 'node:net'

/** IPv4 as it is, also in IPv6's clothes; IPv6 as its /64. What is no address (a proxy's word that nobody checked) is one for all. */
export function addressKey(ip: string): string {
  if (!isIPv6(ip)) return isIPv4(ip) ? ip : 'none'
  const [plain = ip] = ip.split('%', 1) // a zone
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)
  if (mapped?.[1] !== undefined) return mapped[1]
  const [head = '', tail] = plain.split('::', 2)
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    // an IPv4 tail stands for two groups
    const behind = tail === '' ? 0 : tail.split(':').length + (tail.includes('.') ? 1 : 0)
    const missing = 8 - groups.length - behind
    groups.push(...Array.from({ length: missing }, () => '0'), ...(tail === '' ? [] : tail.split(':')))
  }
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}

// What the two ends can do: v0/v1 lists after the NUL of the first ref or command (gitprotocol-capabilities(5)), and v2 lines
// (gitprotocol-v2(5)).
// A capability may come several times (`symref=…`); order is kept.
import { InputError } from '../../base/index.ts'

export interface Capability {
  readonly name: string
  /** Null without `=`. */
  readonly value: string | null
}

/** A v0/v1 list: words between white space. Never throws: what isn't known is left for the caller to pass over. */
export function parseCapabilities(text: string): Capability[] {
  return text
    .split(/[ \t\n\r]+/)
    .filter((word) => word !== '')
    .map(splitCapability)
}

function splitCapability(word: string): Capability {
  const equals = word.indexOf('=')
  return equals === -1 ? { name: word, value: null } : { name: word.slice(0, equals), value: word.slice(equals + 1) }
}

/** The list as it goes behind a NUL. RangeError for a name or value with white space in it: a fault of ours. */
export function formatCapabilities(capabilities: readonly Capability[]): string {
  return capabilities
    .map(({ name, value }) => {
      const word = value === null ? name : `${name}=${value}`
      if (name === '' || /[\s\0]/.test(word)) throw new RangeError(`a capability can't be written ${JSON.stringify(word)}`)
      return word
    })
    .join(' ')
}

/** True when the list holds that name, with a value or without. */
export function hasCapability(capabilities: readonly Capability[], name: string): boolean {
  return capabilities.some((capability) => capability.name === name)
}

/** The value of the first capability of that name; null when there is none, or it has no value. */
export function capabilityValue(capabilities: readonly Capability[], name: string): string | null {
  return capabilities.find((capability) => capability.name === name)?.value ?? null
}

const v2Key = /^[A-Za-z0-9_-]+$/
const v2Value = /^[A-Za-z0-9 \-_.,?\\/{}[\]()<>!@#$%^&*+=:;"'~|`]*$/

/** A v2 capability line, without its newline: `key` or `key=value`, the value with spaces where it has several. InputError `capability`. */
export function parseV2Capability(line: string): Capability {
  const capability = splitCapability(line)
  if (!v2Key.test(capability.name) || (capability.value !== null && !v2Value.test(capability.value))) {
    throw new InputError('capability', `protocol error: bad capability '${printable(line)}'`)
  }
  return capability
}

/** A v2 capability line, without newline. */
export function formatV2Capability({ name, value }: Capability): string {
  if (!v2Key.test(name) || (value !== null && !v2Value.test(value)))
    throw new RangeError(`a v2 capability can't be written ${name}=${value}`)
  return value === null ? name : `${name}=${value}`
}

/** The lines of a v2 capability advertisement, each for one pkt-line; a flush follows them. */
export function formatV2Advertisement(capabilities: readonly Capability[]): string[] {
  return ['version 2\n', ...capabilities.map((capability) => `${formatV2Capability(capability)}\n`)]
}

/** `stemma/1.2.3` as an `agent` value: printable ASCII without spaces; anything else becomes a dot, as in git. */
export function formatAgent(name: string, version: string): string {
  return `${name}/${version}`.trim().replaceAll(/[^\x21-\x7e]/g, '.')
}

/** The longest session id taken; a pkt-line would be the protocol's own limit. */
const MAX_SESSION_ID = 256

/** True for a session id as the protocol has it: printable, without white space. For logs only: clients choose it. */
export function isSessionId(text: string): boolean {
  return text.length <= MAX_SESSION_ID && /^[\x21-\x7e]+$/.test(text)
}

/** A client's text for our messages: at most 200 characters, none of them control characters. */
export function printable(text: string): string {
  const shown = text.length > 200 ? `${text.slice(0, 200)}…` : text
  return shown.replaceAll(/\p{Cc}/gu, '?')
}

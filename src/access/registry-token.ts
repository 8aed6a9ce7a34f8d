// What a registry's clients show instead of their credentials (Docker's token authentication): a sealed note that says whose credential it stands for, and for
// what on which packages, for some minutes. The credential itself is looked up at each request, so that the note is void as soon as that is.
// `stmr_` key id `.` base64url of what the Sealer makes.
import type { Clock, Sealer } from '../base/index.ts'
import type { Grant, PackageAccess } from './grant.ts'
import type { Identity } from './identity.ts'

const prefix = 'stmr_'
const purpose = 'registry token'
/** Longer ones weren't made here. */
const mostBytes = 16_384

export function isRegistryToken(token: string): boolean {
  return token.startsWith(prefix)
}

export interface RegistryPass {
  /** Of the credential that it stands for (`hashToken`); null: nobody's. */
  readonly hash: Uint8Array | null
  readonly packages: readonly PackageAccess[]
}

/** Makes and reads them. */
export class RegistryTokens {
  readonly lifetimeSeconds = 300
  readonly #sealer: Sealer
  readonly #clock: Clock

  constructor(sealer: Sealer, clock: Clock) {
    this.#sealer = sealer
    this.#clock = clock
  }

  issue({ hash, packages }: RegistryPass): { readonly token: string; readonly issuedAt: Date } {
    const now = this.#clock.now()
    const expires = Math.floor(now / 1000) + this.lifetimeSeconds
    const note = { h: hash && Buffer.from(hash).toString('base64url'), p: packages.map(({ name, actions }) => [name, actions]), x: expires }
    const [, , keyId = '', body = ''] = this.#sealer.seal(JSON.stringify(note), purpose).split(':')
    return { token: `${prefix}${keyId}.${body}`, issuedAt: new Date(now) }
  }

  /** Null: it isn't one of ours, or its time is over. */
  open(token: string): RegistryPass | null {
    if (!isRegistryToken(token) || token.length > mostBytes) return null
    const [keyId = '', body = ''] = token.slice(prefix.length).split('.')
    let text: string
    try {
      text = this.#sealer.open(`sealed:1:${keyId}:${body}`, purpose)
    } catch {
      return null // whoever made it hadn't our key
    }
    const { h, p, x } = JSON.parse(text) as { h: string | null; p: [string, PackageAccess['actions']][]; x: number }
    if (x * 1000 <= this.#clock.now()) return null
    return { hash: h === null ? null : Buffer.from(h, 'base64url'), packages: p.map(([name, actions]) => ({ name, actions })) }
  }
}

const wordOf: Readonly<Record<string, PackageAccess['actions'][number]>> = {
  'package:read': 'pull',
  'package:write': 'push',
  'package:delete': 'delete',
}

/** Whether the pass is for that, whoever shows it. */
export function isPassFor(packages: readonly PackageAccess[], action: string, { owner, name }: { owner: string; name: string }): boolean {
  const word = wordOf[action]
  const full = `${owner}/${name}`.toLowerCase()
  return word !== undefined && packages.some((one) => one.name === full && one.actions.includes(word))
}

/** Whoever shows the pass, and may nothing else by it: of what his credential may, what concerns packages. */
export function narrowed(identity: Identity, packages: readonly PackageAccess[]): Identity {
  if (identity.kind === 'anonymous') return identity
  const grant: Grant = identity.grant ?? { scopes: ['package:admin'], ownerIds: null, repositoryIds: null }
  return { ...identity, grant: { ...grant, scopes: grant.scopes.filter((scope) => scope.startsWith('package:')), packages } }
}

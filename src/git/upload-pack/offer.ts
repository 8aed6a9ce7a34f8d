// What this server offers to those who fetch from one repository: what it advertises, and what it then takes.
import type { ObjectFormat, ObjectId } from '../format/object-id.ts'
import { type FetchSettings, type GitSettings, readGitSettings } from '../settings/index.ts'
import { formatPromisors, type PromisorRemote, promisorRemotes } from './promisor.ts'

export interface FetchOffer {
  readonly format: ObjectFormat
  /** `stemma/0.1.0` */
  readonly agent: string
  /** Null: not told, and none is taken. */
  readonly sessionId: string | null
  readonly settings: FetchSettings
  readonly promisors: readonly PromisorRemote[]
  /** Commits whose parents the repository doesn't have. */
  readonly cutOff: readonly ObjectId[]
  /** Client and server talk: a negotiation comes to its end with `done` alone. */
  readonly isStateful: boolean
}

export interface OfferFacts {
  readonly format: ObjectFormat
  readonly agent: string
  readonly sessionId: string
  readonly isStateful?: boolean
}

export function fetchOffer(settings: GitSettings, { agent, format, sessionId, isStateful = false }: OfferFacts): FetchOffer {
  return {
    format,
    agent,
    sessionId: settings.advertisesSessionId ? sessionId : null,
    settings: settings.fetch,
    promisors: promisorRemotes(settings.fetch.promisors),
    cutOff: settings.cutOff,
    isStateful,
  }
}

/** What a repository without settings of its own offers. */
export function plainOffer(format: ObjectFormat, agent = 'stemma/test', sessionId = 'none'): FetchOffer {
  return fetchOffer(readGitSettings({}), { format, agent, sessionId })
}

const always =
  'multi_ack thin-pack side-band side-band-64k ofs-delta shallow deepen-since deepen-not deepen-relative no-progress include-tag multi_ack_detailed'

/** Versions 0 and 1: the list behind the first ref's NUL, in git's order. `symref` as `HEAD:refs/heads/main`; null without one. */
export function capabilitiesV0(offer: FetchOffer, symref: string | null): string {
  const { allowsReachable, allowsTips, filter } = offer.settings
  return [
    always,
    allowsTips ? 'allow-tip-sha1-in-want' : '',
    allowsReachable ? 'allow-reachable-sha1-in-want' : '',
    offer.isStateful ? '' : 'no-done',
    symref === null ? '' : `symref=${symref}`,
    filter.isAllowed ? 'filter' : '',
    offer.sessionId === null ? '' : `session-id=${offer.sessionId}`,
    `object-format=${offer.format}`,
    `agent=${offer.agent}`,
  ]
    .filter((word) => word !== '')
    .join(' ')
}

/** Version 2: one line for each capability, in git's order, without line ends. */
export function capabilitiesV2(offer: FetchOffer): string[] {
  const { advertisesBundleUris, advertisesObjectInfo, unborn } = offer.settings
  return [
    `agent=${offer.agent}`,
    unborn === 'advertise' ? 'ls-refs=unborn' : 'ls-refs',
    `fetch=${fetchFeatures(offer.settings)}`,
    'server-option',
    `object-format=${offer.format}`,
    offer.sessionId === null ? '' : `session-id=${offer.sessionId}`,
    advertisesObjectInfo ? 'object-info=size' : '',
    advertisesBundleUris ? 'bundle-uri' : '',
    offer.promisors.length === 0 ? '' : `promisor-remote=${formatPromisors(offer.promisors)}`,
  ].filter((line) => line !== '')
}

function fetchFeatures(settings: FetchSettings): string {
  const features = ['shallow', 'wait-for-done']
  if (settings.filter.isAllowed) features.push('filter')
  if (settings.allowsRefInWant) features.push('ref-in-want')
  if (settings.allowsSidebandAll) features.push('sideband-all')
  if (settings.blobPackfileUris.length > 0) features.push('packfile-uris')
  return features.join(' ')
}

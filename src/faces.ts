// Every face that the server shows on its listener: which rooms register routes, with what. The server and the test of who may do what mount the same.
import { join } from 'node:path'
import type { Failures, RegistryTokens } from './access/index.ts'
import type { Log, Metrics } from './base/index.ts'
import { systemClock, systemRandomness } from './base/index.ts'
import { registerApi } from './api/index.ts'
import { addRequests, type Bucket, readShared } from './bucket/index.ts'
import type { Config } from './config.ts'
import type { Database } from './db/index.ts'
import {
  Browser,
  Composer,
  findArchive,
  forkTakesRef,
  type GitRoom,
  gitTotals,
  networkStorage,
  readGpgKey,
  registerGit,
  SignatureVerifier,
} from './git/index.ts'
import { registerGeneric } from './generic/index.ts'
import { healthSchema, makeHealth } from './health.ts'
import type { HookRoom } from './hooks/index.ts'
import { type Listener, plainForm, type RateLimits } from './http/index.ts'
import { mountMetrics } from './metrics-listener.ts'
import { registerLfs } from './lfs/index.ts'
import { registerNpm, type Roots } from './npm/index.ts'
import { LayerFiles, registerOci } from './oci/index.ts'
import { packageFormats } from './package-formats.ts'
import {
  CiExchange,
  ClientLogins,
  OidcSignIn,
  Passwords,
  registerClientLogins,
  registerSignIn,
  SecondFactors,
  type SignInParts,
} from './sign-in/index.ts'
import { sshUrl } from './ssh/index.ts'
import { contentTotals, type SegmentStore } from './store/index.ts'
import { version } from './version.ts'

/** Of one question of the API's to the Git room. */
const apiTimeLimitMs = 15_000

export interface FaceParts {
  readonly config: Config
  readonly db: Database
  readonly bucket: Bucket
  readonly git: GitRoom
  readonly store: SegmentStore
  readonly hooks: HookRoom
  readonly metrics: Metrics
  readonly log: Log
  /** Where worker threads add up what they ask of the bucket. */
  readonly counts: SharedArrayBuffer
  /** Undefined: nothing is limited. */
  readonly rates?: RateLimits
  /** Where SSH is listened to; null: nowhere. */
  readonly sshPort?: () => number | null
  readonly failures?: Failures
  readonly registryTokens: RegistryTokens
  /** Who has to vouch for npm packages' provenance; nobody without it. */
  readonly npmRoots?: Roots | null
}

export function mountFaces(listener: Listener, parts: FaceParts): void {
  mountHealth(listener, parts)
  mountMetrics(listener, parts.metrics)
  registerGit(listener, parts.git)
  mountLfs(listener, parts)
  mountOci(listener, parts)
  const base = { db: parts.db, clock: systemClock, randomness: systemRandomness }
  const secondFactors = new SecondFactors({ ...base, sealer: parts.hooks.sealer })
  const signIn: SignInParts = { ...base, passwords: new Passwords(systemRandomness), failures: parts.failures, secondFactors }
  const { config } = parts
  const audience = config.ci.audience ?? config.publicUrl ?? 'stemma'
  const people: People = {
    signIn,
    secondFactors,
    logins: new ClientLogins(base),
    ciExchange: new CiExchange(base, { issuers: config.ci.issuers, audience }),
    // clients ask for the one, whatever is set up here; never after the Host header, which is anybody's word
    audiences: [audience, ...(config.publicUrl === null ? [] : [`npm:${new URL(config.publicUrl).hostname}`])],
  }
  mountNpm(listener, parts, people)
  mountGeneric(listener, parts)
  mountSignIn(listener, config, people)
  mountApi(listener, parts, people)
}

/** What rooms work with that let people in. */
interface People {
  readonly signIn: SignInParts
  readonly secondFactors: SecondFactors
  readonly logins: ClientLogins
  readonly ciExchange: CiExchange
  readonly audiences: readonly string[]
}

function mountHealth(listener: Listener, { db: database, bucket, log }: FaceParts): void {
  const health = makeHealth({ database, bucket, log, clock: systemClock, version })
  listener.room({ form: plainForm, body: 'json' }, (routes) => {
    routes.get('/health', { config: { access: 'public' }, schema: healthSchema }, async (_request, reply) => {
      const report = await health()
      return reply
        .code(report.status === 'ok' ? 200 : 503)
        .header('cache-control', 'no-store')
        .send(report)
    })
  })
}

function mountLfs(listener: Listener, { config: { limits, publicUrl }, db, store, log }: FaceParts): void {
  const { lfsObjectBytes: objectBytes, concurrentFetches: concurrentDownloads, requestTimeoutMs } = limits
  registerLfs(listener, { db, store, log, clock: systemClock, publicUrl, limits: { objectBytes, concurrentDownloads, requestTimeoutMs } })
}

function mountOci(listener: Listener, { config, db, store, log, hooks, failures, registryTokens: tokens }: FaceParts): void {
  const { limits, publicUrl, registry } = config
  const { blobBytes, manifestBytes: bytes, manifestParts: parts, indexDepth, concurrentFetches: concurrentDownloads } = limits
  registerOci(listener, {
    db,
    store,
    uploads: store.uploads,
    clock: systemClock,
    tokens,
    failures,
    log,
    publicUrl,
    limits: { blobBytes, manifest: { bytes, parts }, indexDepth, leaseMs: registry.leaseMs, concurrentDownloads },
    redirects: { of: registry.redirect, fromBytes: registry.redirectFromBytes, lifetimeMs: registry.redirectMs },
    upstreams: upstreamOptions({ config, hooks }),
  })
}

function upstreamOptions({ config, hooks: { outbound, sealer } }: Pick<FaceParts, 'config' | 'hooks'>) {
  return {
    outbound,
    sealer,
    randomness: systemRandomness,
    agent: `stemma/${version}`,
    folder: join(config.data, 'spool'),
    pace: config.limits,
  }
}

function mountNpm(listener: Listener, { config, db, store, log, hooks, npmRoots: roots = null }: FaceParts, people: People): void {
  const { limits, npm, publicUrl } = config
  const { root, advisories, signUp, loginMs } = npm
  const { npmTarballBytes: tarballBytes, npmUnpackedBytes: unpackedBytes, npmEntries: entries, npmDocumentBytes: documentBytes } = limits
  registerNpm(listener, {
    db,
    store,
    uploads: store.uploads,
    clock: systemClock,
    log,
    publicUrl,
    sealer: hooks.sealer,
    root,
    roots,
    people: { ...people, randomness: systemRandomness, settings: { signUp, loginMs }, advisories },
    limits: { tarballBytes, unpackedBytes, entries, documentBytes, concurrentDownloads: limits.concurrentFetches },
    upstreamOptions: upstreamOptions({ config, hooks }),
  })
}

function mountGeneric(listener: Listener, { config: { limits, publicUrl }, db, store, log }: FaceParts): void {
  const { genericFileBytes: fileBytes, concurrentFetches: concurrentDownloads } = limits
  registerGeneric(listener, { db, store, uploads: store.uploads, log, publicUrl, limits: { fileBytes, concurrentDownloads } })
}

function mountSignIn(listener: Listener, config: Config, { signIn, logins }: People): void {
  const { issuer, clientId } = config.oidc
  const oidc = issuer === null || clientId === null ? null : new OidcSignIn(signIn, { ...config.oidc, issuer, clientId })
  registerSignIn(listener, { oidc, publicUrl: config.publicUrl })
  registerClientLogins(listener, { signIn, logins, randomness: systemRandomness, publicUrl: config.publicUrl, hasOidc: oidc !== null })
}

function mountApi(
  listener: Listener,
  { config, db, git, store, log, bucket, hooks, counts, rates, sshPort }: FaceParts,
  { signIn, ciExchange }: People,
): void {
  const limits = { timeLimitMs: apiTimeLimitMs, graceS: config.git.collectGraceMs / 1000 }
  registerApi(listener, {
    signIn,
    ciExchange,
    db,
    clock: systemClock,
    randomness: systemRandomness,
    publicUrl: config.publicUrl,
    sshUrl: (origin, fullName) => sshUrl(config.ssh.publicHost, sshPort?.() ?? null, origin, fullName),
    version,
    rates,
    hooks,
    imageStore: store,
    packageFormats,
    retention: config.registry,
    layerFiles: new LayerFiles({ store, log }),
    sealer: hooks.sealer,
    git: {
      browser: new Browser(git, limits),
      composer: new Composer(git, limits),
      clock: systemClock,
      signatures: new SignatureVerifier({ queries: db.queries, workers: git.workers, clock: systemClock }),
      readGpgKey: (text) => readGpgKey(git.workers, text),
    },
    takesRef: (...ref) => forkTakesRef(git, ...ref),
    storage: {
      ofNetwork: (networkId) => networkStorage(git, networkId),
      ofGit: () => gitTotals(db.queries),
      ofContent: () => contentTotals(db.queries),
      requests: () => addRequests([bucket.requests, readShared(counts)]),
    },
    findArchive: async (...archive) => (await findArchive(git, ...archive)) !== null,
  })
}

// What the rooms are made with, out of the configuration: the same for the server and for commands that do its work beside it.
import { join } from 'node:path'
import { hookDocuments, type Places } from './api/index.ts'
import { AllowedHosts, type Log, type Sealer, systemClock, systemRandomness, UnavailableError } from './base/index.ts'
import type { Bucket, BucketConfig as OpenBucketConfig } from './bucket/index.ts'
import type { Config } from './config.ts'
import type { Database } from './db/index.ts'
import { findPushed, GitRoom, type PushedMove, type RemoteClient } from './git/index.ts'
import type { HookRoom } from './hooks/index.ts'
import { Outbound } from './http/index.ts'
import { packageFormats } from './package-formats.ts'
import { hostKeys, SshListener, type SshOptions } from './ssh/index.ts'
import { SegmentStore } from './store/index.ts'
import { version } from './version.ts'

export function bucketConfig(config: Config): OpenBucketConfig {
  return config.bucket.kind === 'filesystem' ? config.bucket : { ...config.bucket, spoolFolder: join(config.data, 'spool') }
}

/** `counts`: where worker threads add up what they ask of the bucket. */
export interface RoomParts {
  readonly db: Database
  readonly bucket: Bucket
  readonly log: Log
  readonly counts?: SharedArrayBuffer
}

export function makeGit(config: Config, { counts, ...parts }: RoomParts): GitRoom {
  return new GitRoom({
    ...parts,
    bucketConfig: { ...bucketConfig(config), ...(counts ? { counts } : {}) },
    clock: systemClock,
    randomness: systemRandomness,
    cache: config.cache,
    threads: config.workers.count,
    limits: { ...config.limits, memoryBytes: config.workers.memoryBytes },
    tailBytes: config.git.tailBytes,
    dumbHttp: config.git.dumbHttp,
    agent: `stemma/${version}`,
  })
}

export function makeStore(config: Config, { counts, ...parts }: RoomParts): SegmentStore {
  return new SegmentStore({
    ...parts,
    bucketConfig: { ...bucketConfig(config), ...(counts ? { counts } : {}) },
    randomness: systemRandomness,
    cache: config.cache,
    threads: Math.max(2, config.workers.count),
    hot: { keepMs: config.content.hotMs, bytes: config.content.hotBytes },
    uploadMs: config.content.uploadMs,
    isLinking: config.registry.redirect !== 'off',
  })
}

/** For requests to where others say. */
export function makeOutbound(config: Config): Outbound {
  return new Outbound({ allowed: new AllowedHosts(config.outbound.allowPrivate) })
}

/** For imports and mirrors. */
export function makeRemoteClient(config: Config): RemoteClient {
  return { agent: `stemma/${version}`, outbound: makeOutbound(config) }
}

export interface HookParts extends Pick<HookRoom, 'observe' | 'tracer'> {
  readonly db: Database
  readonly git: GitRoom
  readonly log: Log
  readonly sealer: Sealer
  readonly outbound: Outbound
  /** Where clients reach the server, for the URLs in what is sent; asked when it is. */
  readonly places: () => Places
}

export function makeHooks(config: Config, { db, git, log, sealer, outbound, places, observe, tracer }: HookParts): HookRoom {
  return {
    observe,
    tracer,
    db,
    log,
    clock: systemClock,
    randomness: systemRandomness,
    sealer,
    outbound,
    documents: hookDocuments(db, places, packageFormats),
    commits: (repository, question) => findPushed(git, repository, question as PushedMove),
    limits: config.hooks,
    agent: git.options.agent,
  }
}

/** Null: SSH is off, or can't be had on this node, which is logged. */
export async function makeSsh(
  config: Config,
  sealer: Sealer,
  parts: Pick<SshOptions, 'db' | 'git' | 'log' | 'rates' | 'httpUrl'>,
): Promise<SshListener | null> {
  const { drainTimeoutMs: drainMs, git, limits, ssh } = config
  if (ssh.listen === null) return null
  const keys = await hostKeys(parts.db, sealer, ssh.hostKeys, parts.log).catch((error: unknown) => {
    if (!(error instanceof UnavailableError && error.code === 'other-key')) throw error
    const advice = 'give every node the same secretKey, name files (ssh.hostKeys), or make other keys: stemma key forget-host'
    parts.log.error({ err: error }, `SSH is off: the host keys are sealed with another secretKey; ${advice}`)
    return null
  })
  if (keys === null) return null
  const { idleTimeoutMs, requestTimeoutMs, slowestBytesPerSecond, slowGraceMs } = limits
  const { connections, loginTimeoutMs } = ssh
  return new SshListener({
    ...parts,
    clock: systemClock,
    randomness: systemRandomness,
    isCreatingOnPush: git.createOnPush,
    hostKeys: keys,
    agent: `stemma/${version}`,
    port: ssh.listen.port,
    limits: { connections, loginTimeoutMs, idleTimeoutMs, requestTimeoutMs, slowestBytesPerSecond, slowGraceMs, drainMs },
  })
}

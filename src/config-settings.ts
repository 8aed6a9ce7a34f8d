// Every setting: its key, kind and default. config.example.yaml documents them one by one; a test holds the two together.
import {
  type Setting,
  accessToken,
  bytes,
  count,
  databaseUrl,
  duration,
  flag,
  hostList,
  keyText,
  listenAddress,
  listenAddressOrOff,
  oneOf,
  optionalListenAddress,
  optionalBytes,
  optionalDuration,
  optionalText,
  originUrl,
  proxies,
  publicHost,
  secret,
  serviceUrl,
  text,
  texts,
  urlList,
} from './config-kinds.ts'

export const settings = {
  listen: listenAddress('127.0.0.1:8080'),
  data: text('./data'),
  publicUrl: originUrl(),
  adminToken: accessToken(),
  secretKey: keyText(),
  drainTimeoutMs: duration('30s', 0),
  log: { level: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], 'info') },
  database: {
    url: databaseUrl(),
    migrate: flag(true),
    poolSize: count(16, 2, 1000),
    prepare: flag(true),
  },
  bucket: {
    filesystem: { folder: optionalText() },
    s3: {
      endpoint: serviceUrl(),
      region: text('us-east-1'),
      bucket: optionalText(),
      accessKeyId: optionalText(),
      secretAccessKey: secret(),
      pathStyle: flag(true),
      createBucket: flag(false),
      publicEndpoint: serviceUrl(),
    },
  },
  cache: {
    memoryBytes: bytes('64MiB'),
    diskBytes: bytes('4GiB'),
    wholeMemoryBytes: bytes('128MiB'),
    packBytes: bytes('1GiB'),
    folder: optionalText(),
  },
  git: {
    tailBytes: bytes('256KiB'),
    createOnPush: flag(true),
    dumbHttp: flag(true),
    collectGraceMs: duration('14d', 3600_000, 3660),
  },
  workers: {
    count: count(0, 0, 256),
    memoryBytes: bytes('160MiB', 16 * 2 ** 20),
  },
  http: { trustProxy: proxies() },
  oidc: {
    issuer: serviceUrl(),
    clientId: optionalText(),
    clientSecret: secret(),
    scope: text('openid profile email'),
    createAccounts: flag(true),
  },
  outbound: { allowPrivate: hostList() },
  metrics: { listen: optionalListenAddress() },
  otel: { endpoint: serviceUrl() },
  hooks: {
    tries: count(8, 1, 20),
    firstRetryMs: duration('10s'),
    timeoutMs: duration('10s', 100, 1),
    keepMs: duration('7d', 3600_000, 366),
  },
  ci: {
    issuers: urlList('https://token.actions.githubusercontent.com https://gitlab.com'),
    audience: optionalText(),
  },
  quota: { ownerBytes: optionalBytes() },
  content: {
    hotMs: duration('14d', 0, 3660),
    hotBytes: bytes('20GiB'),
    uploadMs: duration('24h', 60_000, 366),
  },
  registry: {
    leaseMs: duration('24h', 0, 366),
    collectDelayMs: duration('24h', 0, 366),
    untaggedMs: optionalDuration(3660),
    redirect: oneOf(['off', 'public', 'all'], 'off'),
    redirectFromBytes: bytes('1MiB'),
    redirectMs: duration('10m', 10_000, 1),
  },
  npm: {
    root: optionalText(),
    trustedRoots: optionalText(),
    signUp: flag(false),
    loginMs: duration('30d', 60_000, 3660),
    advisories: optionalText(),
  },
  ssh: {
    listen: listenAddressOrOff('127.0.0.1:2222'),
    publicHost: publicHost(),
    hostKeys: texts(),
    connections: count(256, 1),
    loginTimeoutMs: duration('30s'),
  },
  limits: {
    packBytes: bytes('16GiB', 1),
    objectBytes: bytes('2GiB', 1),
    objectCount: count(20_000_000, 1),
    deltaDepth: count(4095, 1),
    inflatedBytes: bytes('8GiB', 1),
    inflationRatio: count(400, 1),
    refsPerPush: count(100_000, 1),
    pktLines: count(1_000_000, 1),
    requestBytes: bytes('10MiB', 1),
    jsonBytes: bytes('1MiB', 1),
    lfsObjectBytes: bytes('16GiB', 1),
    blobBytes: bytes('64GiB', 1),
    manifestBytes: bytes('4MiB', 1024),
    manifestParts: count(4096, 1),
    indexDepth: count(4, 1, 16),
    genericFileBytes: bytes('16GiB', 1),
    npmTarballBytes: bytes('512MiB', 1024),
    npmUnpackedBytes: bytes('4GiB', 1024),
    npmEntries: count(100_000, 1),
    npmDocumentBytes: bytes('4MiB', 1024),
    concurrentPushes: count(32, 1),
    concurrentFetches: count(128, 1),
    fetchMemoryBytes: bytes('512MiB', 16 * 2 ** 20),
    requestTimeoutMs: duration('1h'),
    headersTimeoutMs: duration('30s'),
    idleTimeoutMs: duration('2m'),
    slowestBytesPerSecond: bytes('2KiB', 1),
    slowGraceMs: duration('30s'),
    rate: {
      apiReads: count(6000, 0),
      apiWrites: count(1200, 0),
      anonymousApi: count(1200, 0),
      git: count(60_000, 0),
      anonymousGit: count(30_000, 0),
      failures: count(60, 0),
      accountFailures: count(20, 0),
    },
  },
}

type Values<T> = T extends Setting<infer V> ? V : { readonly [K in keyof T]: Values<T[K]> }
/** Every setting's value, under the same names as in the file. */
export type Settings = Values<typeof settings>

export interface NamedSetting {
  /** `bucket.s3.endpoint` */
  readonly key: string
  /** `STEMMA_BUCKET_S3_ENDPOINT` */
  readonly variable: string
  readonly setting: Setting<unknown>
}

/** All settings, flat, in the order of the file. */
export function listSettings(): readonly NamedSetting[] {
  const found: NamedSetting[] = []
  const walk = (at: object, path: readonly string[]): void => {
    for (const [name, value] of Object.entries(at) as [string, object][]) {
      const here = [...path, name]
      if ('parse' in value) found.push({ key: here.join('.'), variable: variableName(here), setting: value as Setting<unknown> })
      else walk(value, here)
    }
  }
  walk(settings, [])
  return found
}

function variableName(path: readonly string[]): string {
  return ['STEMMA', ...path.map((part) => part.replaceAll(/([A-Z])/g, '_$1').toUpperCase())].join('_')
}

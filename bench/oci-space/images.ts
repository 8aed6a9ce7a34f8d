// The images of oci-space.ts: three families of successive versions, each built anew as a CI runner without a cache does it: a Debian base that is made
// afresh every few versions, a layer of packages, a layer of npm's modules, and a little of the application's own.
// Needs root, buildah, skopeo, debootstrap, npm and go; nothing that is fetched is kept in the tree. What is there already is not built again.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** How a family's layers are compressed: by Go's compress/gzip (docker, buildkit) or klauspost's pgzip (buildah, podman, skopeo). */
type Gzip = 'docker' | 'pgzip'

interface Family {
  readonly name: string
  readonly suite: string
  readonly gzip: Gzip
  /** Versions at which the base is made anew; from the second on with the suite's security updates. */
  readonly refreshed: readonly number[]
  /** Base: debootstrap's `--include`. */
  readonly include: string
  /** Packages of a version, and its npm dependencies. */
  readonly packages: (version: number) => readonly string[]
  readonly modules: (version: number) => Readonly<Record<string, string>>
}

export const versionCount = 10

const since = (version: number, first: number, ...names: string[]) => (version >= first ? names : [])
const at = (version: number, ...steps: string[]) =>
  steps[Math.min(steps.length - 1, Math.floor((version - 1) / (versionCount / steps.length)))] as string

export const families: readonly Family[] = [
  {
    name: 'service',
    suite: 'bookworm',
    gzip: 'docker',
    refreshed: [1, 4],
    include: 'ca-certificates',
    packages: (v) => [
      'python3-minimal',
      'python3-requests',
      'python3-yaml',
      'libpq5',
      'curl',
      ...since(v, 3, 'python3-jinja2'),
      ...since(v, 6, 'python3-cryptography'),
      ...since(v, 9, 'redis-tools'),
    ],
    modules: (v) => ({
      esbuild: at(v, '0.19.12', '0.20.2', '0.21.5'),
      lodash: at(v, '4.17.20', '4.17.21'),
      'core-js': at(v, '3.36.0', '3.36.1', '3.37.0', '3.37.1'),
    }),
  },
  {
    name: 'web',
    suite: 'trixie',
    gzip: 'docker',
    refreshed: [1],
    include: 'ca-certificates,tzdata',
    packages: (v) => ['nodejs', 'tini', ...since(v, 5, 'imagemagick'), ...since(v, 8, 'ghostscript')],
    modules: (v) => ({
      express: at(v, '4.18.2', '4.18.3', '4.19.1', '4.19.2', '4.20.0', '4.21.0'),
      react: at(v, '18.2.0', '18.3.1'),
      'react-dom': at(v, '18.2.0', '18.3.1'),
      next: at(v, '14.1.0', '14.1.4', '14.2.0', '14.2.3', '14.2.5', '14.2.15'),
      axios: at(v, '1.6.7', '1.6.8', '1.7.2', '1.7.7'),
      'date-fns': at(v, '3.3.1', '3.6.0'),
    }),
  },
  {
    name: 'tools',
    suite: 'bookworm',
    gzip: 'pgzip',
    refreshed: [1],
    include: 'ca-certificates,less',
    packages: (v) => [
      'git',
      'openssh-client',
      'jq',
      'make',
      ...since(v, 4, 'postgresql-client-15'),
      ...since(v, 7, 'rsync', 'sqlite3'),
      ...since(v, 9, 'gcc', 'libc6-dev'),
    ],
    modules: (v) => ({
      typescript: at(v, '5.3.3', '5.4.2', '5.4.5', '5.5.3'),
      eslint: at(v, '8.56.0', '8.57.0', '9.0.0', '9.5.0'),
      prettier: at(v, '3.2.4', '3.2.5', '3.3.2'),
    }),
  },
]

/** The family's OCI layout below a folder: its tags are v01, v02 … */
export function layoutOf(folder: string, family: string): string {
  return join(folder, 'images', family)
}

export function tagOf(version: number): string {
  return `v${String(version).padStart(2, '0')}`
}

/** Builds what is missing, version by version, so that an early end leaves whole families of fewer versions. */
export function buildImages(folder: string, names: readonly string[] = families.map((family) => family.name)): void {
  mkdirSync(folder, { recursive: true })
  const gzip = buildGzip(folder)
  for (let version = 1; version <= versionCount; version++) {
    for (const family of families.filter(({ name }) => names.includes(name))) buildVersion(folder, family, version, gzip)
  }
}

function buildVersion(folder: string, family: Family, version: number, gzip: string): void {
  const layout = layoutOf(folder, family.name)
  const done = join(folder, 'done', `${family.name}-${tagOf(version)}`)
  if (existsSync(done)) return
  const started = Date.now()
  const context = join(folder, `context-${family.name}`)
  rmSync(context, { recursive: true, force: true })
  mkdirSync(context, { recursive: true })
  mkdirSync(join(folder, 'done'), { recursive: true })
  const round = family.refreshed.findLastIndex((first) => version >= first)
  const base = buildBase(folder, family, round)
  installModules(join(context, 'modules'), family.modules(version), join(folder, 'npm-cache'))
  writeApplication(join(context, 'app'), family.name, version)
  writeFileSync(join(context, 'Dockerfile'), dockerfile(base, family.packages(version)))
  const image = `localhost/${family.name}:${tagOf(version)}`
  const storage = storageOf(folder)
  run('buildah', [...storage, 'bud', '--isolation', 'chroot', '--layers', '--no-cache', '--format', 'oci', '-t', image, context])
  mkdirSync(layout, { recursive: true })
  run('skopeo', [
    '--insecure-policy',
    'copy',
    '--quiet',
    `containers-storage:[overlay@${storage[1]}+${storage[3]}]${image}`,
    `oci:${layout}:${tagOf(version)}`,
  ])
  if (family.gzip === 'docker') compressAgain(layout, tagOf(version), gzip)
  run('buildah', [...storage, 'rmi', '--force', image])
  writeFileSync(done, '')
  console.log(`${family.name} ${tagOf(version)}: ${Math.round((Date.now() - started) / 1000)} s`)
}

function storageOf(folder: string): string[] {
  return ['--root', join(folder, 'overlay'), '--runroot', join(folder, 'overlay-run'), '--storage-driver', 'overlay']
}

/** The base image of a round: the suite as it was released, later with its updates. */
function buildBase(folder: string, family: Family, round: number): string {
  const image = `localhost/base-${family.name}:${round}`
  const done = join(folder, 'done', `base-${family.name}-${round}`)
  if (existsSync(done)) return image
  const root = join(folder, 'root')
  rmSync(root, { recursive: true, force: true })
  const cache = join(folder, 'debs')
  mkdirSync(cache, { recursive: true })
  run('debootstrap', [
    '--variant=minbase',
    `--include=${family.include}`,
    `--cache-dir=${cache}`,
    family.suite,
    root,
    'http://deb.debian.org/debian',
  ])
  const lines = [`deb http://deb.debian.org/debian ${family.suite} main`]
  if (round > 0) lines.push(`deb http://deb.debian.org/debian-security ${family.suite}-security main`)
  if (round > 1) lines.push(`deb http://deb.debian.org/debian ${family.suite}-updates main`)
  writeFileSync(join(root, 'etc/apt/sources.list'), `${lines.join('\n')}\n`)
  run('chroot', [
    root,
    'sh',
    '-c',
    'apt-get -q update && apt-get -qy -o Dpkg::Options::=--force-unsafe-io upgrade && apt-get clean && rm -rf /var/lib/apt/lists/* /var/log/*.log /var/log/apt/*',
  ])
  run('tar', ['-C', root, '--numeric-owner', '-cf', join(folder, 'base.tar'), '.'])
  writeFileSync(join(folder, 'Dockerfile.base'), 'FROM scratch\nADD base.tar /\nCMD ["/bin/bash"]\n')
  run('buildah', [
    ...storageOf(folder),
    'bud',
    '--isolation',
    'chroot',
    '--format',
    'oci',
    '-t',
    image,
    '-f',
    join(folder, 'Dockerfile.base'),
    folder,
  ])
  rmSync(join(folder, 'base.tar'))
  rmSync(root, { recursive: true, force: true })
  writeFileSync(done, '')
  return image
}

function dockerfile(base: string, packages: readonly string[]): string {
  return [
    `FROM ${base}`,
    `RUN apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy -o Dpkg::Options::=--force-unsafe-io install --no-install-recommends ${packages.join(' ')} && rm -rf /var/lib/apt/lists/*`,
    'COPY modules /srv/modules',
    'COPY app /srv/app',
    '',
  ].join('\n')
}

function installModules(folder: string, dependencies: Readonly<Record<string, string>>, cache: string): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    join(folder, 'package.json'),
    `${JSON.stringify({ name: 'app', version: '1.0.0', private: true, dependencies }, null, 2)}\n`,
  )
  run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--legacy-peer-deps', '--cache', cache], folder)
}

/** 60 files of text, of which each version changes three and adds one. */
function writeApplication(folder: string, seed: string, version: number): void {
  mkdirSync(folder, { recursive: true })
  for (let n = 0; n < 60 + version; n++) {
    const changed = Array.from({ length: version }, (_, v) => v + 1).findLast((v) => n === 60 + v - 1 || n % 20 === v % 20) ?? 0
    const lines = Array.from({ length: 200 }, (_, line) => {
      const word = createHash('sha256')
        .update(`${seed} ${n} ${line} ${line % 17 === 0 ? changed : 0}`)
        .digest('base64url')
      return `export const ${word
        .slice(0, 8)
        .replace(/^[^a-z]/i, 'a')
        .replaceAll('-', '_')}_${line} = "${word.slice(8, 30)}";`
    })
    writeFileSync(join(folder, `part-${n}.js`), `${lines.join('\n')}\n`)
  }
  writeFileSync(join(folder, 'version.json'), JSON.stringify({ name: seed, version: `1.${version}.0` }))
}

/** A command that compresses as docker does: compress/gzip at its default level. */
function buildGzip(folder: string): string {
  const binary = join(folder, 'go-gzip')
  if (existsSync(binary)) return binary
  const source = join(folder, 'go-gzip.go')
  writeFileSync(
    source,
    'package main\n\nimport (\n\t"compress/gzip"\n\t"io"\n\t"os"\n)\n\nfunc main() {\n\tw := gzip.NewWriter(os.Stdout)\n\tif _, err := io.Copy(w, os.Stdin); err != nil {\n\t\tpanic(err)\n\t}\n\tif err := w.Close(); err != nil {\n\t\tpanic(err)\n\t}\n}\n',
  )
  run('go', ['build', '-o', binary, source])
  return binary
}

interface Descriptor {
  readonly mediaType: string
  digest: string
  size: number
}

/** The version's layers compressed by that command; those that an earlier version had are there already. */
function compressAgain(layout: string, tag: string, gzip: string): void {
  const blob = (digest: string) => join(layout, 'blobs/sha256', digest.slice('sha256:'.length))
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as {
    manifests: (Descriptor & { annotations?: Record<string, string> })[]
  }
  const entry = index.manifests.find(({ annotations }) => annotations?.['org.opencontainers.image.ref.name'] === tag)
  if (entry === undefined) throw new Error(`${layout} has no ${tag}`)
  const manifest = JSON.parse(readFileSync(blob(entry.digest), 'utf8')) as { layers: Descriptor[] }
  for (const layer of manifest.layers) {
    const known = join(layout, 'again', layer.digest)
    if (existsSync(known)) {
      Object.assign(layer, JSON.parse(readFileSync(known, 'utf8')))
      continue
    }
    const temporary = join(layout, 'layer')
    const before = layer.digest
    run('sh', ['-c', `gunzip <'${blob(layer.digest)}' | '${gzip}' >'${temporary}'`])
    const bytes = readFileSync(temporary)
    layer.digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    layer.size = bytes.length
    renameSync(temporary, blob(layer.digest))
    rmSync(blob(before))
    mkdirSync(join(layout, 'again'), { recursive: true })
    writeFileSync(join(layout, 'again', before), JSON.stringify({ digest: layer.digest, size: layer.size }))
  }
  const text = Buffer.from(JSON.stringify(manifest))
  entry.digest = `sha256:${createHash('sha256').update(text).digest('hex')}`
  entry.size = text.length
  writeFileSync(blob(entry.digest), text)
  writeFileSync(join(layout, 'index.json'), JSON.stringify(index))
}

function run(command: string, args: readonly string[], cwd?: string): void {
  const done = spawnSync(command, args, { cwd, stdio: ['ignore', 'ignore', 'pipe'], maxBuffer: 1 << 28 })
  if (done.error !== undefined) throw done.error
  if (done.status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${done.status}: ${String(done.stderr).slice(-2000)}`)
}

// What is published in the comparison: packages as they are made by npm's client, with manifests of a usual size.
import { createHash, randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { tarMember } from '../../tests/support/tar.ts'

export interface PublishBody {
  readonly name: string
  readonly version: string
  readonly body: Buffer
}

const dependencies = Object.fromEntries(Array.from({ length: 24 }, (_, n) => [`some-dependency-${n}`, `^${n}.${n * 3}.1`]))
const devDependencies = Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`@tools/development-${n}`, `~${n}.1.0`]))

/** About 3 KiB, as those of real packages. */
function manifestOf(name: string, version: string): Record<string, unknown> {
  return {
    name,
    version,
    dependencies,
    devDependencies,
    main: 'index.js',
    license: 'MIT',
    description: 'A package that is published to be measured, with a description as long as they are',
    keywords: ['measured', 'package', 'npm', 'registry'],
    repository: { type: 'git', url: 'git+https://example.org/measured/package.git' },
    bugs: { url: 'https://example.org/measured/package/issues' },
    homepage: 'https://example.org/measured/package#readme',
    author: { name: 'Somebody', email: 'somebody@example.org' },
    engines: { node: '>=18' },
    scripts: { test: 'node --test', build: 'tsc -p . && node build/finish.js', lint: 'eslint .', prepare: 'npm run build' },
    files: ['dist', 'index.js', 'index.d.ts'],
  }
}

/** The body of a publish as npm sends it. @param bytes of the file inside, which no packing makes smaller */
export function publishBody(name: string, version: string, bytes: number): PublishBody {
  const manifest = manifestOf(name, version)
  const tar = Buffer.concat([
    tarMember({ name: 'package/package.json', body: Buffer.from(JSON.stringify(manifest, null, 2)) }),
    tarMember({ name: 'package/index.js', body: randomBytes(bytes) }),
    Buffer.alloc(1024),
  ])
  const tarball = gzipSync(tar, { level: 1 })
  const file = `${name}-${version}.tgz`
  const dist = {
    integrity: `sha512-${createHash('sha512').update(tarball).digest('base64')}`,
    shasum: createHash('sha1').update(tarball).digest('hex'),
    tarball: `http://127.0.0.1/${name}/-/${file}`,
  }
  const document = {
    _id: name,
    name,
    description: manifest.description,
    'dist-tags': { latest: version },
    versions: {
      [version]: { ...manifest, readme: '# measured', _id: `${name}@${version}`, _nodeVersion: '24.0.0', _npmVersion: '11.0.0', dist },
    },
    access: null,
    _attachments: {
      [file]: { content_type: 'application/octet-stream', data: tarball.toString('base64'), length: tarball.length },
    },
  }
  return { name, version, body: Buffer.from(JSON.stringify(document)) }
}

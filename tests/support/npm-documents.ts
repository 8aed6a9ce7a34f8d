// What npm sends to publish: the document with its tarball, as libnpmpublish makes it.
import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { tarMember, tarOf } from './tar.ts'

export interface Published {
  readonly name: string
  readonly version: string
  readonly tag?: string
  /** Into package.json and the manifest. */
  readonly more?: Readonly<Record<string, unknown>>
  readonly files?: Readonly<Record<string, string | Uint8Array>>
  /** Instead of one made of the files. */
  readonly tarball?: Uint8Array
  /** Over what is said of the tarball. */
  readonly dist?: Readonly<Record<string, unknown>>
  readonly length?: unknown
  readonly bundle?: string
  readonly readme?: string
}

export interface NpmDocument {
  readonly document: Record<string, unknown>
  readonly tarball: Buffer
  /** As it is sent. */
  readonly body: string
}

export function packageTarball(manifest: Readonly<Record<string, unknown>>, files: Published['files'] = {}): Buffer {
  const all = { 'package.json': JSON.stringify(manifest, null, 2), ...files }
  return gzipSync(tarOf(...Object.entries(all).map(([name, body]) => tarMember({ name: `package/${name}`, body: Buffer.from(body) }))))
}

export function npmDocument(published: Published): NpmDocument {
  const { name, version, tag = 'latest', more = {}, files, bundle, readme } = published
  const inside = { name, version, description: 'a package of a test', license: 'MIT', ...more }
  const tarball = Buffer.from(published.tarball ?? packageTarball(inside, files))
  const dist = {
    integrity: `sha512-${createHash('sha512').update(tarball).digest('base64')}`,
    shasum: createHash('sha1').update(tarball).digest('hex'),
    tarball: `http://registry.example/${name}/-/${name}-${version}.tgz`,
    ...published.dist,
  }
  const manifest = {
    ...inside,
    ...(readme === undefined ? {} : { readme, readmeFilename: 'README.md' }),
    _id: `${name}@${version}`,
    _nodeVersion: '24.0.0',
    dist,
  }
  const document = {
    _id: name,
    name,
    description: inside.description,
    'dist-tags': { [tag]: version },
    versions: { [version]: manifest },
    access: 'public',
    _attachments: {
      [`${name}-${version}.tgz`]: {
        content_type: 'application/octet-stream',
        data: tarball.toString('base64'),
        length: published.length ?? tarball.length,
      },
      ...(bundle === undefined
        ? {}
        : {
            [`${name}-${version}.sigstore`]: {
              content_type: 'application/vnd.dev.sigstore.bundle+json;version=0.1',
              data: bundle,
              length: bundle.length,
            },
          }),
    },
  }
  return { document, tarball, body: JSON.stringify(document) }
}

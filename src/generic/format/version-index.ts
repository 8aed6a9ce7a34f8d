// A version as a document: what it is, and its files.

export interface IndexFacts {
  readonly version: string
  readonly publishedAt: Date
  /** `content`: SHA-256 */
  readonly files: readonly { readonly name: string; readonly sizeBytes: number; readonly content: string; readonly createdAt: Date }[]
}

/** @param url of the version */
export function renderIndex(name: string, { version, publishedAt, files }: IndexFacts, url: string) {
  const entries = files.map(({ name: file, sizeBytes: size, content: sha256, createdAt }) => {
    return { name: file, size, sha256, created_at: createdAt.toISOString(), url: `${url}/${file}` }
  })
  return { name, version, published_at: publishedAt.toISOString(), files: entries }
}

// Answers that depend on nothing but a repository's refs and what was asked for: advertisements and ls-refs, kept as the bytes that go out.
// For 10,000 refs putting them together takes longer than everything else about the request. Bounded; the least recently used go first.
// Invariant: an answer is found only under the version of the refs that it was made from. Whether the caller may see it was decided before.

/** What a kept answer costs beside its bytes and its kind. */
const overheadBytes = 200
/** An answer may take such a part of the whole: one large repository doesn't push out all others. */
const largestPart = 4

interface RepositoryAnswers {
  readonly version: number
  readonly byKind: Map<string, Uint8Array>
}

export class RefAnswers {
  readonly #limitBytes: number
  // both in the order of use
  readonly #repositories = new Map<number, RepositoryAnswers>()
  #heldBytes = 0

  constructor(limitBytes = 32 << 20) {
    this.#limitBytes = limitBytes
  }

  /** Bytes that are kept, with what keeping them costs. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /**
   * The answer as it was made before, or what `make` makes: not to be changed.
   * @param version of the snapshot that `make` reads
   * @param kind tells apart everything else that the answer depends on: service, protocol version, prefixes, the settings that bear on it, …
   */
  get(repositoryId: number, version: number, kind: string, make: () => Uint8Array): Uint8Array {
    const present = this.#repositories.get(repositoryId)
    if (present && present.version > version) return make() // somebody read the refs before the last push
    if (present && present.version < version) this.#drop(repositoryId, present)
    const answers = present?.version === version ? present : { version, byKind: new Map<string, Uint8Array>() }
    const known = answers.byKind.get(kind)
    const bytes = known ?? make()
    const costBytes = cost(kind, bytes)
    if (!known && costBytes > this.#limitBytes / largestPart) return bytes
    this.#repositories.delete(repositoryId)
    this.#repositories.set(repositoryId, answers)
    answers.byKind.delete(kind)
    answers.byKind.set(kind, bytes)
    if (!known) this.#heldBytes += costBytes
    this.#shrink()
    return bytes
  }

  #shrink(): void {
    while (this.#heldBytes > this.#limitBytes) {
      const [repositoryId, answers] = this.#repositories.entries().next().value as [number, RepositoryAnswers]
      const [kind, bytes] = answers.byKind.entries().next().value as [string, Uint8Array]
      answers.byKind.delete(kind)
      this.#heldBytes -= cost(kind, bytes)
      if (answers.byKind.size === 0) this.#repositories.delete(repositoryId)
    }
  }

  #drop(repositoryId: number, answers: RepositoryAnswers): void {
    for (const [kind, bytes] of answers.byKind) this.#heldBytes -= cost(kind, bytes)
    this.#repositories.delete(repositoryId)
  }
}

function cost(kind: string, bytes: Uint8Array): number {
  return bytes.length + kind.length * 2 + overheadBytes
}

// Seeded mutations of real inputs: whatever comes in, a decoder answers or throws InputError, in bounded time.
// FUZZ_ROUNDS sets the mutations for each decoder (2,000), FUZZ_SEED the seed (1), FUZZ_REPOSITORY a repository to take inputs from
// (one of our own making by default).
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { inflateSync } from 'node:zlib'
import { Git, runProcess, TempFolder } from '../../../tests/support/git.ts'
import { SeededRandom } from '../../../tests/support/random.ts'
import { concatBytes, hex, InputError } from '../../base/index.ts'
import {
  applyDelta,
  decodeCommit,
  decodeEntryHeader,
  decodeHeaderBlock,
  decodeIdx,
  decodeObjectHeader,
  decodePackHeader,
  decodePkt,
  decodeReportStatus,
  decodeTag,
  decodeTree,
  encodeDelta,
  encodeHeaderBlock,
  encodeIdx,
  encodeObjectHeader,
  encodePkt,
  encodeReportStatus,
  encodeTree,
  EntryType,
  flushPkt,
  fsckObject,
  hashObject,
  type IdxParts,
  Kind,
  newPushParser,
  parseCommitLinks,
  parseTagTarget,
  PktLineReader,
  readPushRequest,
} from './index.ts'

/** Processor time of this process: limits hold on a busy machine too. */
const cpuMs = () => process.cpuUsage().user / 1000

const rounds = Number(process.env.FUZZ_ROUNDS ?? 2000)
const seed = Number(process.env.FUZZ_SEED ?? 1)
const temp = new TempFolder('stemma-fuzz')

interface Corpus {
  readonly pack: Uint8Array
  readonly idx: Uint8Array
  readonly parts: IdxParts
  readonly objects: readonly { readonly kind: Kind; readonly bytes: Uint8Array }[]
  readonly deltas: readonly { readonly base: Uint8Array; readonly delta: Uint8Array }[]
  readonly advertisement: Uint8Array
}

let corpus: Corpus
before(async () => {
  corpus = await readCorpus()
})
after(() => temp.remove())

async function readCorpus(): Promise<Corpus> {
  const git = new Git(temp)
  const repository = process.env.FUZZ_REPOSITORY ?? (await makeRepository(git))
  const out = temp.join('pack')
  await runProcess(
    'sh',
    [
      '-c',
      `{ git rev-list --objects -400 HEAD; git for-each-ref --count=20 --format='%(objectname)' refs/tags; } | git pack-objects -q --delta-base-offset ${out}`,
    ],
    {
      cwd: repository,
      timeoutMs: 120_000,
    },
  )
  const name = readdirSync(temp.path).find((file) => file.endsWith('.idx')) as string
  const idx = new Uint8Array(readFileSync(temp.join(name)))
  const pack = new Uint8Array(readFileSync(temp.join(name.replace('.idx', '.pack'))))
  const advertised = await runProcess('git', ['upload-pack', '--http-backend-info-refs', '.'], { cwd: repository })
  const parts = decodeIdx(idx, 'sha1')
  return { pack, idx, parts, ...readPack(pack, parts), advertisement: Buffer.from(advertised.stdout, 'latin1') }
}

async function makeRepository(git: Git): Promise<string> {
  const path = await git.makeRepository(temp.join('repository'), 120)
  for (let n = 0; n < 5; n++) await git.run(['tag', '-a', '-m', `release ${n}`, `v${n}`, `HEAD~${n}`], { cwd: path })
  await git.commit(
    path,
    { '.gitmodules': '[submodule "x"]\n\tpath = x\n\turl = ./x\n', '.gitattributes': '*.txt text\n' },
    'müde Änderung\n\nmehr',
  )
  return path
}

/** Inflates and resolves every entry: our decoders on a pack that git made. */
function readPack(pack: Uint8Array, { offsets }: IdxParts): Pick<Corpus, 'objects' | 'deltas'> {
  const byOffset = new Map<number, { kind: Kind; bytes: Uint8Array }>()
  const deltas: { base: Uint8Array; delta: Uint8Array }[] = []
  for (const offset of [...offsets].sort((a, b) => a - b)) {
    const header = decodeEntryHeader(pack, offset, 'sha1')
    assert.ok(header !== null && header.type !== EntryType.refDelta)
    const payload = new Uint8Array(inflateSync(pack.subarray(offset + header.headerBytes)))
    assert.equal(payload.length, header.sizeBytes)
    if (header.type === EntryType.ofsDelta) {
      const base = byOffset.get(offset - header.baseDistance)
      assert.ok(base !== undefined)
      deltas.push({ base: base.bytes, delta: payload })
      byOffset.set(offset, { kind: base.kind, bytes: applyDelta(base.bytes, payload) })
    } else {
      byOffset.set(offset, { kind: header.type as Kind, bytes: payload })
    }
  }
  return { objects: [...offsets].map((offset) => byOffset.get(offset) as { kind: Kind; bytes: Uint8Array }), deltas }
}

/** One to four changes of a kind that breaks parsers: flips, edge values, cuts, repeats, insertions, pieces of another input. */
function mutate(random: SeededRandom, original: Uint8Array, other: Uint8Array): Uint8Array {
  let bytes = Buffer.from(original)
  for (let changes = 1 + random.below(4); changes > 0; changes--) {
    const at = random.below(bytes.length + 1)
    const size = 1 + random.below(random.below(4) === 0 ? 200 : 8)
    const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)]
    const cut = random.below(other.length + 1)
    switch (random.below(8)) {
      case 0:
        bytes = Buffer.concat([head, tail.subarray(size)])
        break
      case 1:
        bytes = Buffer.concat([head, tail.subarray(0, size), tail])
        break
      case 2:
        bytes = Buffer.from(head)
        break
      case 3:
        bytes = Buffer.concat([head, other.subarray(cut, cut + size), tail])
        break
      case 4:
        bytes = Buffer.concat([head, other.subarray(cut, cut + size), tail.subarray(size)])
        break
      case 5:
        bytes = Buffer.concat([head, Buffer.alloc(size, [0, 0xff, 0x80, 0x20, 0x0a, 0x30][random.below(6)]), tail.subarray(size)])
        break
      default:
        if (at < bytes.length) bytes[at] = random.below(2) ? random.below(256) : (bytes[at] as number) ^ (1 << random.below(8))
    }
  }
  return new Uint8Array(bytes)
}

/** Runs a decoder on mutations of the inputs. Small inputs are more telling, so large ones are cut. */
function fuzz(name: string, inputs: () => readonly Uint8Array[], decode: (bytes: Uint8Array, random: SeededRandom) => unknown): void {
  test(name, async () => {
    const all = inputs().filter((input) => input.length > 0)
    assert.ok(all.length > 0)
    const random = new SeededRandom(seed)
    let slowestMs = 0
    let refused = 0
    for (let round = 0; round < rounds; round++) {
      const input = all[random.below(all.length)] as Uint8Array
      const bytes = mutate(random, input.subarray(0, 20_000), (all[random.below(all.length)] as Uint8Array).subarray(0, 20_000))
      const startedAt = cpuMs()
      try {
        await decode(bytes, random)
      } catch (error) {
        refused++
        assert.ok(
          error instanceof InputError,
          `seed ${seed}, round ${round}, input ${hex(bytes.subarray(0, 200))}: ${error instanceof Error ? error.stack : String(error)}`,
        )
      }
      slowestMs = Math.max(slowestMs, cpuMs() - startedAt)
    }
    assert.ok(slowestMs < 1000, `one input took ${slowestMs} ms of processor time`)
    assert.ok(rounds < 500 || refused > 0, 'no mutation was ever refused')
  })
}

const aTag = Buffer.from(
  `object ${'ab'.repeat(20)}\ntype commit\ntag v1\ntagger T <t@x> 1700000000 +0100\n\nmessage\n-----BEGIN PGP SIGNATURE-----\n`,
)
/** All objects of these kinds; not every repository has annotated tags. */
const bytesOf = (...kinds: readonly Kind[]): Uint8Array[] => {
  const found = corpus.objects.filter(({ kind }) => kinds.includes(kind)).map(({ bytes }) => bytes)
  return kinds.includes(Kind.tag) ? [aTag, ...found] : found
}
const pushes = () => {
  const ids = corpus.objects.slice(0, 40).map(({ kind, bytes }) => hex(hashObject(kind, bytes, 'sha1')))
  const lines = ids
    .slice(1)
    .map((id, i) => encodePkt(`${ids[i]} ${id} refs/heads/b${i}${i === 0 ? '\0report-status side-band-64k object-format=sha1' : ''}\n`))
  return [
    concatBytes([...lines, flushPkt]),
    concatBytes([encodePkt(`shallow ${ids[0]}`), ...lines.slice(0, 1), flushPkt, corpus.pack.subarray(0, 50)]),
  ]
}

describe('real inputs', () => {
  test('every object of the pack has the name that git gave it, and is written as it was read', () => {
    const { parts, objects } = corpus
    for (const [i, { kind, bytes }] of objects.entries()) {
      assert.equal(hex(hashObject(kind, bytes, 'sha1')), hex(parts.oids.subarray(i * 20, i * 20 + 20)))
      if (kind === Kind.tree) assert.equal(Buffer.compare(encodeTree(decodeTree(bytes, 'sha1')), bytes), 0)
      if (kind === Kind.commit || kind === Kind.tag) assert.equal(Buffer.compare(encodeHeaderBlock(decodeHeaderBlock(bytes)), bytes), 0)
      if (kind === Kind.commit) assert.equal(parseCommitLinks(bytes, 'sha1').committerTime, decodeCommit(bytes, 'sha1').committer?.seconds)
      if (kind === Kind.tag) assert.equal(parseTagTarget(bytes, 'sha1').object, decodeTag(bytes, 'sha1').object)
      assert.deepEqual(
        fsckObject(kind, bytes, 'sha1').filter(({ severity }) => severity === 'error'),
        [],
      )
    }
    assert.equal(hex(encodeIdx(parts)), hex(corpus.idx))
    assert.equal(decodePackHeader(corpus.pack)?.objectCount, objects.length)
  })
  test('our deltas are as small as git’s, within a fifth', () => {
    let [theirs, ours] = [0, 0]
    for (const { base, delta } of corpus.deltas.slice(0, 2000)) {
      const target = applyDelta(base, delta)
      const made = encodeDelta(base, target)
      assert.equal(Buffer.compare(applyDelta(base, made), target), 0)
      theirs += delta.length
      ours += made.length
    }
    assert.ok(ours < theirs * 1.2, `${ours} bytes, git ${theirs}`)
  })
})

describe('mutated inputs', () => {
  fuzz(
    'pkt-line',
    () => [corpus.advertisement, ...pushes()],
    (bytes) => {
      for (let at = 0; ; ) {
        const decoded = decodePkt(bytes, at)
        if (decoded === null) return
        at = decoded.end
      }
    },
  )
  fuzz('push request over a stream', pushes, async (bytes, random) => {
    const size = 1 + random.below(300)
    const chunks = async function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
    }
    const reader = new PktLineReader(chunks())
    await readPushRequest(reader, newPushParser('sha1'))
    for await (const part of reader.rest()) assert.ok(part.length > 0)
  })
  fuzz(
    'push command',
    () =>
      corpus.objects
        .slice(0, 9)
        .map(({ bytes, kind }) => Buffer.from(`${hex(hashObject(kind, bytes, 'sha1'))} ${'0'.repeat(40)} refs/heads/x\0 atomic`)),
    (bytes) => {
      const parser = newPushParser('sha1')
      parser.line(bytes)
      parser.finish()
    },
  )
  fuzz(
    'report-status',
    () => [
      encodeReportStatus(
        {
          unpackError: null,
          results: [
            { ref: 'refs/heads/a', error: null, isForced: true },
            { ref: 'refs/heads/b', error: 'no' },
          ],
        },
        2,
      ),
    ],
    decodeReportStatus,
  )
  fuzz(
    'pack header',
    () => [corpus.pack.subarray(0, 14)],
    (bytes) => decodePackHeader(bytes),
  )
  fuzz(
    'pack entry header',
    () => [...corpus.parts.offsets].map((offset) => corpus.pack.subarray(offset, offset + 24)),
    (bytes) => {
      const header = decodeEntryHeader(bytes, 0, 'sha1')
      if (header !== null)
        assert.ok(header.headerBytes <= bytes.length && Number.isSafeInteger(header.sizeBytes) && Number.isSafeInteger(header.baseDistance))
    },
  )
  fuzz(
    'delta',
    () => corpus.deltas.map(({ delta }) => delta),
    (bytes, random) => {
      const { base } = corpus.deltas[random.below(corpus.deltas.length)] as { base: Uint8Array }
      applyDelta(base, bytes, { targetBytes: 50_000_000 })
    },
  )
  fuzz(
    'delta on its own base',
    () => [(corpus.deltas[0] as { delta: Uint8Array }).delta],
    (bytes) => applyDelta((corpus.deltas[0] as { base: Uint8Array }).base, bytes),
  )
  fuzz(
    'idx',
    () => [
      corpus.idx,
      encodeIdx({
        ...corpus.parts,
        oids: corpus.parts.oids.slice(0, 60),
        crcs: corpus.parts.crcs.slice(0, 3),
        offsets: corpus.parts.offsets.slice(0, 3),
      }),
    ],
    (bytes, random) => {
      const sealed = Buffer.from(bytes)
      // Half of them with a checksum that fits: the checks behind it count too.
      if (random.below(2) === 0 && sealed.length > 20) hashInto(sealed)
      decodeIdx(sealed, 'sha1')
    },
  )
  fuzz(
    'loose object header',
    () => bytesOf(Kind.commit, Kind.blob).map((bytes) => encodeObjectHeader(Kind.blob, bytes.length)),
    decodeObjectHeader,
  )
  fuzz(
    'tree',
    () => bytesOf(Kind.tree),
    (bytes) => decodeTree(bytes, 'sha1'),
  )
  fuzz(
    'commit',
    () => bytesOf(Kind.commit),
    (bytes) => {
      parseCommitLinks(bytes, 'sha1')
      decodeCommit(bytes, 'sha1')
    },
  )
  fuzz(
    'tag',
    () => bytesOf(Kind.tag),
    (bytes) => {
      parseTagTarget(bytes, 'sha1')
      decodeTag(bytes, 'sha1')
    },
  )
})

describe('fsck never throws', () => {
  const special = '[submodule "a b"]\n\tpath = "x\\ty" ; c\n\turl = https://u:p@h:80/a/../%41?q#f\n\tupdate = checkout\n[x]\n'
  for (const kind of [Kind.commit, Kind.tree, Kind.tag, Kind.blob] as const) {
    test(`of kind ${kind}`, () => {
      const random = new SeededRandom(seed)
      const all = kind === Kind.blob ? [Buffer.from(special)] : bytesOf(kind)
      for (let round = 0; round < rounds; round++) {
        const bytes = mutate(
          random,
          (all[random.below(all.length)] as Uint8Array).subarray(0, 20_000),
          all[random.below(all.length)] as Uint8Array,
        )
        const severities =
          round % 2 === 0 ? {} : ({ badTreeSha1: 'warning', badTimezone: 'warning', badDate: 'ignore', badType: 'warning' } as const)
        fsckObject(kind, bytes, random.below(9) === 0 ? 'sha256' : 'sha1', { roles: ['gitmodules', 'gitattributes'], severities })
      }
    })
  }
})

function hashInto(bytes: Buffer): void {
  const end = bytes.length - 20
  bytes.set(createHash('sha1').update(bytes.subarray(0, end)).digest(), end)
}

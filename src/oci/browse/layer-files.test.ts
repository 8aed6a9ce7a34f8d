// Layers' files out of the content store: packed or opened, the same is told; each is read once, and what takes long is said to.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { contentHost, put } from '../../../tests/support/content.ts'
import { type LayerTarEntry, layerTar } from '../../../tests/support/layer-tar.ts'
import { noise } from '../../../tests/support/seeded.ts'
import { until } from '../../../tests/support/until.ts'
import { CorruptError, InputError, makeLog, UnavailableError } from '../../base/index.ts'
import type { Digest } from '../../store/index.ts'
import { type Layer, LayerFiles, type LayerFilesOptions, type LayerStore } from './layer-files.ts'

const host = await contentHost()
const made: LayerFiles[] = []
after(async () => {
  for (const files of made) await files.close()
  await host.close()
})

/** With the store as it is, but for what is said otherwise, and what was asked of it. */
function layerFiles(options: Partial<LayerFilesOptions> = {}, store: Partial<LayerStore> = {}) {
  const asked: string[] = []
  const { store: real } = host
  const counted: LayerStore = {
    get: (...get) => (asked.push('get'), (store.get ?? real.get.bind(real))(...get)),
    openLayerList: (...list) => (asked.push('list'), real.openLayerList(...list)),
    openLayerFile: (...file) => (asked.push('file'), real.openLayerFile(...file)),
  }
  const files = new LayerFiles({ store: counted, log: makeLog('silent'), waitMs: 60_000, ...options })
  made.push(files)
  return { files, asked }
}

async function layer(entries: readonly LayerTarEntry[]): Promise<Layer> {
  const bytes = gzipSync(layerTar(entries))
  const { digest } = await put(host.store, bytes)
  return { content: digest, sizeBytes: bytes.length }
}

async function bytesOf(files: LayerFiles, of: Layer, path: string): Promise<string> {
  const [list] = await files.lists([of], 'somebody')
  const place = await files.ask('layerFile', { list: list as SharedArrayBuffer, path })
  const pieces: Uint8Array[] = []
  for await (const piece of files.read(of, place, 'somebody')) pieces.push(piece)
  return Buffer.concat(pieces).toString('latin1')
}

const large = Array.from({ length: 30_000 }, (_, n) => `line ${n}: ${(n * 7919) % 104_729}, and ${(n * 31) % 977}`).join('\n')
const entries = [
  { name: 'srv/' },
  { name: 'srv/empty', content: '' },
  { name: 'srv/large', content: Buffer.from(large, 'latin1') },
  // the store has it once, gzip twice: so opening pays
  { name: 'srv/same', content: Buffer.from(large, 'latin1') },
  { name: 'srv/again', type: '1', link: 'srv/large' },
  { name: 'srv/.wh.gone' },
  { name: 'srv/last', content: 'behind it' },
] as const

test('of a layer that the store has opened the same is told as of the packed one, without unpacking it', async () => {
  const of = await layer(entries)
  const packed = layerFiles()
  const [before] = await packed.files.lists([of], 'somebody')
  assert.equal(await bytesOf(packed.files, of, 'srv/again'), large)
  await host.store.openSoon(of.content)
  await host.store.openDue()
  const opened = layerFiles()
  const [now] = await opened.files.lists([of], 'somebody')
  assert.deepEqual(Buffer.from(now as SharedArrayBuffer), Buffer.from(before as SharedArrayBuffer))
  for (const [path, content] of [
    ['srv/large', large],
    ['srv/again', large],
    ['srv/same', large],
    ['srv/empty', ''],
    ['srv/last', 'behind it'],
  ] as const) {
    assert.ok((await bytesOf(opened.files, of, path)) === content, path)
  }
  assert.ok(packed.asked.includes('get'))
  assert.ok(!opened.asked.includes('get'), opened.asked.join(' '))
})

describe('lists', () => {
  test('each layer is read once, however many ask, and again when it had to make room', async () => {
    const [one, other] = [await layer([{ name: 'one', content: '1' }]), await layer([{ name: 'other', content: '2' }])]
    const { files, asked } = layerFiles({ cacheBytes: 300 })
    await Promise.all([files.lists([one], 'somebody'), files.lists([one], 'somebody'), files.lists([one, one], 'somebody')])
    assert.equal(asked.filter((word) => word === 'get').length, 1)
    await files.lists([other], 'somebody')
    await files.lists([one], 'somebody')
    assert.equal(asked.filter((word) => word === 'get').length, 3)
    await assert.rejects(files.lists([one, other], 'somebody'), (error) => error instanceof InputError && error.code === 'too-many-files')
  })

  test('what takes long is said to be under way, and is there later', async () => {
    const of = await layer([{ name: 'slow', content: 'x' }])
    const gate = Promise.withResolvers<void>()
    const get: LayerStore['get'] = async (...asked) => {
      await gate.promise
      return host.store.get(...asked)
    }
    const { files } = layerFiles({ waitMs: 1 }, { get })
    const unread = (error: unknown) => error instanceof UnavailableError && error.code === 'layers-unread'
    await assert.rejects(files.lists([of], 'somebody'), unread)
    gate.resolve()
    await until('the list is there', async () =>
      files.lists([of], 'somebody').then(
        () => true,
        (error: unknown) => {
          assert.ok(unread(error), String(error))
          return false
        },
      ),
    )
  })

  test('one caller’s layers keep no other’s waiting, not even for one that both ask for', async () => {
    const slow = await Promise.all([1, 2, 3].map(async (n) => layer([{ name: `slow${n}`, content: 'x' }])))
    const both = await layer([{ name: 'both', content: 'x' }])
    const gate = Promise.withResolvers<void>()
    const get: LayerStore['get'] = async (...asked) => {
      if (slow.some(({ content }) => content === asked[0])) await gate.promise
      return host.store.get(...asked)
    }
    const { files, asked } = layerFiles({}, { get })
    const his = files.lists([...slow, both], 'greedy')
    const [list] = await files.lists([both], 'patient')
    gate.resolve()
    assert.equal((await his)[3], list, 'it was read once')
    assert.equal(asked.filter((word) => word === 'get').length, 4)
  })

  test('a layer whose list needs too much memory is remembered as one of too many files; nobody else notices', async () => {
    const many = await layer(Array.from({ length: 60_000 }, (_, n) => ({ name: `${'d'.repeat(80)}/${n}` })))
    const few = await layer([{ name: 'few', content: 'x' }])
    const { files, asked } = layerFiles({ heapMiB: 16 })
    for (let time = 0; time < 2; time++) {
      await assert.rejects(files.lists([many], 'somebody'), (error) => error instanceof InputError && error.code === 'too-many-files')
    }
    assert.equal(asked.filter((word) => word === 'get').length, 1)
    assert.equal(await bytesOf(files, few, 'few'), 'x')
  })

  test('that something is no layer is remembered; that it couldn’t be read is not', async () => {
    const bytes = Buffer.from(noise(7, 5000))
    const { digest } = await put(host.store, bytes)
    let isDown = true
    const get: LayerStore['get'] = async (...asked) => {
      if (isDown) throw new UnavailableError('bucket', 'down')
      return host.store.get(...asked)
    }
    const { files, asked } = layerFiles({}, { get })
    const of = { content: digest, sizeBytes: bytes.length }
    await assert.rejects(files.lists([of], 'somebody'), UnavailableError)
    isDown = false
    for (let time = 0; time < 3; time++) {
      await assert.rejects(files.lists([of], 'somebody'), (error) => error instanceof InputError && error.code === 'not-a-layer')
    }
    assert.equal(asked.filter((word) => word === 'get').length, 2)
    await assert.rejects(files.lists([{ content: '0'.repeat(64) as Digest, sizeBytes: 1 }], 'somebody'), UnavailableError)
  })
})

test('bytes that aren’t those that were listed never leave whole', async () => {
  const [of, other] = [await layer([{ name: 'a', content: 'as listed' }]), await layer([{ name: 'a', content: 'otherwise' }])]
  const { files } = layerFiles()
  const [list] = await files.lists([of], 'somebody')
  const place = await files.ask('layerFile', { list: list as SharedArrayBuffer, path: 'a' })
  const reading = async () => {
    let given = 0
    for await (const piece of files.read(other, place, 'somebody')) given += piece.length
    return given
  }
  await assert.rejects(reading(), (error) => error instanceof CorruptError && error.code === 'layer-file')
})

// Layers one above the other, held to a plain model that unpacks them in order, and to cases from the image specification.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { Seeded } from '../../../tests/support/seeded.ts'
import { InputError } from '../../base/index.ts'
import { diffImages } from './image-diff.ts'
import { ImageTree, type TreeNode } from './image-tree.ts'
import type { LayerList } from './layer-list.ts'
import { type LayerEntry, LayerListBuilder } from './layer-list-builder.ts'

/** `dir/`, `link -> to`, `hard => to`, or `file content`; an entry a line. */
export function layer(...lines: readonly string[]): LayerList {
  const builder = new LayerListBuilder()
  let at = 0
  for (const line of lines) {
    const [name = '', arrow, ...rest] = line.split(' ')
    const content = Buffer.from(rest.length === 0 ? (arrow ?? '') : rest.join(' '))
    const base = { name: Buffer.from(name).toString('latin1'), mode: 0o644, sizeBytes: 0, link: null, body: null }
    if (name.endsWith('/')) builder.add({ ...base, type: 'directory', mode: 0o755 })
    else if (arrow === '->' || arrow === '=>') builder.add({ ...base, type: arrow === '->' ? 'symlink' : 'hardlink', link: rest.join(' ') })
    else {
      builder.add({ ...base, type: 'file', sizeBytes: content.length, body: bodyOf(content, at) })
      at += content.length
    }
  }
  return builder.finish()
}

function bodyOf(content: Uint8Array, at: number): LayerEntry['body'] {
  const gitBlob = createHash('sha1').update(`blob ${content.length}\0`).update(content).digest()
  return { at, sha256: createHash('sha256').update(content).digest(), gitBlob }
}

function paths(tree: ImageTree, node: TreeNode = tree.root, before = ''): string[] {
  return [...tree.children(node)].flatMap((child) => {
    const path = before + Buffer.from(tree.name(child)).toString()
    return tree.isDirectory(child) ? [`${path}/`, ...paths(tree, child, `${path}/`)] : [path]
  })
}

describe('layers one above the other', () => {
  const cases: readonly [string, readonly LayerList[], readonly string[]][] = [
    ['a layer alone', [layer('a/', 'a/b x', 'c y')], ['a/', 'a/b', 'c']],
    ['folders that no entry names are there', [layer('a/b/c x')], ['a/', 'a/b/', 'a/b/c']],
    ['a whiteout hides a file', [layer('a x', 'b y'), layer('.wh.a')], ['b']],
    ['a whiteout hides a folder and all in it', [layer('d/', 'd/e/f x'), layer('.wh.d')], []],
    ['a whiteout hides nothing of its own layer, wherever it stands', [layer('d/old x'), layer('d/new y', '.wh.d')], ['d/', 'd/new']],
    ['an opaque folder shows what is its own', [layer('d/old x', 'e y'), layer('d/', 'd/new y', 'd/.wh..wh..opq')], ['d/', 'd/new', 'e']],
    ['a file takes the place of a folder', [layer('d/e x'), layer('d y')], ['d']],
    [
      'a folder takes the place of a file, and nothing of before comes back',
      [layer('d/e x'), layer('d y'), layer('d/', 'd/n z')],
      ['d/', 'd/n'],
    ],
    ['a whiteout below a folder that the layer has not', [layer('d/e x', 'd/f y'), layer('d/.wh.e')], ['d/', 'd/f']],
    ['a whiteout of what is not there makes nothing', [layer('a x'), layer('q/.wh.r')], ['a']],
    ['AUFS’ own files are none of the image’s', [layer('.wh..wh.plnk/x 1', '.wh..wh.aufs 2', 'a x')], ['a']],
    ['whiteouts of dot names hide nothing', [layer('d/a x'), layer('d/.wh...', 'd/.wh..', 'd/.wh.')], ['d/', 'd/a']],
    [
      'names that climb stay below the root',
      [layer('../../etc/passwd x', '/abs y', './b/./c z')],
      ['abs', 'b/', 'b/c', 'etc/', 'etc/passwd'],
    ],
    ['names sort as their folders do', [layer('a/x 1', 'a.b 2', 'a-c/d 3')], ['a/', 'a/x', 'a-c/', 'a-c/d', 'a.b']],
  ]
  for (const [name, layers, wanted] of cases) {
    test(name, () => assert.deepEqual(paths(new ImageTree(layers)), [...wanted].sort(bySlash)))
  }

  test('of two entries of one name the later one counts', () => {
    const list = layer('a first', 'a second')
    assert.equal(list.record(list.find('a')).sizeBytes, 6)
  })
})

function bySlash(a: string, b: string): number {
  const key = (text: string) => Buffer.from(text.replace(/\/$/, '').replaceAll('/', '\0'))
  return Buffer.compare(key(a), key(b))
}

describe('links', () => {
  const tree = new ImageTree([
    layer(
      'usr/bin/sh one',
      'usr/bin/dash => usr/bin/sh',
      'bin -> usr/bin',
      'abs -> /usr',
      'up -> ../../../usr/bin/sh',
      'loop -> loop',
      'lost -> nowhere',
    ),
    layer('usr/bin/ash => usr/bin/sh'),
  ])
  const at = (path: string, follows = false) => tree.find(path, follows)?.path ?? null

  test('on the way symbolic links are followed, and none leads out of the image', () => {
    assert.deepEqual(
      [
        at('bin/sh'),
        at('abs/bin/sh'),
        at('up'),
        at('up', true),
        at('bin'),
        at('bin', true),
        at('a/../bin/sh'),
        at('bin/../../../usr/bin/sh'),
      ],
      ['usr/bin/sh', 'usr/bin/sh', 'up', 'usr/bin/sh', 'bin', 'usr/bin', null, 'usr/bin/sh'],
    )
  })

  test('links in a circle and links to nothing lead nowhere', () => {
    assert.deepEqual([at('loop'), at('loop', true), at('loop/x'), at('lost', true), at('usr/bin/sh/x')], ['loop', null, null, null, null])
  })

  test('hard links have the bytes of what they lead to, in a layer below, too', () => {
    for (const name of ['usr/bin/dash', 'usr/bin/ash']) {
      const found = tree.find(name)
      const body = found && tree.bodyOf(found.node)
      assert.ok(body)
      assert.equal(tree.recordOf(body).sha256, createHash('sha256').update('one').digest('hex'), name)
    }
  })
})

/** Layers unpacked into a map, one after the other, as the image specification says. */
function unpack(layers: readonly (readonly string[])[]): Map<string, string> {
  const files = new Map<string, string>()
  const remove = (path: string, isAlso = true) => {
    for (const known of files.keys()) if (known.startsWith(`${path}/`) || (isAlso && known === path)) files.delete(known)
  }
  for (const lines of layers) {
    const named = lines.map((line) => /^(.*?)([^/ ]+)(\/?)(?: (.*))?$/.exec(line) as unknown as [string, string, string, string, string?])
    for (const [, folder, name] of named) {
      if (name === '.wh..wh..opq') remove(folder.slice(0, -1), false)
      else if (name.startsWith('.wh.')) remove(folder + name.slice(4))
    }
    for (const [, folder, name, slash, content = ''] of named) {
      if (name.startsWith('.wh.')) continue
      const parts = folder.split('/').slice(0, -1)
      for (let count = 1; count <= parts.length; count++) {
        const above = parts.slice(0, count).join('/')
        if (files.get(above) !== 'folder') files.set(above, 'folder')
      }
      if (slash === '') remove(folder + name)
      files.set(folder + name, slash === '' ? content : 'folder')
    }
  }
  return files
}

function randomLayers(random: () => number): string[][] {
  const below = (most: number) => Math.floor(random() * most)
  const names = ['a', 'b', 'c', '-', '.x']
  return Array.from({ length: 1 + below(4) }, () => {
    const kinds = new Map<string, boolean>()
    return Array.from({ length: below(8) }, () => {
      const depth = below(3)
      const folder = Array.from({ length: depth }, () => `${names[below(names.length)]}/`).join('')
      const name = names[below(names.length)] ?? ''
      const kind = below(10)
      if (kind < 2) return `${folder}.wh.${name}`
      if (kind === 2 && depth > 0) return `${folder}.wh..wh..opq`
      return kind < 5 ? `${folder}${name}/` : `${folder}${name} ${below(3)}`
    }).filter((line) => {
      // within one layer a name is either a folder or not: what readers make of both differs
      const path = line.replace(/ .*$/, '').replace(/\/$/, '')
      if (path.includes('.wh.')) return !path.endsWith('.wh..wh..opq') || isFolder(kinds, path.replace(/\/[^/]*$/, ''))
      return isFolder(kinds, path.replace(/\/?[^/]*$/, '')) && isKind(kinds, path, line.endsWith('/'))
    })
  })
}

function isKind(kinds: Map<string, boolean>, path: string, isFolderNow: boolean): boolean {
  const known = kinds.get(path)
  if (known !== undefined) return known === isFolderNow
  kinds.set(path, isFolderNow)
  return true
}

function isFolder(kinds: Map<string, boolean>, path: string): boolean {
  if (path === '') return true
  const above = path.replace(/\/?[^/]*$/, '')
  return isFolder(kinds, above) && isKind(kinds, path, true)
}

describe('random layers', () => {
  const seed = Number(process.env.STEMMA_TEST_SEED ?? 20261127)

  test('show what unpacking them in order leaves, and differ as that differs', () => {
    const seeded = new Seeded(seed)
    const random = () => seeded.fraction()
    for (let round = 0; round < 2000; round++) {
      const [old, fresh] = [randomLayers(random), randomLayers(random)]
      // often a part in common
      const common = Math.floor(random() * (old.length + 1))
      const news = [...old.slice(0, common), ...fresh]
      const lists = old.map((lines) => layer(...lines))
      const newLists = [...lists.slice(0, common), ...fresh.map((lines) => layer(...lines))]
      const [before, after] = [new ImageTree(lists), new ImageTree(newLists)]
      const [oldFiles, newFiles] = [unpack(old), unpack(news)]
      const shown = paths(after).map((path) => path.replace(/\/$/, ''))
      assert.deepEqual(shown, [...newFiles.keys()].sort(bySlash), `seed ${seed}, round ${round}: ${JSON.stringify(news)}`)
      const diff = diffImages(before, after, { path: '', skip: 0, most: 1000 })
      const told = diff.changes.map(({ path, status }) => `${status} ${path}`)
      assert.deepEqual(told, modelDiff(oldFiles, newFiles), `seed ${seed}, round ${round}: ${JSON.stringify([old, news])}`)
      assert.equal(diff.added + diff.removed + diff.changed, told.length)
    }
  })
})

function modelDiff(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].sort(bySlash).flatMap((path) => {
    const [old, fresh] = [before.get(path), after.get(path)]
    if (old === fresh) return []
    return [`${old === undefined ? 'added' : fresh === undefined ? 'removed' : 'changed'} ${path}`]
  })
}

test('nothing but a directory is the root: a file, a link or a whiteout in its place is none', () => {
  const rooted = (type: 'file' | 'symlink' | 'directory', name: string) => {
    const builder = new LayerListBuilder()
    builder.add({ name: 'a', type: 'file', mode: 0, sizeBytes: 0, link: null, body: null })
    builder.add({ name, type, mode: 0o700, sizeBytes: 0, link: type === 'symlink' ? '/elsewhere' : null, body: null })
    return new ImageTree([builder.finish()])
  }
  for (const name of ['', '.', './', '/', 'a/..', '../..']) {
    for (const type of ['file', 'symlink', 'directory'] as const) {
      assert.equal(rooted(type, name).find('a')?.path, 'a', `${type} ${JSON.stringify(name)}`)
    }
  }
})

describe('limits', () => {
  test('more files than are listed, and longer paths, are refused', () => {
    const builder = new LayerListBuilder({ records: 10, bytes: 1 << 20 })
    const add = (name: string) => builder.add({ name, type: 'file', mode: 0, sizeBytes: 0, link: null, body: null })
    const refused = (code: string) => (error: unknown) => error instanceof InputError && error.code === code
    assert.throws(() => add('a/'.repeat(11)), refused('too-many-files'))
    assert.throws(
      () => new LayerListBuilder().add({ name: 'x'.repeat(4097), type: 'file', mode: 0, sizeBytes: 0, link: null, body: null }),
      refused('long-path'),
    )
    assert.throws(() => add('a\0b'), refused('bad-path'))
  })
})

// Tarballs: what a package may hold, what is told of it, and each thing that is refused by name.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { concatBytes, fromUtf8, InputError, utf8 } from '../../base/index.ts'
import { longMember, paxMember, sampleText, tarMember, tarOf } from '../../../tests/support/tar.ts'
import { noise } from '../../../tests/support/seeded.ts'
import { TarballCheck, type TarballLimits } from './tarball-check.ts'
import type { TarballFiles } from './tarball-walk.ts'

const limits: TarballLimits = { entries: 1000, documentBytes: 4096, unpackedBytes: 1 << 28, times: 200, freeBytes: 8 << 20 }
const manifest = tarMember({ name: 'package/package.json', body: utf8('{"name":"a"}') })

async function check(tarball: Uint8Array, { cut = 1000, ...given }: Partial<TarballLimits> & { cut?: number } = {}): Promise<TarballFiles> {
  const checking = new TarballCheck({ ...limits, ...given })
  const memory = new Uint8Array(cut)
  try {
    for (let at = 0; at < tarball.length; at += cut) {
      // the memory is used again, as a body's is
      const part = tarball.subarray(at, at + cut)
      memory.set(part)
      await checking.write(memory.subarray(0, part.length))
    }
    return await checking.end()
  } finally {
    checking.close()
  }
}

async function refusal(tarball: Uint8Array, given: Partial<TarballLimits> = {}): Promise<string> {
  try {
    await check(tarball, given)
  } catch (error) {
    if (error instanceof InputError && error.code === 'bad-tarball') return error.message
    throw error
  }
  return 'taken'
}

const packed = (...members: Uint8Array[]) => gzipSync(tarOf(...members))
const file = (name: string, type = '0') => tarMember({ name, type, link: type === '0' ? '' : 'package/x' })

describe('what is told', () => {
  test('files, bytes, package.json, a binding.gyp', async () => {
    const found = await check(
      packed(tarMember({ name: 'package/', type: '5' }), manifest, tarMember({ name: 'package/a.js', body: utf8('hello') })),
    )
    assert.deepEqual(
      [found.fileCount, found.unpackedBytes, found.hasBindingGyp, fromUtf8(found.packageJson)],
      [2, 17, false, '{"name":"a"}'],
    )
    assert.ok((await check(packed(manifest, file('package/binding.gyp')))).hasBindingGyp)
    assert.ok(!(await check(packed(manifest, file('package/deps/binding.gyp')))).hasBindingGyp)
  })

  test('any folder, names in other scripts, long names, package.json last, several members of gzip', async () => {
    const long = `package/${'ordner/'.repeat(30)}x`
    const members = [file('package/日本語/кириллица.js'), paxMember({ path: 'package/עברית' }), file('x'), longMember('L', long), file('y')]
    assert.equal((await check(packed(...members, manifest))).fileCount, 4)
    assert.equal((await check(packed(tarMember({ name: 'a-1.0/package.json', body: utf8('{}') })))).fileCount, 1)
    const tar = tarOf(manifest)
    assert.equal((await check(concatBytes([gzipSync(tar.subarray(0, 700)), gzipSync(tar.subarray(700))]))).fileCount, 1)
  })

  test('small and large ones alike, however they are cut', async () => {
    const body = concatBytes([sampleText(3, 3 << 20), noise(5, 300_000)])
    const large = packed(manifest, tarMember({ name: 'package/large', body }))
    for (const cut of [7777, 65_536, 1 << 20]) assert.equal((await check(large, { cut })).unpackedBytes, 12 + body.length)
    // few bytes that are much
    assert.equal((await check(packed(manifest, tarMember({ name: 'package/zeros', body: new Uint8Array(5 << 20) })))).fileCount, 2)
  })
})

describe('what is refused', () => {
  test('what is no gzip, a damaged one, half of one, and one with something behind it', async () => {
    const whole = packed(manifest, tarMember({ name: 'package/noise', body: noise(1, 200_000) }))
    const small = packed(manifest)
    for (const good of [whole, small]) {
      const damaged = Buffer.from(good)
      damaged.writeUInt8((damaged.at(-7) as number) ^ 1, damaged.length - 7)
      assert.match(await refusal(damaged), /damaged/)
      assert.match(await refusal(good.subarray(0, -9)), /damaged/)
      assert.match(await refusal(concatBytes([good, new Uint8Array(20)])), /behind its gzip data/)
      assert.match(await refusal(concatBytes([good, utf8('something else')])), /damaged/)
    }
    for (const bytes of [tarOf(manifest), utf8('PK\x03\x04 no tarball at all'), new Uint8Array(), noise(2, 100_000)]) {
      assert.match(await refusal(bytes), /not a gzip archive/)
    }
  })

  test('what is no tar: other bytes, a wrong sum, half a file', async () => {
    assert.match(await refusal(gzipSync(noise(3, 2000))), /something else than a tar/)
    assert.match(await refusal(packed(manifest, tarMember({ name: 'package/x', wrongSum: 1 }))), /something else than a tar/)
    assert.match(
      await refusal(gzipSync(tarOf(manifest, tarMember({ name: 'package/x', body: noise(1, 900) })).subarray(0, 1900))),
      /within a file/,
    )
  })

  test('no package.json, two of them, one in other letters, one that is too large', async () => {
    assert.match(await refusal(packed(file('package/index.js'))), /no package.json/)
    assert.match(await refusal(packed(file('package/lib/package.json'))), /no package.json/)
    assert.match(await refusal(gzipSync(new Uint8Array(1024))), /no package.json/)
    assert.match(await refusal(packed(manifest, manifest)), /twice/)
    assert.match(await refusal(packed(manifest, file('package/./package.json'))), /twice/)
    assert.match(await refusal(packed(manifest, file('package/Package.JSON'))), /twice/)
    assert.match(await refusal(packed(tarMember({ name: 'package/package.json', body: noise(1, 5000) }))), /more than 4096 bytes/)
  })

  test('names that lead elsewhere', async () => {
    for (const name of ['package/../../etc/passwd', '../package/x', 'package/..', 'package\\..\\..\\x']) {
      assert.match(await refusal(packed(manifest, file(name))), /leads out/, name)
    }
    for (const name of ['/etc/passwd', 'C:/windows', '\\windows', 'c:windows']) {
      assert.match(await refusal(packed(manifest, file(name))), /begins at the root/, name)
    }
    for (const name of ['other/x', 'x', 'package']) assert.match(await refusal(packed(manifest, file(name))), /outside of its folder/, name)
    assert.match(await refusal(packed(manifest, paxMember({ path: 'package/../x' }), file('package/x'))), /leads out/)
    assert.match(await refusal(packed(manifest, paxMember({ path: 'package/a\0b' }), file('package/x'))), /zero byte/)
    const badName = tarMember({ name: 'package/x', patch: (block) => block.writeUInt8(0xff, 8) })
    assert.match(await refusal(packed(manifest, badName)), /not UTF-8/)
  })

  test('links, devices, pipes, files with holes, kinds that nobody knows', async () => {
    const kinds = { '1': 'hard link', '2': 'symbolic link', '3': 'device', '4': 'device', '6': 'pipe', V: 'no file' }
    for (const [type, what] of Object.entries(kinds))
      assert.match(await refusal(packed(manifest, file('package/x', type))), new RegExp(what))
    assert.match(await refusal(packed(manifest, paxMember({ 'GNU.sparse.realsize': '10' }), file('package/x'))), /holes/)
  })

  test('too many files, too many bytes, a bomb', async () => {
    const many = Array.from({ length: 100_001 }, () => file('package/x'))
    assert.match(
      await refusal(gzipSync(concatBytes([manifest, ...many])), { entries: 100_000, freeBytes: 1 << 27 }),
      /more than 100000 files/,
    )
    const bomb = packed(manifest, tarMember({ name: 'package/zeros', body: new Uint8Array(64 << 20) }))
    assert.match(await refusal(bomb), /200 times its size/)
    assert.match(await refusal(bomb, { unpackedBytes: 1 << 20 }), /more than 1048576 bytes/)
  })
})

// The pack that is made of a repository on disk: git finds in it what git finds in the repository.
import assert from 'node:assert/strict'
import { readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Git, TempFolder } from '../../../tests/support/git.ts'
import { concatBytes, hex } from '../../base/index.ts'
import { openDiskRepository } from '../disk/index.ts'
import { decodePackHeader } from '../format/pack.ts'
import { combinedPack, type ObjectChoice, planCombinedPack } from './combined-pack.ts'

const folder = new TempFolder('combined')
const git = new Git(folder)
after(() => folder.remove())
const everything: ObjectChoice = { isStored: () => false, isChosen: () => true }
let mixed: string

before(async () => {
  mixed = await git.makeRepository(folder.join('mixed'), 40)
  await git.run(['repack', '-adq'], { cwd: mixed })
  const lines = Array.from({ length: 400 }, (_, i) => `line ${i} of a file that changes a little`)
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 8; i++) {
      lines[round * 100 + i * 7] = `changed ${round} ${i}`
      await git.commit(mixed, { 'large.txt': lines.join('\n'), [`f${i}`]: `${round}` })
    }
    // deltas by name in one of them; each of them whole in itself, so that they hold some objects twice
    await git.run(['-c', `repack.useDeltaBaseOffset=${round !== 1}`, 'repack', '-q', ...(round === 2 ? ['-a'] : [])], { cwd: mixed })
  }
  await git.commit(mixed, { 'loose.txt': 'loose\n' })
  await git.run(['tag', '-a', 'v1', '-m', 'a tag'], { cwd: mixed })
})

async function made(path: string, choice: ObjectChoice): Promise<{ count: number; leftOut: number; bytes: Uint8Array }> {
  const objects = openDiskRepository(path).openObjects()
  try {
    const plan = planCombinedPack(objects, choice)
    const parts: Uint8Array[] = []
    for await (const part of combinedPack(objects, plan, new AbortController().signal)) parts.push(part)
    const bytes = concatBytes(parts)
    assert.equal(decodePackHeader(bytes)?.objectCount, plan.objectCount)
    return { count: plan.objectCount, leftOut: plan.leftOut, bytes }
  } finally {
    objects.close()
  }
}

/** What git says is in the pack. */
async function idsIn(bytes: Uint8Array, name: string, into?: string): Promise<string[]> {
  const target = into ?? folder.join(`${name}.git`)
  if (into === undefined) await git.run(['init', '-q', '--bare', target])
  await git.run(['index-pack', '--stdin', ...(into === undefined ? ['--strict'] : ['--fix-thin'])], { cwd: target, input: bytes })
  const all = await git.read(['cat-file', '--batch-all-objects', '--batch-check=%(objectname)'], { cwd: target })
  return all.split('\n')
}

test('several packs with doubled objects, and loose ones, become one', async () => {
  const all = await git.read(['cat-file', '--batch-all-objects', '--batch-check=%(objectname)'], { cwd: mixed })
  const { bytes, count, leftOut } = await made(mixed, everything)
  const ids = await idsIn(bytes, 'all')
  assert.deepEqual(ids, all.split('\n'))
  assert.deepEqual([count, leftOut], [ids.length, 0])
  const packs = readdirSync(join(mixed, '.git/objects/pack')).filter((name) => name.endsWith('.pack'))
  assert.ok(packs.length >= 3, `${packs.length} packs: the case is not what it should be`)
})

test('what is not chosen stays behind, and what rests on it is made whole', async () => {
  const chosen = new Set((await git.read(['rev-list', '--objects', '--no-object-names', 'HEAD~20'], { cwd: mixed })).split('\n'))
  const { bytes, count, leftOut } = await made(mixed, { isStored: () => false, isChosen: (oid) => chosen.has(hex(oid)) })
  assert.deepEqual(await idsIn(bytes, 'chosen'), [...chosen].sort())
  assert.equal(count, chosen.size)
  assert.ok(leftOut > 20)
})

test('what is stored does not come again; deltas may rest on it', async () => {
  const old = folder.join('old.git')
  await git.run(['clone', '-q', '--bare', '--no-local', mixed, old])
  await git.run(['update-ref', 'refs/heads/main', 'HEAD~15'], { cwd: old })
  await git.run(['tag', '-d', 'v1'], { cwd: old })
  await git.run(['reflog', 'expire', '--expire=all', '--all'], { cwd: old })
  await git.run(['repack', '-adq'], { cwd: old })
  await git.run(['prune', '--expire=now'], { cwd: old })
  const stored = new Set((await git.read(['cat-file', '--batch-all-objects', '--batch-check=%(objectname)'], { cwd: old })).split('\n'))
  const { bytes, count } = await made(mixed, { isStored: (oid) => stored.has(hex(oid)), isChosen: () => true })
  const all = (await git.read(['cat-file', '--batch-all-objects', '--batch-check=%(objectname)'], { cwd: mixed })).split('\n')
  assert.equal(count, all.length - stored.size)
  assert.deepEqual(await idsIn(bytes, 'old', old), all)
})

test('sha256', async () => {
  const work = await git.makeRepository(folder.join('sha256'), 5, ['--object-format=sha256'])
  await git.commit(work, { loose: 'x' })
  const { bytes, count } = await made(work, everything)
  const target = folder.join('sha256.git')
  await git.run(['init', '-q', '--bare', '--object-format=sha256', target])
  await git.run(['index-pack', '--stdin', '--strict'], { cwd: target, input: bytes })
  assert.equal((await git.read(['count-objects', '-v'], { cwd: target })).match(/in-pack: (\d+)/)?.[1], String(count))
})

test('a packed object that is damaged is found before it is passed on, and named', async () => {
  const path = folder.join('damaged.git')
  await git.run(['clone', '-q', '--bare', '--no-local', mixed, path])
  const packs = join(path, 'objects/pack')
  const name = readdirSync(packs).find((one) => one.endsWith('.pack')) as string
  const objects = openDiskRepository(path).openObjects()
  const pack = objects.packs[0]
  const at = Math.floor(((pack?.order.offsets[10] ?? 0) + (pack?.endOf(10) ?? 0)) / 2)
  const bytes = Buffer.from(pack?.read(0, pack.sizeBytes) ?? [])
  objects.close()
  bytes[at] = (bytes[at] as number) ^ 1
  writeFileSync(join(packs, 'copy'), bytes)
  renameSync(join(packs, 'copy'), join(packs, name))
  const first = hex(pack?.idx.oid(pack.order.positions[0] as number) ?? new Uint8Array())
  await assert.rejects(made(path, { isStored: (oid) => hex(oid) === first, isChosen: () => true }), /damaged at offset/)
})

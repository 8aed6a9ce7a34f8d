// Renames against `git diff-tree -M`, over changes made at random: files moved, changed a little or much, or both, and others that look like them.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { gitPackSet, loadGitPack } from '../../../tests/support/git-pack.ts'
import { Git, TempFolder } from '../../../tests/support/git.ts'
import { Seeded, seedOfRun } from '../../../tests/support/seeded.ts'
import { fromHex } from '../../base/index.ts'
import { ObjectCache, ObjectReader } from '../odb/index.ts'
import { openFetchRepository, paced } from '../upload-pack/repository.ts'
import { changesBetween } from './file-diff.ts'

const folder = new TempFolder('renames')
const git = new Git(folder)
const seed = seedOfRun('renames')
after(() => folder.remove())

const rounds = 24

/** Files by path, and what becomes of them. */
function made(random: Seeded): { before: Map<string, string>; after: Map<string, string> } {
  const word = () => random.below(2 ** 31).toString(36)
  const text = () => Array.from({ length: 4 + random.below(40) }, () => `${word()} ${word()}\n`).join('')
  const before = new Map(Array.from({ length: 12 }, (_, i) => [`d${random.below(3)}/f${i % 7}-${random.below(3)}`, text()] as const))
  const after = new Map<string, string>()
  for (const [path, old] of before) {
    const lines = old.split('\n')
    const changed = lines.map((line) => (line !== '' && random.below(10) < random.below(9) ? word() : line)).join('\n')
    const moved = random.below(2) === 0 ? path.replace(/^d\d/, `e${random.below(3)}`) : `x/${word()}`
    const fates = [
      () => after.set(path, old),
      () => after.set(moved, old),
      () => after.set(moved, changed),
      () => after.set(path, changed),
      () => {},
    ]
    ;(fates[random.below(fates.length)] as () => void)()
    if (random.below(5) === 0) after.set(`copy/${word()}`, changed)
  }
  return { before, after }
}

test('renamed files are those that git finds', async () => {
  const random = new Seeded(seed)
  const path = folder.join('renames.git')
  await git.run(['init', '-q', '--bare', path])
  let stream = ''
  for (let n = 0; n < rounds; n++) {
    for (const [side, files] of Object.entries(made(random))) {
      stream += `commit refs/heads/${side}${n}\ncommitter A <a@example.com> 1000000000 +0000\ndata 0\ndeleteall\n`
      for (const [name, text] of files) stream += `M 644 inline ${name}\ndata ${Buffer.byteLength(text)}\n${text}\n`
    }
  }
  await git.run(['fast-import', '--quiet'], { cwd: path, input: stream })
  const { stdout } = await git.run(['pack-objects', '-q', '--all', '--revs', folder.join('all')], { cwd: path, input: '' })
  const set = gitPackSet([await loadGitPack(folder.join(`all-${stdout.trim()}`), 'sha1')], 'sha1')
  const repository = paced(openFetchRepository(set, new ObjectReader(set, new ObjectCache(8 << 20))))
  for (let n = 0; n < rounds; n++) {
    const tree = async (side: string) => set.find(fromHex(await git.read(['rev-parse', `${side}${n}^{tree}`], { cwd: path })), 0)
    const changes = await changesBetween(repository, await tree('before'), await tree('after'))
    const shown = changes.map(({ after: file, before: old, oldPath, path: name, similarity }) =>
      oldPath !== null ? `R${String(similarity).padStart(3, '0')}\t${oldPath}\t${name}` : `${old ? (file ? 'M' : 'D') : 'A'}\t${name}`,
    )
    const said = await git.read(['diff-tree', '-r', '-M', '--name-status', `before${n}`, `after${n}`], { cwd: path })
    assert.equal(shown.join('\n'), said, `round ${n}`)
  }
})

// A repository with a made-up history, written by git itself: for tests that compare with git.
import { spawnSync } from 'node:child_process'
import { type BuiltObject, object, type ObjectKind } from './pack-builder.ts'
import { temporaryFolder } from './pack-indexing.ts'

/** Runs git; throws with what it says when it fails. */
export function git(folder: string, args: readonly string[], input: Uint8Array | string = ''): Buffer {
  const env = { PATH: '/usr/local/bin:/usr/bin:/bin', GIT_CONFIG_NOSYSTEM: '1', HOME: folder }
  const { status, stdout, stderr } = spawnSync('git', ['-C', folder, ...args], { input, env, maxBuffer: 2 ** 30 })
  if (status !== 0) throw new Error(`git ${args.join(' ')}: ${stderr}`)
  return stdout
}

/** Whether git accepts the pack, with everything that it can check by itself. */
export function gitAccepts(folder: string, pack: Uint8Array): boolean {
  const env = { PATH: '/usr/local/bin:/usr/bin:/bin', GIT_CONFIG_NOSYSTEM: '1', HOME: folder }
  return spawnSync('git', ['-C', folder, 'index-pack', '--strict', '--stdin'], { input: pack, env }).status === 0
}

/** Every object of a SHA-1 repository. */
export function allObjects(folder: string): BuiltObject[] {
  const listed = git(folder, ['cat-file', '--batch-all-objects', '--batch'])
  const objects: BuiltObject[] = []
  for (let at = 0; at < listed.length; ) {
    const end = listed.indexOf(10, at)
    const [, kind, size] = listed.subarray(at, end).toString().split(' ')
    objects.push(object(kind as ObjectKind, listed.subarray(end + 1, end + 1 + Number(size))))
    at = end + 2 + Number(size)
  }
  return objects
}

/** A bare repository of that many commits, over files and folders that are edited, added and removed in turn. */
export function makeHistory(commits: number, format: 'sha1' | 'sha256' = 'sha1'): string {
  const folder = temporaryFolder()
  git(folder, ['init', '-q', '--bare', `--object-format=${format}`, '.'])
  let seed = 42
  const random = (below: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below
  const words = Array.from({ length: 400 }, () => random(2 ** 31).toString(36))
  const files = new Map<string, string[]>()
  let stream = ''
  for (let i = 0; i < commits; i++) {
    stream += `commit refs/heads/main\ncommitter A U Thor <author@example.com> ${1700000000 + i} +0100\ndata <<.\ncommit ${i}\n.\n`
    for (let k = 0; k < 3; k++) {
      const path = `folder${random(7)}/sub${random(5)}/file${random(6)}.txt`
      const lines = files.get(path) ?? Array.from({ length: 60 }, () => `${words[random(400)]} ${words[random(400)]}`)
      lines[random(lines.length)] = `line of commit ${i} ${words[random(400)]}`
      files.set(path, lines)
      const text = `${lines.join('\n')}\n`
      stream += `M 100644 inline ${path}\ndata ${text.length}\n${text}\n`
    }
    if (i % 50 === 49)
      stream += `\ntag v${i}\nfrom refs/heads/main\ntagger A U Thor <author@example.com> ${1700000000 + i} +0100\ndata <<.\nversion ${i}\n.\n`
    stream += '\n'
  }
  git(folder, ['fast-import', '--quiet'], stream)
  return folder
}

/** What clients send for one commit each, oldest first: thin packs, all of one large file of so many lines, and of some small ones. */
export function pushedPacks(format: 'sha1' | 'sha256', pushes: number, lineCount: number): Uint8Array[] {
  const folder = temporaryFolder()
  git(folder, ['init', '-q', '-b', 'main', `--object-format=${format}`, '.'])
  const lines = Array.from({ length: lineCount }, (_, i) => `line ${i}`)
  let stream = ''
  for (let n = 0; n < pushes; n++) {
    lines[(n * 131) % lineCount] = `changed in ${n}`
    const text = lines.join('\n')
    stream += `commit refs/heads/main\ncommitter A <a@example.com> ${1700000000 + n} +0000\ndata 1\nx\n`
    stream += `M 100644 inline large.txt\ndata ${text.length}\n${text}\nM 100644 inline folder/${n % 9}\ndata 2\n${n % 10}\n`
  }
  git(folder, ['fast-import', '--quiet'], stream)
  return Array.from({ length: pushes }, (_, n) => {
    const back = pushes - 1 - n
    const revisions = n === 0 ? `main~${back}\n` : `main~${back}\n^main~${back + 1}\n`
    return git(folder, ['pack-objects', '-q', '--revs', '--thin', '--stdout', '--delta-base-offset'], revisions)
  })
}

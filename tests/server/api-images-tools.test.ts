// An image that umoci made of real folders and skopeo pushed: what the API shows of its files is what umoci unpacks, and what differs between two tags is what differs
// between the unpacked folders.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  cpSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
  symlinkSync,
  linkSync,
} from 'node:fs'
import { after, before, test } from 'node:test'
import { runProcess } from '../support/git.ts'
import { ClientHome, openRegistryHost, type RegistryHost } from '../support/oci-clients.ts'

const tools = ['umoci', 'skopeo']
const missing: string[] = []
for (const tool of tools) {
  const { code } = await runProcess(tool, ['--version'], {}).catch(() => ({ code: 1 }))
  if (code !== 0) missing.push(tool)
}
const skip = missing.length === 0 ? false : `not installed: ${missing.join(', ')}`

let host: RegistryHost
let home: ClientHome
before(async () => {
  if (skip !== false) return
  host = await openRegistryHost('api-images-tools')
  home = new ClientHome(host.folder, 'client', [host.registry])
})
after(async () => await host?.close())

interface Shown {
  readonly path: string
  readonly type: string
  readonly mode: string
  readonly link: string | null
  readonly sha256: string | null
}

async function get(path: string) {
  const answer = await fetch(`${host.server.url}/api/v3/images/olive/tools${path}`, {
    headers: { authorization: `Bearer ${host.owner.token}` },
  })
  const body: unknown = await answer.json()
  assert.equal(answer.status, 200, `${path}: ${JSON.stringify(body)}`)
  return body as { total: number; entries: Shown[]; files: { status: string; path: string }[] }
}

/** Everything below a folder of the image, folder by folder. */
async function shown(tag: string, path = ''): Promise<string[]> {
  const { entries, total } = await get(`/manifests/${tag}/files?per_page=1000&path=${encodeURIComponent(path)}`)
  assert.equal(entries.length, total)
  const lines: string[] = []
  for (const { type, path: at, mode, link, sha256 } of entries) {
    // what is a hard link in the layer is a file as any other on the disk
    lines.push(type === 'symlink' ? `${at} -> ${link}` : type === 'directory' ? `${at}/ ${mode}` : `${at} ${mode} ${sha256}`)
    if (type === 'directory') lines.push(...(await shown(tag, at)))
  }
  return lines
}

function unpacked(root: string, path = ''): string[] {
  return readdirSync(`${root}/${path}`).flatMap((name) => {
    const at = path === '' ? name : `${path}/${name}`
    const whole = `${root}/${at}`
    const facts = lstatSync(whole)
    const mode = (facts.mode & 0o7777).toString(8).padStart(4, '0')
    if (facts.isSymbolicLink()) return [`${at} -> ${readlinkSync(whole)}`]
    if (facts.isDirectory()) return [`${at}/ ${mode}`, ...unpacked(root, at)]
    return [`${at} ${mode} ${createHash('sha256').update(readFileSync(whole)).digest('hex')}`]
  })
}

test('the files of an image are those that umoci unpacks, layer upon layer', { skip }, async () => {
  const [layout, bundle] = [home.join('layout'), home.join('bundle')]
  const rootfs = `${bundle}/rootfs`
  const umoci = (...args: string[]) => home.run('umoci', args)
  const repack = async (tag: string) => {
    await umoci('repack', '--image', `${layout}:${tag}`, bundle)
    const to = `docker://${host.registry}/olive/tools:${tag}`
    await home.run('skopeo', ['copy', '--dest-tls-verify=false', `--dest-creds=olive:${host.owner.token}`, `oci:${layout}:${tag}`, to])
  }
  await umoci('init', '--layout', layout)
  await umoci('new', '--image', `${layout}:base`)
  await umoci('unpack', '--rootless', '--image', `${layout}:base`, bundle)
  // real files, of many kinds of names
  mkdirSync(`${rootfs}/usr/lib`, { recursive: true })
  for (const part of ['src', 'docs', 'tests/support']) cpSync(part, `${rootfs}/usr/lib/${part}`, { recursive: true })
  writeFileSync(`${rootfs}/usr/lib/größe und mehr.txt`, 'name')
  symlinkSync('usr/lib', `${rootfs}/lib`)
  linkSync(`${rootfs}/usr/lib/src/main.ts`, `${rootfs}/usr/lib/main-again.ts`)
  await repack('one')
  const first = unpacked(rootfs)

  rmSync(`${rootfs}/usr/lib/docs`, { recursive: true })
  rmSync(`${rootfs}/usr/lib/src/git`, { recursive: true })
  writeFileSync(`${rootfs}/usr/lib/docs`, 'a file where a folder was')
  mkdirSync(`${rootfs}/usr/lib/src/git`)
  writeFileSync(`${rootfs}/usr/lib/src/git/only.ts`, 'left')
  writeFileSync(`${rootfs}/usr/lib/src/main.ts`, 'changed')
  await umoci('tag', '--image', `${layout}:one`, 'two')
  await repack('two')
  const second = unpacked(rootfs)

  const fresh = home.join('fresh')
  await umoci('unpack', '--rootless', '--image', `${layout}:two`, fresh)
  assert.deepEqual(unpacked(`${fresh}/rootfs`).sort(), second.toSorted(), 'umoci itself')
  assert.ok(first.length > 1000)
  assert.deepEqual((await shown('one')).sort(), first.toSorted())
  assert.deepEqual((await shown('two')).sort(), second.toSorted())

  const pathOf = (line: string) => line.replace(/ (?:-> .*|\d{4}(?: [0-9a-f]{64})?)$/, '').replace(/\/$/, '')
  const [before, after] = [first, second].map((lines) => new Map(lines.map((line) => [pathOf(line), line])))
  const wanted = [...new Set([...(before?.keys() ?? []), ...(after?.keys() ?? [])])].flatMap((path) => {
    const [old, now] = [before?.get(path), after?.get(path)]
    return old === now ? [] : [`${old === undefined ? 'added' : now === undefined ? 'removed' : 'changed'} ${path}`]
  })
  const told: string[] = []
  for (let page = 1; ; page++) {
    const { files, total } = await get(`/compare?base=one&head=two&per_page=1000&page=${page}`)
    told.push(...files.map(({ status, path }) => `${status} ${path}`))
    if (told.length >= total) break
  }
  assert.deepEqual(told.sort(), wanted.sort())
})

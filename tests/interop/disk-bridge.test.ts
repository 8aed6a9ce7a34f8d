// The disk bridge with the real client: what is on the disk is served, what is pushed is on the disk, and hooks and settings count.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Git, runProcess, TempFolder } from '../support/git.ts'
import { PackBuilder } from '../support/pack-builder.ts'
import { good } from '../support/target.ts'
import { pushBody, zeroId } from '../support/wire.ts'

const folder = new TempFolder('disk-bridge')
const git = new Git(folder)
const root = folder.join('root')
const bridgeFile = join(import.meta.dirname, 'disk-bridge.ts')
const shim = join(import.meta.dirname, 'disk-bridge-cgi.pl')
let bridge: ChildProcess
let url = ''

before(async () => {
  mkdirSync(root)
  bridge = spawn(process.execPath, [bridgeFile, '--root', root, '--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'inherit'] })
  url = await new Promise((resolve, reject) => {
    bridge.once('exit', (code) => reject(new Error(`the bridge ended: ${code}`)))
    bridge.stdout?.once('data', (line: Buffer) => resolve(line.toString().trim()))
  })
})

after(async () => {
  const ended = new Promise((resolve) => bridge.once('exit', resolve))
  bridge.kill('SIGTERM')
  assert.equal(await ended, 0)
  folder.remove()
})

/** Settings of a client whose web server exports everything and knows who calls. */
const exported = ['-c', 'http.extraHeader=x-env-git-http-export-all: 1']
const known = [...exported, '-c', 'http.extraHeader=x-remote-user: someone', '-c', 'http.extraHeader=x-env-remote-addr: 127.0.0.1']
let made = 0

/** A bare repository with one commit on main, and a clone of it beside the root. */
async function makeRepository(): Promise<{ name: string; bare: string; work: string }> {
  const name = `repository-${++made}.git`
  const bare = join(root, name)
  const work = folder.join(`work-${made}`)
  await git.run(['init', '-q', '--bare', '-b', 'main', bare])
  await git.run(['init', '-q', '-b', 'main', work])
  await commit(work, 'one')
  await git.run(['push', '-q', bare, 'main'], { cwd: work })
  return { name, bare, work }
}

async function commit(work: string, text: string): Promise<string> {
  writeFileSync(join(work, 'file'), text)
  await git.run(['add', 'file'], { cwd: work })
  await git.run(['commit', '-q', '-m', text], { cwd: work })
  return head(work)
}

async function head(repository: string, ref = 'HEAD'): Promise<string> {
  return (await git.run(['-C', repository, 'rev-parse', ref])).stdout.trim()
}

function hook(bare: string, name: string, script: string): void {
  mkdirSync(join(bare, 'hooks'), { recursive: true })
  writeFileSync(join(bare, 'hooks', name), `#!/bin/sh\n${script}\n`)
  chmodSync(join(bare, 'hooks', name), 0o755)
}

test('what changes on the disk between requests is served: commits, packs, another HEAD, another repository in its place', async () => {
  const { name, bare, work } = await makeRepository()
  const clone = folder.join('clone-1')
  await git.run([...exported, 'clone', '-q', `${url}/${name}`, clone])
  const two = await commit(work, 'two')
  await git.run(['push', '-q', bare, 'main'], { cwd: work })
  await git.run([...exported, 'pull', '-q'], { cwd: clone })
  assert.equal(await head(clone), two)
  await git.run(['-C', bare, 'repack', '-adq'])
  await git.run(['-C', bare, 'update-ref', '--no-deref', 'HEAD', two])
  const detached = await git.run([...exported, 'ls-remote', '--symref', `${url}/${name}`, 'HEAD'])
  assert.equal(detached.stdout, `${two}\tHEAD\n`)
  rmSync(bare, { recursive: true })
  await git.run(['init', '-q', '--bare', '-b', 'trunk', bare])
  const empty = await git.run([...exported, 'ls-remote', `${url}/${name}`])
  assert.equal(empty.stdout, '')
})

test('a push is on the disk before the client is told: objects, refs, reflogs; an unborn HEAD stays where it points', async () => {
  const { name, bare, work } = await makeRepository()
  await git.run(['-C', bare, 'symbolic-ref', 'HEAD', 'refs/heads/other'])
  await git.run(['-C', bare, 'config', 'core.logAllRefUpdates', 'true'])
  const two = await commit(work, 'two')
  await git.run([...known, 'push', '-q', `${url}/${name}`, 'main', 'HEAD:refs/heads/side', 'HEAD~1:refs/heads/old'], { cwd: work })
  assert.equal(await head(bare, 'refs/heads/main'), two)
  assert.equal((await git.run(['-C', bare, 'symbolic-ref', 'HEAD'])).stdout, 'refs/heads/other\n')
  await git.run(['-C', bare, 'fsck', '--full', '--strict'])
  assert.match(readFileSync(join(bare, 'logs/refs/heads/main'), 'utf8'), / someone <someone@http\.127\.0\.0\.1> \d+ [+-]\d{4}\tpush\n$/)
  await git.run([...known, 'push', '-q', `${url}/${name}`, ':refs/heads/side'], { cwd: work })
  const listed = await git.run(['-C', bare, 'for-each-ref', '--format=%(refname)'])
  assert.equal(listed.stdout, 'refs/heads/main\nrefs/heads/old\n')
})

test('hooks of the disk decide, see the objects, and speak to the pusher', async () => {
  const { name, bare, work } = await makeRepository()
  hook(bare, 'pre-receive', 'while read old new ref; do git cat-file -t $new >&2; case $ref in */bad) exit 1;; esac; done')
  hook(bare, 'update', 'test "$1" != refs/heads/no')
  hook(bare, 'post-receive', 'git for-each-ref --format="after: %(refname)"')
  await commit(work, 'two')
  const declined = await git.run([...known, 'push', `${url}/${name}`, 'main:bad'], { cwd: work, mayFail: true })
  assert.match(declined.stderr, /remote: commit/)
  assert.match(declined.stderr, /\[remote rejected\] main -> bad \(pre-receive hook declined\)/)
  const some = await git.run([...known, 'push', `${url}/${name}`, 'main', 'main:no'], { cwd: work, mayFail: true })
  assert.match(some.stderr, /\[remote rejected\] main -> no \(hook declined\)/)
  assert.match(some.stderr, /remote: after: refs\/heads\/main/)
  assert.equal(await head(bare, 'main'), await head(work))
  assert.notEqual((await git.run(['-C', bare, 'rev-parse', '-q', '--verify', 'refs/heads/bad'], { mayFail: true })).code, 0)
})

test('what the disk refuses to move is refused', async () => {
  const { name, bare, work } = await makeRepository()
  const one = await head(bare, 'main')
  writeFileSync(join(bare, 'refs/heads/main.lock'), '')
  await commit(work, 'two')
  const pushed = await git.run([...known, 'push', `${url}/${name}`, 'main', 'main:free'], { cwd: work, mayFail: true })
  assert.match(pushed.stderr, /\[remote rejected\] main -> main \(failed to update ref\)/)
  rmSync(join(bare, 'refs/heads/main.lock'))
  assert.equal(await head(bare, 'main'), one)
  const listed = await git.run([...exported, 'ls-remote', `${url}/${name}`, 'main', 'free'])
  assert.equal(listed.stdout, `${await head(work)}\trefs/heads/free\n${one}\trefs/heads/main\n`)
})

test('a pack that lacks objects: without fsck its refs are refused, with fsck the pack', async () => {
  const { name, bare } = await makeRepository()
  const { tip, top } = good()
  const pack = new PackBuilder().addAll(tip, top).build()
  const body = pushBody([{ old: zeroId, new: tip.id, ref: 'refs/heads/x' }], pack, 'report-status')
  const headers = { 'content-type': 'application/x-git-receive-pack-request', 'x-remote-user': 'someone', 'x-env-git-http-export-all': '1' }
  const report = async () => await (await fetch(`${url}/${name}/git-receive-pack`, { method: 'POST', body, headers })).text()
  assert.match(await report(), /unpack ok\n.*ng refs\/heads\/x missing necessary objects/)
  await git.run(['-C', bare, 'config', 'receive.fsckObjects', 'true'])
  assert.match(await report(), /unpack missing blob .*ng refs\/heads\/x unpacker error/s)
})

test('a push of which nothing is accepted leaves nothing behind', async () => {
  const { name, bare, work } = await makeRepository()
  await git.run(['-C', bare, 'config', 'receive.hideRefs', 'refs/hidden'])
  const two = await commit(work, 'two')
  const pushed = await git.run([...known, 'push', `${url}/${name}`, 'main:refs/hidden/x'], { cwd: work, mayFail: true })
  assert.match(pushed.stderr, /deny updating a hidden ref/)
  assert.notEqual((await git.run(['-C', bare, 'cat-file', '-e', two], { mayFail: true })).code, 0)
})

test('a work tree follows its branch where it is told to, and bars it otherwise; names of one ref are updated as one', async () => {
  const { work } = await makeRepository()
  const other = join(root, `other-${made}`)
  await git.run(['clone', '-q', work, other])
  await git.run(['-C', other, 'symbolic-ref', 'refs/heads/alias', 'refs/heads/target'])
  await commit(work, 'two')
  const to = `${url}/other-${made}`
  const barred = await git.run([...known, 'push', to, 'main'], { cwd: work, mayFail: true })
  assert.match(barred.stderr, /branch is currently checked out/)
  await git.run(['-C', other, 'config', 'receive.denyCurrentBranch', 'updateInstead'])
  await git.run([...known, 'push', '-q', to, 'main', 'main:target', 'main:alias'], { cwd: work })
  assert.equal(readFileSync(join(other, 'file'), 'utf8'), 'two')
  const differing = await git.run([...known, 'push', to, '+main~1:target', ':alias'], { cwd: work, mayFail: true })
  assert.match(differing.stderr, /inconsistent aliased update/)
})

test('what is missing on the disk fails as it does with git, and only what needs it', async () => {
  const { name, bare, work } = await makeRepository()
  await git.run(['-C', bare, 'branch', 'whole'])
  const blob = await head(work, 'HEAD:file')
  rmSync(join(bare, 'objects', blob.slice(0, 2), blob.slice(2)))
  const whole = await git.run([...exported, 'clone', '-q', `${url}/${name}`, folder.join('whole')], { mayFail: true })
  assert.match(whole.stderr, /possible repository corruption on the remote side/)
  const listed = await git.run([...exported, 'ls-remote', `${url}/${name}`])
  assert.match(listed.stdout, /refs\/heads\/whole\n/)
})

test('the configuration on the disk counts at once, with what git does where it says nothing', async () => {
  const { name, bare, work } = await makeRepository()
  const anonymous = await git.run([...exported, 'push', `${url}/${name}`, 'main:x'], { cwd: work, mayFail: true })
  assert.match(anonymous.stderr, /403/)
  await git.run(['-C', bare, 'config', 'http.receivepack', 'true'])
  await git.run([...exported, 'push', '-q', `${url}/${name}`, 'main:x'], { cwd: work })
  await git.run(['-C', bare, 'config', 'transfer.hideRefs', 'refs/heads/x'])
  const listed = await git.run([...exported, 'ls-remote', '--heads', `${url}/${name}`])
  assert.equal(listed.stdout, `${await head(bare, 'main')}\trefs/heads/main\n`)
  await git.run(['-C', bare, 'config', 'http.uploadpack', 'false'])
  const closed = await git.run([...exported, 'ls-remote', `${url}/${name}`], { mayFail: true })
  assert.match(closed.stderr, /403/)
})

test('alternates are followed, and a namespace has its own refs', async () => {
  const { name, bare, work } = await makeRepository()
  const fork = join(root, `fork-of-${name}`)
  await git.run(['clone', '-q', '--bare', '--shared', bare, fork])
  const clone = folder.join('clone-of-fork')
  await git.run([...exported, 'clone', '-q', `${url}/fork-of-${name}`, clone])
  assert.equal(await head(clone), await head(work))
  const spaced = [...known, '-c', 'http.extraHeader=x-env-git-namespace: ns']
  await commit(work, 'two')
  await git.run([...spaced, 'push', '-q', `${url}/${name}`, 'main'], { cwd: work })
  assert.equal(await head(bare, 'refs/namespaces/ns/refs/heads/main'), await head(work))
  const listed = await git.run([...spaced, 'ls-remote', '--heads', `${url}/${name}`])
  assert.equal(listed.stdout, `${await head(work)}\trefs/heads/main\n`)
})

test('a repository that is cut off is served as one, and a push to it rests on what it has', async () => {
  const { bare, work } = await makeRepository()
  for (const text of ['two', 'three', 'four']) await commit(work, text)
  await git.run(['push', '-q', bare, 'main'], { cwd: work })
  const shallow = join(root, `shallow-${made}.git`)
  await git.run(['clone', '-q', '--bare', '--depth', '2', `file://${bare}`, shallow])
  for (const version of ['0', '2']) {
    const clone = folder.join(`shallow-clone-${version}`)
    await git.run([...exported, '-c', `protocol.version=${version}`, 'clone', '-q', `${url}/shallow-${made}.git`, clone])
    await git.run(['-C', clone, 'fsck'])
    assert.equal(await git.read(['-C', clone, 'rev-list', '--count', 'HEAD']), '2')
    assert.equal(readFileSync(join(clone, '.git/shallow'), 'utf8'), readFileSync(join(shallow, 'shallow'), 'utf8'))
  }
  const five = await commit(work, 'five')
  await git.run([...known, 'push', '-q', `${url}/shallow-${made}.git`, 'main'], { cwd: work })
  assert.equal(await head(shallow, 'main'), five)
})

test('what comes from a shallow clone cuts the repository off where it may, on the disk, too', async () => {
  const { bare, name } = await makeRepository()
  const { work } = await makeRepository()
  for (const text of ['apart', 'further apart', 'far']) await commit(work, text)
  const shallow = folder.join(`cutting-${made}`)
  await git.run(['clone', '-q', '--depth', '2', `file://${work}`, shallow])
  const refused = await git.run([...known, 'push', `${url}/${name}`, 'HEAD:refs/heads/cut'], { cwd: shallow, mayFail: true })
  assert.match(refused.stderr, /HEAD -> cut \(shallow update not allowed\)/)
  await git.run(['config', 'receive.shallowUpdate', 'true'], { cwd: bare })
  await git.run([...known, 'push', '-q', `${url}/${name}`, 'HEAD:refs/heads/cut'], { cwd: shallow })
  assert.equal(readFileSync(join(bare, 'shallow'), 'utf8'), readFileSync(join(shallow, '.git/shallow'), 'utf8'))
  assert.equal(await git.read(['rev-list', '--count', 'cut'], { cwd: bare }), '2')
  await git.run(['fsck'], { cwd: bare })
})

test('nothing outside of the root, and nothing that is not exported', async () => {
  const { name, work } = await makeRepository()
  assert.equal((await fetch(`${url}/${name}/info/refs?service=git-upload-pack`)).status, 404)
  const headers = { 'x-env-git-http-export-all': '', 'x-repo-path': encodeURI(join(work, '.git/info/refs')) }
  assert.equal((await fetch(`${url}/?service=git-upload-pack`, { headers })).status, 404)
  const dotted = { ...headers, 'x-repo-path': `${root}/../work-1/.git/info/refs` }
  assert.equal((await fetch(`${url}/?service=git-upload-pack`, { headers: dotted })).status, 404)
})

test('the CGI program hands requests and answers on', async () => {
  const { name, bare } = await makeRepository()
  const environment = {
    PATH: process.env.PATH ?? '',
    STEMMA_DISK_BRIDGE: url,
    GIT_PROJECT_ROOT: root,
    GIT_HTTP_EXPORT_ALL: '',
    REQUEST_METHOD: 'GET',
    PATH_INFO: `/${name}/info/refs`,
    QUERY_STRING: 'service=git-upload-pack',
  }
  const told = await runProcess('perl', [shim], { env: { ...environment, HTTP_GIT_PROTOCOL: 'version=0' } })
  assert.match(told.stdout, /^Status: 200 OK\r\n/)
  assert.match(told.stdout, /content-type: application\/x-git-upload-pack-advertisement\r\n/)
  assert.ok(told.stdout.includes(`${await head(bare, 'main')} HEAD\0`))
  const listing = await runProcess('perl', [shim], {
    env: {
      ...environment,
      REQUEST_METHOD: 'POST',
      PATH_INFO: `/${name}/git-upload-pack`,
      CONTENT_TYPE: 'application/x-git-upload-pack-request',
      HTTP_GIT_PROTOCOL: 'version=2',
    },
    input: '0014command=ls-refs\n0000',
  })
  assert.ok(listing.stdout.includes(`${await head(bare, 'main')} refs/heads/main\n`))
})

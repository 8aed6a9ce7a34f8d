// Placeholders against `git log --format`, which has the same; dates in every style; what noise may do.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { Git, TempFolder } from '../../../tests/support/git.ts'
import { InputError, latin1, utf8 } from '../../base/index.ts'
import { type CommitFacts, substituteFormats } from './commit-format.ts'
import { formatDate } from './date-format.ts'

const folder = new TempFolder('commit-format')
const git = new Git(folder)
const commits: { oid: string; facts: CommitFacts }[] = []
let work: string

before(async () => {
  work = folder.join('work')
  await git.run(['init', '-q', '-b', 'main', work])
  const messages = [
    'plain',
    'subject\n\nbody\n\nmore\n',
    'two\nlines of subject  \n\n\n\nbody',
    '\n\nleading blank\n\n  indented\n',
    '... odd//subject--with..dots.txt. -',
    'ünïcödé — title\n\nbödy',
    '',
  ]
  for (const [i, message] of messages.entries()) {
    const env = {
      GIT_AUTHOR_NAME: ['A U Thor', 'Ä', "O'Neil"][i % 3] as string,
      GIT_AUTHOR_EMAIL: ['a@b.c', 'no-at', 'x@y@z'][i % 3] as string,
      GIT_AUTHOR_DATE: `${[1_600_000_000, 500_000_000, 2_000_000_000][i % 3]} ${['+0000', '-0730', '+1400'][i % 3]}`,
      GIT_COMMITTER_DATE: '1650000000 +0530',
    }
    await git.run(['commit', '-q', '--allow-empty', '--allow-empty-message', '--cleanup=verbatim', '-F', '-'], {
      cwd: work,
      env,
      input: message,
    })
    const oid = await git.read(['rev-parse', 'HEAD'], { cwd: work })
    const text = latin1(utf8((await git.run(['cat-file', 'commit', oid], { cwd: work })).stdout))
    const tree = /^tree (\S+)/m.exec(text)?.[1] as string
    const parents = [...text.matchAll(/^parent (\S+)/gm)].map((match) => match[1] as string)
    const facts = { oid, tree, parents, text, decorations: [], abbreviate: (id: string) => id.slice(0, 7), describe: () => null }
    commits.push({ oid, facts })
  }
})
after(() => folder.remove())

const ours = (template: string, facts: CommitFacts) => Buffer.from(substituteFormats(`$Format:${template}$`, facts), 'latin1').toString()

test('every placeholder is what git makes of it', async () => {
  const templates =
    '%H %h %T %t %P %p|%an %ae %al %at %ad %aD %ai %as|%cn %ce %cl %ct %cd %cD %ci %cs|%s|%f|%b|%B|%e|%m|%n|%x00%x7e|%%|%z|%Q|%'
      .split('|')
      .concat([
        'x%+by',
        'x%+sy',
        'x% sy',
        'x%n%n%-ey',
        'x%n%-sy',
        '%-',
        '%+',
        '%+n',
        '%Cred%C(red)%Creset%C(auto)x',
        '%aN%aE%aL',
        '%ax',
        '%a',
      ])
  for (const { oid, facts } of commits) {
    for (const template of templates) {
      const theirs = (await git.run(['log', '-1', `--format=format:${template}`, oid], { cwd: work })).stdout
      assert.equal(ours(template, facts), theirs, `${JSON.stringify(template)} of ${oid}`)
    }
  }
})

test('strict ISO dates have a Z for UTC, as git has it by now', () => {
  assert.equal(formatDate(1_700_000_000, 0, 'iso-strict'), '2023-11-14T22:13:20Z')
  assert.equal(formatDate(1_700_000_000, -130, 'iso-strict'), '2023-11-14T20:43:20-01:30')
  assert.equal(formatDate(1_700_000_000, 530, 'normal'), 'Wed Nov 15 03:43:20 2023 +0530')
  assert.equal(formatDate(Number.MAX_SAFE_INTEGER, 0, 'short'), '1970-01-01')
})

test('decorations and describe', () => {
  const { facts } = commits[0] as { facts: CommitFacts }
  const decorations = [
    { name: 'HEAD', isTag: false, pointsTo: 'main' },
    { name: 'v1', isTag: true },
    { name: 'other', isTag: false },
  ]
  const asked: string[] = []
  const describe = (options: string) => {
    asked.push(options)
    return options === 'bad' ? null : 'v1-2-gabc'
  }
  const decorated = { ...facts, decorations, describe }
  assert.equal(ours('%d|%D', decorated), ' (HEAD -> main, tag: v1, other)|HEAD -> main, tag: v1, other')
  assert.equal(ours('%(decorate:prefix=<,suffix=%x3e,separator=;%n,pointer==,tag=)', decorated), '<HEAD=main;\nv1;\nother>')
  assert.equal(ours('%d%D', facts), '')
  assert.equal(ours('%(describe) %(describe)', decorated), 'v1-2-gabc %(describe)')
  assert.equal(ours('%(describe:tags=true,match=v*)', decorated), 'v1-2-gabc')
  assert.equal(ours('%(describe:bad)', decorated), '%(describe:bad)')
  assert.deepEqual(asked, ['', 'tags=true,match=v*', 'bad'])
})

test('only whole keywords are replaced, and nothing grows without end', () => {
  const { facts } = commits[0] as { facts: CommitFacts }
  assert.equal(substituteFormats('$Format:%s', facts), '$Format:%s')
  assert.equal(substituteFormats('a $Format:$ b $Format:%s\0%h$ $', facts), 'a  b plain $')
  const large = { ...facts, text: `${facts.text}${'x'.repeat(1 << 20)}` }
  assert.throws(() => substituteFormats(`$Format:${'%B'.repeat(100)}$`, large), InputError)
  fc.assert(fc.property(fc.string(), (template) => typeof substituteFormats(`$Format:${template}$`, facts) === 'string'))
  fc.assert(fc.property(fc.string(), (text) => typeof substituteFormats('$Format:%an %ad %b %f %s$', { ...facts, text }) === 'string'))
})

test('placeholders without an end are text, however many there are and whatever stands in them', () => {
  const { facts } = commits[0] as (typeof commits)[number]
  for (const open of [`%(decorate:${'tag='.repeat(100)}`, '%(describe:', '%C(', '%(decorate:tag=,', '%(decorate:tag=']) {
    const template = open.repeat(400_000 / open.length)
    assert.ok(ours(template, facts) === template)
  }
})

test('a commit with long runs of blanks in it costs what it is long', () => {
  const { facts } = commits[0] as (typeof commits)[number]
  const run = (of: string) => `${of.repeat(2_000_000)}x`
  const text = facts.text
    .replace(/^author .*$/m, `author ${run(' ')} <a@b> 1 +0000`)
    .replace(/\n\n[^]*/, `\n\n${run(' ')}${run('.-')}\n${run('\n')}`)
  const made = ours('%an%f%s%x0a%-b', { ...facts, text })
  assert.ok(made.length > 4_000_000)
})

test('what comes to nothing is made once, however often it is asked for', () => {
  const { facts } = commits[0] as (typeof commits)[number]
  const text = facts.text.replace(/\n\n[^]*/, `\n\n${'/'.repeat(1_000_000)}`)
  assert.equal(ours('%f'.repeat(1_000_000), { ...facts, text }), '')
})

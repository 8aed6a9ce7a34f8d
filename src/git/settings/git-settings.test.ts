// Settings under git's own names: how values are read, what defaults are, and what is refused.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InputError } from '../../base/index.ts'
import { normalKey, parseFlag, parseNumber, subsections } from './git-config.ts'
import { isHidden } from '../refs/index.ts'
import { changeSettings } from './known-keys.ts'
import { readGitSettings, SettingsReader } from './git-settings.ts'

test('keys are told apart as git tells them', () => {
  assert.equal(normalKey('Transfer.HideRefs'), 'transfer.hiderefs')
  assert.equal(normalKey('Remote.My.Fork.URL'), 'remote.My.Fork.url')
  for (const bad of ['', 'transfer', '.x', 'a.', 'a.1b', 'a b.c']) assert.throws(() => normalKey(bad), InputError, bad)
})

test('values are read as git reads them', () => {
  assert.deepEqual(['true', 'YES', 'on', '1', '-1'].map(parseFlag), [true, true, true, true, true])
  assert.deepEqual(['false', 'No', 'off', '0', ''].map(parseFlag), [false, false, false, false, false])
  assert.equal(parseFlag('maybe'), null)
  assert.deepEqual(['1k', '2M', '3g', '-4', 'x', '9999999999999999g'].map(parseNumber), [
    1024,
    2 * 1024 ** 2,
    3 * 1024 ** 3,
    -4,
    null,
    null,
  ])
})

test('a value that its key cannot have is refused in git words', () => {
  assert.throws(
    () => readGitSettings({ 'receive.denydeletes': ['perhaps'] }),
    /bad boolean config value 'perhaps' for 'receive.denydeletes'/,
  )
  assert.throws(() => readGitSettings({ 'uploadpack.keepalive': ['soon'] }), InputError)
})

test('what is set stands over the hosted defaults, and what is in neither has the default of git', () => {
  const settings = readGitSettings({
    'uploadpack.allowfilter': ['true', 'false'],
    'transfer.hiderefs': ['refs/pull'],
    'receive.hiderefs': ['!refs/pull/1'],
  })
  assert.equal(settings.fetch.filter.isAllowed, false)
  assert.equal(settings.fetch.allowsReachable, true)
  assert.equal(readGitSettings({}, {}).fetch.allowsReachable, false)
  assert.deepEqual(settings.hidden, { fetch: ['refs/pull'], push: ['refs/pull', '!refs/pull/1'] })
  assert.equal(settings.push.isEnabled, null)
})

test('subsections keep their spelling and their dots', () => {
  const config = { 'remote.My.Fork.url': ['https://example.org'], 'remote.b.url': ['x'], 'remote.pushdefault': ['b'] }
  assert.deepEqual(
    subsections(config, 'remote').map(({ name }) => name),
    ['My.Fork', 'b'],
  )
  const filters = readGitSettings({
    'uploadpackfilter.allow': ['false'],
    'uploadpackfilter.blob:none.allow': ['true'],
    'uploadpackfilter.tree.maxdepth': ['0'],
  }).fetch.filter
  assert.deepEqual([filters.fallback, filters.allowed.get('blob:none'), filters.treeMaxDepth], [false, true, 0])
})

test('what is compared with every ref is bounded, in number and in length', () => {
  for (const key of ['transfer.hideRefs', 'uploadpack.hideRefs', 'receive.hideRefs']) {
    assert.throws(() => changeSettings({}, { [key]: Array.from({ length: 101 }, (_, i) => `refs/${i}`) }), /more than 100 values/)
    assert.throws(() => changeSettings({}, { [key]: [`${'/'.repeat(1000)}x`] }), /1000 characters at most/)
    assert.deepEqual(Object.values(changeSettings({}, { [key]: ['refs/a'] })), [['refs/a']])
  }
  assert.equal(isHidden('refs/a', 'refs/a', [`${'/'.repeat(3_000_000)}x`]), false)
})

test('a slip of the pen is told what there is instead', () => {
  assert.throws(
    () => changeSettings({}, { 'receive.denyNonFastForward': ['true'] }),
    /no setting here; of receive there are: .*denynonfastforwards/,
  )
  assert.throws(() => changeSettings({}, { 'core.bare': ['true'] }), /no setting here; there are those of transfer, http, .*stemma/)
})

test('protected refs are no setting: whoever sets it is told where they are', () => {
  assert.throws(() => changeSettings({}, { 'stemma.protectedRefs': ['main'] }), { code: 'git-setting', message: /rules .*ref-rules/ })
})

test('a keep-alive longer than any timer is a long one, not one without a pause', () => {
  const { fetch, push } = readGitSettings({ 'uploadpack.keepalive': ['9999999'], 'receive.keepalive': ['9999999'] })
  assert.deepEqual([fetch.keepAliveMs, push.keepAliveMs], [2 ** 31 - 1, 2 ** 31 - 1])
})

test('the same text is read once', () => {
  const reader = new SettingsReader()
  assert.equal(reader.read({ 'receive.denydeletes': ['true'] }), reader.read({ 'receive.denydeletes': ['true'] }))
  assert.notEqual(reader.read({}), reader.read({ 'receive.denydeletes': ['true'] }))
})

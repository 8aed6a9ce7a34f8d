import assert from 'node:assert/strict'
import { test } from 'node:test'
import { advisoryJson, parseAdvisories, VersionRange } from './advisories.ts'

const osv = (events: readonly object[], more: object = {}) => ({
  id: 'GHSA-aaaa-bbbb-cccc',
  summary: 'Bad things',
  affected: [{ package: { ecosystem: 'npm', name: '@x/a' }, ranges: [{ type: 'SEMVER', events }] }],
  severity: [{ type: 'CVSS_V3', score: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' }],
  database_specific: { severity: 'MODERATE', cwe_ids: ['CWE-79'] },
  ...more,
})

test('ranges of OSV’s events', () => {
  const rangeOf = (...events: object[]) => parseAdvisories(osv(events)).map(({ vulnerableVersions }) => vulnerableVersions)
  assert.deepEqual(rangeOf({ introduced: '0' }, { fixed: '1.2.3' }), ['<1.2.3'])
  assert.deepEqual(rangeOf({ introduced: '1.0.0' }, { fixed: '1.2.3' }, { introduced: '2.0.0' }, { last_affected: '2.4.0' }), [
    '>=1.0.0 <1.2.3 || >=2.0.0 <=2.4.0',
  ])
  assert.deepEqual(rangeOf({ introduced: '3.0.0-beta.1' }), ['>=3.0.0-beta.1'])
  assert.deepEqual(rangeOf({ introduced: '0' }), ['*'])
})

test('a document of OSV’s, as npm’s clients take it', () => {
  const [one] = parseAdvisories(osv([{ introduced: '0' }, { fixed: '1.2.3' }]))
  assert.ok(one)
  const { id, ...told } = advisoryJson(one)
  assert.ok(Number.isSafeInteger(id) && id > 0)
  assert.deepEqual(told, {
    url: 'https://github.com/advisories/GHSA-aaaa-bbbb-cccc',
    title: 'Bad things',
    severity: 'moderate',
    vulnerable_versions: '<1.2.3',
    cwe: ['CWE-79'],
    cvss: { score: 0, vectorString: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' },
  })
  const range = new VersionRange(one)
  assert.deepEqual(
    ['1.2.2', '1.2.3', '1.2.3-rc.1', '0.0.1', 'none', `1.0.0-${'x'.repeat(300)}`].map((version) => range.has(version)),
    [true, false, true, true, false, false],
  )
})

test('npm’s own form, alone and in a list', () => {
  const mine = {
    id: 1179,
    name: 'minimist',
    title: 'Prototype pollution',
    severity: 'low',
    url: 'https://x/1',
    vulnerable_versions: '<0.2.1 || >=1.0.0 <1.2.3',
  }
  const [one, other] = parseAdvisories([mine, osv([{ introduced: '0' }])])
  assert.deepEqual([one?.id, one?.name, one?.severity, other?.name], [1179, 'minimist', 'low', '@x/a'])
})

test('what is withdrawn, or about something else, says nothing', () => {
  assert.deepEqual(parseAdvisories(osv([{ introduced: '0' }], { withdrawn: '2024-01-01T00:00:00Z' })), [])
  assert.deepEqual(parseAdvisories({ id: 'X-1', affected: [{ package: { ecosystem: 'PyPI', name: 'a' }, versions: ['1.0.0'] }] }), [])
  assert.deepEqual(
    parseAdvisories({ id: 'X-1', affected: [{ package: { ecosystem: 'npm', name: 'a' }, versions: ['1.0.0', '1.1.0'] }] })[0]
      ?.vulnerableVersions,
    '1.0.0 || 1.1.0',
  )
})

test('what is no advisory is refused', () => {
  for (const bad of [null, 1, 'x', {}, { id: 'x' }, { id: 1, name: 'a', vulnerable_versions: 'not a range' }, { vulnerable_versions: '*' }])
    assert.throws(() => parseAdvisories(bad), { code: 'bad-advisory' }, JSON.stringify(bad))
})

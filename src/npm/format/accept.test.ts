// Which form and coding a client gets for what it says.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codingWanted, formWanted } from './accept.ts'

test('the form that the client names', () => {
  for (const [accept, form] of [
    [undefined, 'full'],
    ['*/*', 'full'],
    ['application/json', 'full'],
    ['application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*', 'abbreviated'], // npm, pnpm
    ['application/vnd.npm.install-v1+json', 'abbreviated'],
    ['Application/VND.npm.install-v1+JSON;q=0.9', 'abbreviated'],
    ['application/json, application/vnd.npm.install-v1+json;q=0.5', 'full'],
    ['application/vnd.npm.install-v1+json;q=0', 'full'],
    ['application/vnd.npm.install-v2+json', 'full'],
    ['application/vnd.npm.install-v1+json;charset=utf-8; q=0.1, application/json;q=0.2', 'full'],
  ] as const)
    assert.equal(formWanted(accept), form, accept)
})

test('the smallest coding that the client takes', () => {
  for (const [accepted, coding] of [
    [undefined, 'identity'],
    ['', 'identity'],
    ['identity', 'identity'],
    ['gzip,deflate', 'gzip'], // npm
    ['gzip, deflate, br', 'br'],
    ['gzip, deflate, br, zstd', 'br'],
    ['x-gzip', 'gzip'],
    ['br;q=0.5, gzip', 'gzip'],
    ['gzip;q=0', 'identity'],
    ['gzip;q=0.000, br;q=0', 'identity'],
    ['*', 'br'],
    ['br;q=0, *', 'gzip'],
    ['identity, gzip;q=0.5', 'identity'],
    ['gzip;q=x', 'gzip'],
    [',;,;q=1,', 'identity'],
  ] as const)
    assert.equal(codingWanted(accepted), coding, accepted)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { linkHeader, pageOf } from './paging.ts'

const url = 'http://h/api/v3/user/repos?type=owner&page=9&per_page=2'

test('numbers are drawn into their range', () => {
  assert.deepEqual(pageOf({}), { page: 1, perPage: 30 })
  assert.deepEqual(pageOf({ page: 0, per_page: 1000 }), { page: 1, perPage: 100 })
  assert.deepEqual(pageOf({ page: -5, per_page: 0 }), { page: 1, perPage: 1 })
})

test('links lead to the neighbours and ends, and keep the query', () => {
  const relations = (page: number, total: number) => {
    const header = linkHeader(url, { page, perPage: 2 }, total)
    return header
      ?.split(', ')
      .map((link) => link.replace(/^<(.*)>; rel="(.*)"$/, (_all, to, relation) => `${relation} ${new URL(to).searchParams.get('page')}`))
  }
  assert.equal(linkHeader(url, { page: 1, perPage: 2 }, 2), null)
  assert.equal(linkHeader(url, { page: 1, perPage: 2 }, 0), null)
  assert.deepEqual(relations(1, 5), ['next 2', 'last 3'])
  assert.deepEqual(relations(2, 5), ['prev 1', 'next 3', 'last 3', 'first 1'])
  assert.deepEqual(relations(3, 5), ['prev 2', 'first 1'])
  assert.deepEqual(relations(9, 5), ['prev 3', 'first 1'])
  assert.match(linkHeader(url, { page: 1, perPage: 2 }, 3) ?? '', /type=owner&page=2&per_page=2/)
})

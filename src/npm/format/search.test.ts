// What is searched for, and by which words packages are found.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nameWordsOf, parseSearch, tsQueryOf, wordsOf } from './search.ts'

test('words and qualifiers', () => {
  const none = { words: [], keywords: [], authors: [], maintainers: [], scopes: [], text: '' }
  assert.deepEqual(parseSearch(''), none)
  assert.deepEqual(parseSearch('  Foo-Bar keywords:A,b author:Ann maintainer:Bob scope:@types not:unstable scope:x'), {
    words: ['foo', 'bar'],
    keywords: ['a', 'b'],
    authors: ['ann'],
    maintainers: ['bob'],
    scopes: ['types', 'x'],
    text: 'foo-bar',
  })
  assert.deepEqual(parseSearch('keywords: __proto__:x'), { ...none, words: ['keywords', 'proto', 'x'], text: 'keywords: __proto__:x' })
  assert.ok(parseSearch('a b '.repeat(1000)).words.length <= 2)
  assert.ok(parseSearch(Array.from({ length: 500 }, (_, n) => n).join(' ')).words.length <= 20)
})

test('words are letters and digits, so that they mean nothing to a query', () => {
  assert.deepEqual(wordsOf(`it's: "a" & b | !(c) <-> 'd' \\ é ünï 日本`), ['it', 's', 'a', 'b', 'c', 'd', 'é', 'ünï', '日本'])
  assert.equal(tsQueryOf(['a', 'b2']), `'a':* & 'b2':*`)
  assert.equal(tsQueryOf([]), null)
  assert.equal(wordsOf('x'.repeat(5000))[0]?.length, 100)
})

test('a name is found by its parts, and written together', () => {
  assert.deepEqual(nameWordsOf('@acme/foo-bar.js'), ['acme', 'foo', 'bar', 'js', 'foobarjs'])
  assert.deepEqual(nameWordsOf('lodash'), ['lodash'])
})

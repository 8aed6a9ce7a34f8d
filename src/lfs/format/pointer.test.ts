import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePointer } from './pointer.ts'

const digest = '4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393'
const parse = (text: string) => parsePointer(Buffer.from(text))

test('pointers of the specification, with extensions, without a last line end, and of old names', () => {
  assert.deepEqual(parse(`version https://git-lfs.github.com/spec/v1\noid sha256:${digest}\nsize 12345\n`), [digest])
  assert.deepEqual(
    parse(`version https://git-lfs.github.com/spec/v1\next-0-foo sha256:${'0'.repeat(64)}\noid sha256:${digest}\nsize 1\n`),
    [digest],
  )
  assert.deepEqual(parse(`version https://git-lfs.github.com/spec/v1\r\noid sha256:${digest}\r\nsize 1\r\n`), [digest])
  assert.deepEqual(parse(`version https://hawser.github.com/spec/v1\nsize 5\noid sha256:${digest}`), [digest])
})

test('what git-lfs takes for a pointer, though its specification does not: blank lines around and inside, extensions before the version', () => {
  const version = 'version https://git-lfs.github.com/spec/v1'
  for (const text of [
    `\n${version}\noid sha256:${digest}\nsize 1\n`,
    ` \t\r\n ${version}\noid sha256:${digest}\nsize 1\n\n \n`,
    `${version}\n\n\noid sha256:${digest}\n\nsize 1`,
    `ext-0-foo sha256:${'0'.repeat(64)}\n${version}\noid sha256:${digest}\nsize 1\n`,
  ])
    assert.deepEqual(parse(text), [digest], JSON.stringify(text))
})

test('other files are none', () => {
  for (const text of [
    '',
    'version 2\n',
    `version https://git-lfs.github.com/spec/v1\noid sha256:${digest.slice(1)}\nsize 1\n`,
    `version https://git-lfs.github.com/spec/v1\noid md5:${digest}\nsize 1\n`,
    `version https://git-lfs.github.com/spec/v1\noid sha256:${digest}\nsize 1\n${'x'.repeat(1024)}`,
  ])
    assert.deepEqual(parse(text), [], text)
})

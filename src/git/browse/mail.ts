// A commit as a mail that `git am` takes: `git format-patch --stdout`, without the summary of files.
import { concatBytes } from '../../base/index.ts'
import type { CommitValue, Person } from './commit-value.ts'

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** @param diff as `git diff` prints it */
export function formatPatch(commit: CommitValue, diff: Uint8Array): Uint8Array {
  const [subject, body] = splitMessage(commit.message)
  const head = [
    `From ${commit.oid} Mon Sep 17 00:00:00 2001`,
    `From: ${address(commit.author)}`,
    `Date: ${mailDate(commit.author?.seconds ?? 0)}`,
    `Subject: [PATCH] ${encoded(subject)}`,
    ...(isAscii(body) ? [] : ['MIME-Version: 1.0', 'Content-Type: text/plain; charset=UTF-8', 'Content-Transfer-Encoding: 8bit']),
    '',
    ...(body === '' ? [] : [body]),
    '---',
    '',
    '',
  ].join('\n')
  return concatBytes([Buffer.from(head, 'utf8'), diff, Buffer.from('-- \nStemma\n\n', 'latin1')])
}

/** The first paragraph is the subject. */
function splitMessage(message: string): [subject: string, body: string] {
  const end = message.search(/\n\s*\n/)
  const subject = end < 0 ? message : message.slice(0, end)
  return [
    subject.replaceAll(/\s*\n\s*/g, ' ').trim(),
    end < 0
      ? ''
      : message
          .slice(end)
          .replace(/^\s*\n/, '')
          .trimEnd(),
  ]
}

function address(person: Person | null): string {
  const name = person?.name ?? ''
  const shown = !isAscii(name) ? encoded(name) : /[()<>[\]:;@\\,."]/.test(name) ? `"${name.replaceAll(/["\\]/g, '\\$&')}"` : name
  return `${shown} <${person?.email ?? ''}>`
}

/** RFC 2047 where it has to be. */
function encoded(text: string): string {
  if (isAscii(text)) return text
  const words: string[] = []
  let word = ''
  for (const char of text) {
    const bytes = [...Buffer.from(char, 'utf8')]
    const shown = /^[A-Za-z0-9]$/.test(char) ? char : bytes.map((byte) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
    if (word.length + shown.length > 60) {
      words.push(word)
      word = ''
    }
    word += shown
  }
  return [...words, word].map((part) => `=?UTF-8?q?${part}?=`).join('\n ')
}

function isAscii(text: string): boolean {
  // oxlint-disable-next-line no-control-regex
  return /^[\x00-\x7f]*$/.test(text)
}

/** RFC 2822, in UTC. */
function mailDate(seconds: number): string {
  const date = new Date(Math.min(seconds, 8.64e12) * 1000)
  const two = (value: number) => String(value).padStart(2, '0')
  const day = `${days[date.getUTCDay()]}, ${date.getUTCDate()} ${months[date.getUTCMonth()]} ${date.getUTCFullYear()}`
  return `${day} ${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} +0000`
}

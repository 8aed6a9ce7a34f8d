// Names in trees are bytes. Inside they are text of one character for each byte; outside, what these say in UTF-8.
import { latin1, utf8 } from '../../base/index.ts'
import { decodeText } from '../format/header-block.ts'

/** What is no UTF-8 is taken for Latin-1. */
export function pathText(path: string): string {
  return decodeText(Buffer.from(path, 'latin1'))
}

export function bytewise(text: string): string {
  return latin1(utf8(text))
}

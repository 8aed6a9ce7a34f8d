// Scopes of Docker's token authentication (distribution, docs/spec/auth/scope.md): `repository:owner/image:pull,push`. What isn't one of ours is passed over, as
// whoever asks may ask for more than there is.
import { type ImageName, parseImageName } from './names.ts'

type Word = 'pull' | 'push' | 'delete'

export interface WantedScope {
  readonly name: ImageName
  readonly actions: readonly Word[]
}

const words: readonly Word[] = ['pull', 'push', 'delete']
/** A client that copies between images asks for a few at once. */
const mostScopes = 32

/** @param texts values of `scope`, each of which may hold several, parted by spaces; null: too many */
export function parseWantedScopes(texts: readonly string[]): readonly WantedScope[] | null {
  const parts = texts.flatMap((text) => text.split(' ')).filter((part) => part !== '')
  if (parts.length > mostScopes) return null
  return parts.flatMap((part) => {
    // the type may have a class behind it: repository(plugin)
    const [, path = '', actions = ''] = /^repository(?:\([a-z0-9]+\))?:([^:]+):([a-z*,]*)$/.exec(part) ?? []
    const name = parseImageName(path)
    const wanted = actions.split(',')
    return name === null ? [] : [{ name, actions: words.filter((word) => wanted.includes('*') || wanted.includes(word)) }]
  })
}

/** What a client has to ask for to do that. */
export function scopeFor(action: string, { text }: Pick<ImageName, 'text'>): string {
  const needed = action === 'package:write' ? 'pull,push' : action === 'package:delete' ? 'delete' : 'pull'
  return `repository:${text}:${needed}`
}

// Object ids and formats: the two hash functions Git names objects by, and the four kinds of object.

/** Which hash names a repository's objects (`extensions.objectFormat`). */
export type ObjectFormat = 'sha1' | 'sha256'

/** Lowercase hex of an object's hash: 40 characters (SHA-1) or 64 (SHA-256). In bulk, ids are packed bytes instead. */
export type ObjectId = string & { readonly __brand: 'ObjectId' }

/** Bytes of an object id. */
export function hashBytes(format: ObjectFormat): 20 | 32 {
  return format === 'sha1' ? 20 : 32
}

/** The id that stands for "none" in ref commands. */
export function zeroId(format: ObjectFormat): ObjectId {
  return '0'.repeat(hashBytes(format) * 2) as ObjectId
}

/** The id in that text, or null when it isn't exactly one id of the format in lowercase hex. */
export function parseObjectId(text: string, format: ObjectFormat): ObjectId | null {
  return text.length === hashBytes(format) * 2 && /^[0-9a-f]+$/.test(text) ? (text as ObjectId) : null
}

/** Object kinds, by their number in packs (gitformat-pack(5)). */
export const Kind = { commit: 1, tree: 2, blob: 3, tag: 4 } as const
export type Kind = (typeof Kind)[keyof typeof Kind]

const names: Record<Kind, KindName> = { 1: 'commit', 2: 'tree', 3: 'blob', 4: 'tag' }
export type KindName = 'commit' | 'tree' | 'blob' | 'tag'

/** `commit`, `tree`, `blob` or `tag`. */
export function kindName(kind: Kind): KindName {
  return names[kind]
}

// Places of images' upstreams: segments that names begin with. Pure.

/** Of a name, as the distribution-spec has it. */
const segments = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/

export const placeGrammar = {
  isPath: (path: string) => segments.test(path),
  isUrlPath: (path: string) => segments.test(path) && !/^v2(\/|$)/.test(path),
  placeWords: 'OWNER nor OWNER/NAME…: names are small letters, digits and . _ -',
  urlWords: 'https://HOST, or https://HOST/PATH for the images below that path, without /v2/, user or query',
}

/** What is behind the place in the name, or null where the name is not below it. */
export function behind(path: string, name: string): string | null {
  if (path === '') return name
  return name.startsWith(`${path}/`) ? name.slice(path.length + 1) : null
}

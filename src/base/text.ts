// Small pure functions over text that somebody else has written.

/**
 * The text without those characters at its end. In time that goes with what is taken away; a regular expression like `/x+$/` tries every run of x
 * anywhere in the text to its end, which takes the square of its length.
 */
export function withoutEnd(text: string, characters: string): string {
  let end = text.length
  while (end > 0 && characters.includes(text[end - 1] as string)) end--
  return text.slice(0, end)
}

// The few pages of signing in, as HTML without scripts. Whatever is put into them is escaped here.

/** Text that is HTML already. */
export class Html {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** Escapes what it is given, but for HTML that was made here. */
export function html(parts: TemplateStringsArray, ...values: readonly (string | Html | null)[]): Html {
  const shown = (value: string | Html | null | undefined) => (value instanceof Html ? value.text : escaped(value ?? ''))
  return new Html(parts.map((part, at) => part + shown(values[at])).join(''))
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

/** A whole page. */
export function page(title: string, content: Html): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 26rem; margin: 3rem auto; padding: 0 1rem; color: #1b1f24; background: #fff }
h1 { font-size: 1.4rem }
label { display: block; margin: .8rem 0 }
input { display: block; width: 100%; box-sizing: border-box; font: inherit; padding: .4rem; border: 1px solid #8c959f; border-radius: 4px }
button, .button { font: inherit; padding: .4rem 1rem; border: 1px solid #1b1f24; border-radius: 4px; background: #fff; color: inherit; text-decoration: none; cursor: pointer }
button.yes { background: #1b1f24; color: #fff }
dt { color: #57606a }
dd { margin: 0 0 .4rem; overflow-wrap: anywhere }
.fault { border-left: 4px solid #b35900; padding-left: .6rem }
@media (prefers-color-scheme: dark) { body, button, .button { background: #0d1117; color: #e6edf3; border-color: #8c959f } input { background: #161b22; color: inherit } button.yes { background: #e6edf3; color: #0d1117 } dt { color: #9da7b3 } }
</style>
</head>
<body>
<main>
<h1>${title}</h1>
${content}
</main>
</body>
</html>
`.text
}

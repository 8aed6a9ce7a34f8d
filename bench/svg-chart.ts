// Line charts as SVG, one panel below the other over one axis. No more than the benchmarks need.

export interface Panel {
  readonly title: string
  readonly lines: readonly { readonly name: string; readonly points: readonly (readonly [x: number, y: number])[] }[]
}

const width = 760
const panelHeight = 190
const left = 90
const right = 20
const top = 34
const colours = ['#1f6feb', '#d29922', '#2da44e', '#cf222e']

export function svgChart(title: string, xTitle: string, panels: readonly Panel[]): string {
  const height = 40 + panels.length * (panelHeight + top) + 30
  const most = Math.max(1, ...panels.flatMap(({ lines }) => lines.flatMap(({ points }) => points.map(([x]) => x))))
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    text(left, 24, title, 'font-size="15"'),
    ...panels.map((panel, i) => drawPanel(panel, 40 + i * (panelHeight + top) + top, most)),
    text((width + left) / 2, height - 10, xTitle, 'text-anchor="middle"'),
    '</svg>',
  ]
  return `${parts.join('\n')}\n`
}

function drawPanel({ title, lines }: Panel, y: number, mostX: number): string {
  const mostY = Math.max(1e-9, ...lines.flatMap(({ points }) => points.map(([, value]) => value)))
  const px = (x: number) => left + ((width - left - right) * x) / mostX
  const py = (value: number) => y + panelHeight - (panelHeight * value) / mostY
  const parts = [text(left, y - 8, title, 'font-weight="bold"')]
  for (const part of [0, 0.5, 1]) {
    parts.push(`<path d="M${left} ${py(mostY * part).toFixed(1)}H${width - right}" stroke="#d0d7de"/>`)
    parts.push(text(left - 6, py(mostY * part) + 4, label(mostY * part), 'text-anchor="end"'))
    parts.push(text(px(mostX * part), y + panelHeight + 14, label(mostX * part), 'text-anchor="middle"'))
  }
  for (const [i, { name, points }] of lines.entries()) {
    const colour = colours[i % colours.length] as string
    const path = points.map(([x, value], n) => `${n === 0 ? 'M' : 'L'}${px(x).toFixed(1)} ${py(value).toFixed(1)}`).join('')
    parts.push(`<path d="${path}" fill="none" stroke="${colour}" stroke-width="1.5"/>`)
    parts.push(text(width - right - 150 * (lines.length - i) + 40, y - 8, name, `fill="${colour}"`))
  }
  return parts.join('\n')
}

function label(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

function text(x: number, y: number, content: string, attributes = ''): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escaped}</text>`
}

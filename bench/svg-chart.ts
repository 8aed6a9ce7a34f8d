// Line charts as SVG, one panel below the other over one axis. No more than the benchmarks need.

export interface Panel {
  readonly title: string
  readonly lines: readonly { readonly name: string; readonly points: readonly (readonly [x: number, y: number])[] }[]
}

const width = 760
const panelHeight = 180
const left = 70
const right = 24
/** From a panel to the next one. */
const gap = 44
const head = 76
const colours = ['#1f6feb', '#d29922', '#2da44e', '#cf222e']

export function svgChart(title: string, xTitle: string, panels: readonly Panel[]): string {
  const bottom = head + panels.length * (panelHeight + gap) - gap
  const ticks = roundTicks(Math.max(...panels.flatMap(({ lines }) => lines.flatMap(({ points }) => points.map(([x]) => x)))))
  const px = (x: number) => left + ((width - left - right) * x) / (ticks.at(-1) as number)
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${bottom + 52}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${bottom + 52}" fill="white"/>`,
    text(left, 26, title, 'font-size="15"'),
    ...panels.map((panel, i) => drawPanel(panel, head + i * (panelHeight + gap), px)),
    ...ticks.map((x) => text(px(x), bottom + 18, label(x), 'text-anchor="middle"')),
    text((width + left - right) / 2, bottom + 40, xTitle, 'text-anchor="middle"'),
    '</svg>',
  ]
  return `${parts.join('\n')}\n`
}

function drawPanel({ title, lines }: Panel, y: number, px: (x: number) => number): string {
  const ticks = roundTicks(Math.max(...lines.flatMap(({ points }) => points.map(([, value]) => value))))
  const py = (value: number) => y + panelHeight - (panelHeight * value) / (ticks.at(-1) as number)
  const parts = [text(left, y - 12, title, 'font-weight="bold"')]
  for (const value of ticks) {
    parts.push(`<path d="M${left} ${py(value).toFixed(1)}H${width - right}" stroke="#d0d7de"/>`)
    parts.push(text(left - 8, py(value) + 4, label(value), 'text-anchor="end"'))
  }
  for (const [i, { name, points }] of lines.entries()) {
    const colour = colours[i % colours.length] as string
    const path = points.map(([x, value], n) => `${n === 0 ? 'M' : 'L'}${px(x).toFixed(1)} ${py(value).toFixed(1)}`).join('')
    parts.push(`<path d="${path}" fill="none" stroke="${colour}" stroke-width="1.5"/>`)
    parts.push(text(width - right - 110 * (lines.length - 1 - i), y - 12, name, `fill="${colour}" text-anchor="end"`))
  }
  return parts.join('\n')
}

/** From 0 to the first round number that isn't below `most`, in steps of 1, 2 or 5 times a power of ten. */
function roundTicks(most: number): number[] {
  const about = Math.max(most, 1e-9) / 4
  const power = 10 ** Math.floor(Math.log10(about))
  const step = power * ([1, 2, 5, 10].find((one) => one * power >= about) as number)
  return Array.from({ length: Math.max(1, Math.ceil(most / step)) + 1 }, (_, i) => i * step)
}

function label(value: number): string {
  return Number(value.toPrecision(6)).toLocaleString('en')
}

function text(x: number, y: number, content: string, attributes = ''): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escaped}</text>`
}

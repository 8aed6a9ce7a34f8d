// `--profile`: where the server's time went, from the CPU profiles that Node writes for each of its threads when it ends.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

/** The environment of a server that is to be profiled. */
export function profileEnvironment(folder: string): Readonly<Record<string, string>> {
  return { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${folder} --cpu-prof-interval 200` }
}

/** For each thread the functions with the most time of their own, in milliseconds; idle time left out. */
export function profileHints(folder: string, most = 15): string {
  const lines: string[] = []
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.cpuprofile'))) {
    const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as CpuProfile
    const nameOf = new Map(
      nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => {
        const file = url.replace(/^.*\/(?=src\/|node_modules\/)/, '')
        return [id, `${functionName || '(anonymous)'} ${file === '' ? '' : `${file}:${lineNumber + 1}`}`.trim()]
      }),
    )
    const own = new Map<string, number>()
    samples.forEach((id, at) => {
      const function_ = nameOf.get(id) ?? '?'
      own.set(function_, (own.get(function_) ?? 0) + (timeDeltas[at] ?? 0) / 1000)
    })
    const busy = [...own].filter(([function_]) => !/^\((idle|program|root)\)/.test(function_)).toSorted((a, b) => b[1] - a[1])
    const total = busy.reduce((sum, [, ms]) => sum + ms, 0)
    lines.push(`\n${name}: ${total.toFixed(0)} ms`)
    for (const [function_, ms] of busy.slice(0, most)) lines.push(`${ms.toFixed(1).padStart(9)}  ${function_}`)
  }
  return lines.join('\n')
}

// Ten clients in a registry that collects without a pause and without delay: errors that clients see, and what is lost or left (tests/support/registry-stress/).
//   bin/node bench/oci-gc-stress.ts --seconds 600 --seed 1 --out bench/results/2026-11-27-oci-gc.md
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { stress, type StressReport } from '../tests/support/registry-stress/index.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    seed: { type: 'string', default: '1' },
    clients: { type: 'string', default: '10' },
    lease: { type: 'string', default: '20000' },
    out: { type: 'string' },
  },
})
const [seconds, seed, clients, leaseMs] = [values.seconds, values.seed, values.clients, values.lease].map(Number) as [
  number,
  number,
  number,
  number,
]
const folder = mkdtempSync(join(tmpdir(), 'stemma-gc-stress-'))
try {
  const progress = (text: string): void => console.error(text)
  const report = await stress({ seed, clients, seconds, leaseMs, pauseMs: leaseMs / 40, data: join(folder, 'data'), progress })
  const text = tell(report)
  console.log(text)
  if (values.out !== undefined) writeFileSync(values.out, text)
  const isClean = report.faults.length === 0 && Object.values(report.leftovers).every((count) => count === 0)
  process.exitCode = isClean ? 0 : 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function tell({ requests, counts, faults, leftovers, collected, kept }: StressReport): string {
  const table = (rows: readonly (readonly [string, number])[]) =>
    rows.map(([what, count]) => `| ${what} | ${count.toLocaleString('en')} |`).join('\n')
  return `# The registry's collection under stress

\`bench/oci-gc-stress.ts\`: ${clients} clients for ${seconds} s, seed ${seed}, leases of ${leaseMs / 1000} s, no delays (blobs and untagged manifests are due at once), the server's own collection
each second and another one without a pause. Clients leave out what \`HEAD\` says is there, think up to ${leaseMs / 40} ms after each blob, and push the manifest last. At the end each pulls all
that it has not taken away, and the database is compared with what tags lead to.

| | |
| --- | ---: |
${table([
  ['requests', requests],
  ['**errors that a client saw**', faults.length],
  ['tags that must be there at the end, pulled byte for byte', kept],
  ['manifests collected', collected.manifests],
  ['blobs collected', collected.blobs],
  ['passes of collection', collected.passes],
])}

| lost or left at the end | |
| --- | ---: |
${table(Object.entries(leftovers))}

| what clients did | |
| --- | ---: |
${table(Object.entries(counts))}
${
  faults.length === 0
    ? ''
    : `\n## Errors\n${faults
        .slice(0, 20)
        .map((fault) => `- client ${fault.client}: ${fault.what}: ${fault.status} ${fault.text}`)
        .join('\n')}\n`
}`
}

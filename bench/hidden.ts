// Whether time tells a private repository from a missing one: the same request about each in turn, by a caller who may know of neither, and once more about
// two missing ones, which is the noise.
//   bin/node bench/hidden.ts [--rounds 3000] [--out FILE.md]
import { writeFileSync } from 'node:fs'
import { createRepository } from '../src/access/index.ts'
import { makeAccount } from '../tests/support/accounts.ts'
import { openFaces } from '../tests/support/faces.ts'
import { benchArguments } from './arguments.ts'
import { conditions, markdownTable } from './table.ts'

const { out, values } = benchArguments([], ['rounds'])
const rounds = Number(values('rounds')[0] ?? 3000)
const faces = await openFaces()
const [owner, stranger] = [await makeAccount(faces.db, 'olive'), await makeAccount(faces.db, 'sam')]
await createRepository(faces.db, { ownerId: owner.id, name: 'private', visibility: 'private' })

const urls: Readonly<Record<string, (owner: string, name: string) => string>> = {
  'API, repository': (login, name) => `/api/v3/repos/${login}/${name}`,
  'git, refs': (login, name) => `/${login}/${name}.git/info/refs?service=git-upload-pack`,
}
const callers = { stranger: { authorization: `Bearer ${stranger.token}` }, anonymous: {} }
const rows: string[][] = []

async function ask(url: string, headers: Readonly<Record<string, string>>): Promise<number> {
  const start = performance.now()
  const { statusCode } = await faces.listener.inject({ url, headers })
  const us = (performance.now() - start) * 1000
  if (statusCode !== 404 && statusCode !== 401) throw new Error(`${url}: ${statusCode}`)
  return us
}

/** Sorted. */
const at = (sorted: readonly number[], share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN

for (const [what, urlOf] of Object.entries(urls)) {
  for (const [who, headers] of Object.entries(callers)) {
    const things = { private: urlOf('olive', 'private'), missing: urlOf('olive', 'missing'), noise: urlOf('olive', 'mislaid') }
    const times: Record<keyof typeof things, number[]> = { private: [], missing: [], noise: [] }
    for (let round = -200; round < rounds; round++) {
      // in turn, and each first as often as the others
      const names = Object.keys(things) as (keyof typeof things)[]
      const turned = [...names.slice(Math.abs(round) % 3), ...names.slice(0, Math.abs(round) % 3)]
      for (const name of turned) {
        const us = await ask(things[name], headers)
        if (round >= 0) times[name].push(us)
      }
    }
    for (const list of Object.values(times)) list.sort((a, b) => a - b)
    const { private: hidden, missing, noise } = times
    const ratio = (a: readonly number[], b: readonly number[]) => (at(a, 0.5) / at(b, 0.5)).toFixed(3)
    const shown = (list: readonly number[]) => `${at(list, 0.5).toFixed(0)} / ${at(list, 0.9).toFixed(0)}`
    rows.push([what, who, shown(hidden), shown(missing), shown(noise), ratio(hidden, missing), ratio(noise, missing)])
    console.log(rows.at(-1)?.join(' | '))
  }
}
await faces.close()

const head = ['request', 'caller', 'private, µs p50 / p90', 'missing', 'another missing', 'private ÷ missing (p50)', 'noise (p50)']
const text = `# Private and missing, in time\n\n${conditions()}\n${rounds} rounds, in turn, in the server's own process (no network).\n\n${markdownTable(head, rows)}\n`
if (out === null) console.log(text)
else writeFileSync(out, text)

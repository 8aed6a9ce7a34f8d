// A query that is built once. To build one and print it as SQL takes kysely longer than to send it and read what PostgreSQL answers: what every
// request asks is fixed.
import type { Compilable, CompiledQuery } from 'kysely'
import type { Queries } from './database.ts'

export type Fixed<P extends readonly unknown[], O> = (queries: Queries, ...parameters: P) => Promise<readonly O[]>

/**
 * The query that `build` makes, run with other parameters each time; its rows. `build` runs once, at the first call, with stand-ins for the
 * parameters, which it may only use as values of the query.
 */
export function fixedQuery<P extends readonly unknown[], O>(build: (queries: Queries, ...parameters: P) => Compilable<O>): Fixed<P, O> {
  let known: { readonly compiled: CompiledQuery<O>; readonly places: readonly number[] } | null = null
  return async (queries, ...parameters) => {
    known ??= compile(queries, build, parameters.length)
    const { compiled, places } = known
    const values = compiled.parameters.map((value, i) => (places[i] === -1 ? value : parameters[places[i] as number]))
    return (await queries.executeQuery<O>({ ...compiled, parameters: values })).rows
  }
}

/** `places`: which parameter stands at each place of the SQL; -1: a value of the query's own. */
export function compile<P extends readonly unknown[], O>(
  queries: Queries,
  build: (queries: Queries, ...parameters: P) => Compilable<O>,
  count: number,
) {
  const standIns: readonly unknown[] = Array.from({ length: count }, (_, place) => ({ place }))
  const compiled = build(queries, ...(standIns as P)).compile()
  const places = compiled.parameters.map((value) => standIns.indexOf(value))
  if (standIns.some((_, place) => !places.includes(place))) throw new Error('a parameter of a fixed query is not used as it is')
  return { compiled, places }
}

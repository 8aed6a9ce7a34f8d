// Schemas as the document has them: those with a name stand once among its components, and are referred to from everywhere else.

export type JsonObject = { [name: string]: unknown }

export class Components {
  readonly #names: ReadonlyMap<string, string>
  readonly #schemas = new Map<string, unknown>()

  constructor(names: ReadonlyMap<string, string>) {
    this.#names = names
  }

  /** The schema, or where it stands. */
  refer(schema: unknown): unknown {
    if (typeof schema !== 'object' || schema === null) return schema
    const name = this.#names.get(JSON.stringify(schema))
    if (name === undefined) return this.#inner(schema)
    if (!this.#schemas.has(name)) {
      this.#schemas.set(name, null) // its place is known while what it holds is looked at
      this.#schemas.set(name, this.#inner(schema))
    }
    return { $ref: `#/components/schemas/${name}` }
  }

  /** By name. Complete when everything was referred to. */
  get schemas(): JsonObject {
    return Object.fromEntries([...this.#schemas].sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  #inner(schema: object): unknown {
    if (Array.isArray(schema)) return schema.map((item) => this.refer(item))
    const entries = Object.entries(schema).map(([key, value]) => [key, key === 'enum' || key === 'required' ? value : this.refer(value)])
    const copy = Object.fromEntries(entries) as JsonObject
    const isOfStrings = Array.isArray(copy.enum) && copy.enum.every((value) => typeof value === 'string')
    return isOfStrings && copy.type === undefined ? { type: 'string', ...copy } : copy
  }
}

// Stands between a node's connections and PostgreSQL: each statement, BEGIN, COMMIT and ROLLBACK too, passes through whoever claimed the connection's
// application_name. So the product's own pool, transactions and handling of broken connections are what is tested.
import pg from 'pg'

/** Of one node. */
export interface StatementGate {
  /** Sends it, or doesn't, or sends it and tells something else. */
  statement(connection: Connection, text: string, send: () => Promise<unknown>): Promise<unknown>
  /** While a connection is being made. */
  connecting(connection: Connection, connect: () => Promise<unknown>): Promise<unknown>
}

export interface Connection {
  /** PostgreSQL's process behind it. */
  readonly process: number | null
  /** As when the network, or the other end, went away. */
  cut(): void
}

type Sending = (this: pg.Client, ...args: unknown[]) => unknown

const gates = new Map<string, StatementGate>()
const connections = new WeakMap<pg.Client, Connection>()
let isInstalled = false

/** @returns what ends it */
export function claimStatements(applicationName: string | null, gate: StatementGate): () => void {
  if (applicationName === null) return () => {}
  install()
  gates.set(applicationName, gate)
  return () => void gates.delete(applicationName)
}

/** As Node tells of a connection that broke. */
export function brokenConnection(): Error {
  return Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read' })
}

function gateOf(client: pg.Client): StatementGate | undefined {
  const { connectionParameters } = client as unknown as { connectionParameters: { application_name?: string } }
  return gates.get(connectionParameters.application_name ?? '')
}

function connectionOf(client: pg.Client): Connection {
  const known = connections.get(client) ?? {
    get process() {
      return (client as unknown as { processID: number | null }).processID
    },
    cut: () => void client.connection.stream.destroy(),
  }
  connections.set(client, known)
  return known
}

function install(): void {
  if (isInstalled) return
  isInstalled = true
  const prototype = pg.Client.prototype as unknown as { query: Sending; connect: Sending }
  const { query, connect } = prototype
  prototype.query = function (this: pg.Client, ...args: unknown[]) {
    const gate = gateOf(this)
    // with a callback it is the pool's own question
    if (!gate || typeof args.at(-1) === 'function') return query.apply(this, args)
    const [first] = args
    const text = typeof first === 'string' ? first : (first as { text: string }).text
    return gate.statement(connectionOf(this), text, () => query.apply(this, args) as Promise<unknown>)
  }
  prototype.connect = function (this: pg.Client, ...args: unknown[]) {
    const gate = gateOf(this)
    const [told] = args
    if (!gate) return connect.apply(this, args)
    const connecting = gate.connecting(connectionOf(this), () => connect.apply(this, []) as Promise<unknown>)
    if (typeof told !== 'function') return connecting
    connecting.then(
      () => (told as (error: Error | null, client?: pg.Client) => void)(null, this),
      (error: Error) => (told as (error: Error | null) => void)(error),
    )
    return undefined
  }
}

// One simulated run: two nodes on one database and one bucket, some twenty activities, with repositories or images or both, everything that can go wrong, out of one seed; then the judge.
import { createRepository, type Repository, findRepository } from '../../../src/access/index.ts'
import { CorruptError, InputError, type Log, makeLog, UnavailableError } from '../../../src/base/index.ts'
import { Seeded } from '../../support/seeded.ts'
import { type Act, commonActs, repositoryActs } from './acts.ts'
import { chooseOdds, type Odds, quiet } from './faults.ts'
import { imageActs } from './image-acts.ts'
import { SimulatedImages } from './images.ts'
import { type NodePool, SimulatedNode } from './node.ts'
import { SimulatedObjects } from './objects.ts'
import { type Known, type Push, readRefs } from './repositories.ts'
import { type Activity, Turns } from './turns.ts'
import type { Seat, World } from './world.ts'

/** Activities at a time. */
const mostAtOnce = 4

export class SimulatedRun {
  readonly seed: number
  readonly world: World
  /** For what goes wrong. */
  readonly random: Seeded
  readonly objects = new SimulatedObjects()
  readonly turns: Turns
  readonly odds: Odds
  readonly late = new Set<() => Promise<void>>()
  readonly repositories: Known[] = []
  readonly pushes: Push[] = []
  readonly images = new SimulatedImages()
  readonly hasRepositories: boolean
  readonly hasImages: boolean
  /** What happened that the turns don't tell. */
  readonly faults: string[] = []
  forks = 0
  /** How many of each kind were begun. */
  readonly begun = new Map<string, number>()
  /** Grows when leases and graces end early, and when purges begin and end: who holds old packs then meets keys that are gone. */
  disturbances = 0
  purges = 0
  networkId = ''
  /** For what is done. */
  readonly #plan: Seeded
  readonly #log: Log
  readonly #tailBytes: number
  #nodes: SimulatedNode[] = []
  readonly #dead: SimulatedNode[] = []
  /** Disturbances when an activity began. */
  readonly #since = new WeakMap<Activity, number>()
  readonly #acts: readonly (readonly [share: number, name: string, act: Act])[]
  #actsLeft: number
  #pushesFirst = 4

  constructor(world: World, seed: number) {
    this.world = world
    this.seed = seed
    this.random = new Seeded(seed)
    this.odds = chooseOdds(this.random)
    this.#plan = new Seeded(this.random.below(2 ** 31))
    this.turns = new Turns(new Seeded(this.random.below(2 ** 31)), () => world.lockedProcesses())
    this.#tailBytes = this.random.pick([0, 1500, 4000, 256 << 10])
    const matter = this.random.pick(['repositories', 'repositories', 'images', 'images', 'both'])
    this.hasRepositories = matter !== 'images'
    this.hasImages = matter !== 'repositories'
    this.#acts = [...commonActs, ...(this.hasRepositories ? repositoryActs : []), ...(this.hasImages ? imageActs : [])]
    this.#actsLeft = 12 + this.random.below(14) + (this.hasImages ? 10 : 0)
    this.#log = alarming((message, error) => {
      this.tell(`logged: ${message}: ${String(error)}`)
      this.#judgeError(error, message)
    })
  }

  /** Notes what must not be. */
  fault(what: string): void {
    this.faults.push(what)
    this.tell(`FAULT ${what}`)
  }

  tell(what: string): void {
    this.turns.history.push(`  ${what}`)
  }

  async run(): Promise<void> {
    const { db, account } = this.world
    if (this.hasRepositories) {
      const made = await createRepository(db.database, { ownerId: account.id, name: 'first', visibility: 'public' })
      this.networkId = made.networkId
      this.#know(made)
    }
    for (const place of [0, 1]) this.#nodes.push(await this.#start(place))
    await this.turns.run(() => this.#begin())
    while (this.#nodes.some((node) => node.isDead)) await this.#replace()
    for (const node of this.#dead) await node.pool.db.close(0)
    for (const [place, node] of this.#nodes.entries()) (this.world.seats[place] as Seat).pool = node.pool
    for (const node of [...this.#nodes, ...this.#dead]) await node.close()
    for (const { faults } of this.world.seats) faults.heal()
  }

  /** A node without faults, for what comes behind. */
  async heal(): Promise<SimulatedNode> {
    return await this.#start(0, quiet, { applicationName: null, db: this.world.db.database })
  }

  /** A repository that is there, as far as is known. */
  somewhere(random: Seeded): Known | null {
    const open = this.repositories.filter(({ isGone }) => isGone === false)
    return open.length > 0 ? random.pick(open) : null
  }

  /** Either: the next request may come to another one. */
  someNode(random: Seeded, node: SimulatedNode): SimulatedNode {
    return random.below(3) === 0 ? random.pick(this.#nodes) : node
  }

  /** A repository that was to be made: is there one? */
  async find(name: string, isMade: boolean): Promise<void> {
    const { queries } = this.world.db.database
    const found = await this.turns.busy(() => findRepository(queries, 'admin', name))
    if (isMade && !found) this.fault(`${name} was acknowledged, and isn't there`)
    if (found) this.#know(found, await this.turns.busy(() => readRefs(queries, found.id)))
  }

  #know(repository: Repository, first: ReadonlyMap<string, string> = new Map()): void {
    this.repositories.push({ repository, first, views: [first], isGone: false })
  }

  async #start(place: number, odds = this.odds, pool?: NodePool): Promise<SimulatedNode> {
    const seat = this.world.seats[place]
    if (!seat) throw new RangeError('no such seat')
    return await SimulatedNode.start({
      name: `node-${place}`,
      pool: pool ?? this.world.takePool(seat),
      folder: this.world.folder,
      workers: seat.workers,
      storeWorkers: seat.storeWorkers,
      workerFaults: seat.faults,
      log: this.#log,
      turns: this.turns,
      random: this.random,
      odds,
      tailBytes: this.#tailBytes,
      late: this.late,
      mayBeLate: (key) => this.world.isUnderWay(key),
      cutAll: () => this.#nodes.forEach((node) => node.cut()),
      tell: (what) => this.tell(what),
    })
  }

  /** Another node in the place of one that has died. */
  async #replace(): Promise<void> {
    const place = this.#nodes.findIndex((node) => node.isDead)
    const [dead] = this.#nodes.splice(place, 1, await this.#start(place))
    if (dead) this.#dead.push(dead)
  }

  #begin(): 'begun' | 'none' | 'over' {
    if (this.#actsLeft === 0) return 'over'
    if (this.turns.openCount >= mostAtOnce || (this.turns.openCount > 0 && this.#plan.below(4) > 0)) return 'none'
    this.turns.start(`act ${this.#actsLeft--}`, () => this.#act())
    return 'begun'
  }

  async #act(): Promise<void> {
    const { odds } = this
    const random = new Seeded(this.#plan.below(2 ** 31))
    if (this.#nodes.some((node) => node.isDead)) await this.turns.busy(() => this.#replace())
    const node = random.pick(this.#nodes)
    const [, name, act] = this.#choose(random)
    if (random.fraction() < odds.workers) node.workerFaults.readsLeft(1 + random.below(12))
    if (random.fraction() < odds.workers / 2) node.workerFaults.writesLeft(1 + random.below(4))
    this.turns.current.name = `${node.name} ${name}`
    this.begun.set(name, (this.begun.get(name) ?? 0) + 1)
    this.#since.set(this.turns.current, this.disturbances)
    try {
      await act(this, node, random)
    } catch (error) {
      this.tell(`${node.name} ${name} failed: ${String(error)}`)
      this.#judgeError(error, `${node.name} ${name}`)
    } finally {
      node.workerFaults.writesLeft(0)
    }
  }

  #choose(random: Seeded): (typeof repositoryActs)[number] {
    // nothing can be done with images before there are some
    const acts = this.hasImages && this.#pushesFirst-- > 0 ? imageActs.slice(0, 1) : this.#acts
    let at = random.below(acts.reduce((sum, [share]) => sum + share, 0))
    return acts.find(([share]) => (at -= share) < 0) as (typeof acts)[number]
  }

  /** Whatever fails says so in one of the three families, and nothing that is stored is ever found wrong. */
  #judgeError(error: unknown, where: string): void {
    if (error instanceof UnavailableError || error instanceof InputError) return
    const isGone = error instanceof CorruptError && ['missing-key', 'short'].includes(error.code)
    if (isGone && (this.purges > 0 || this.disturbances > (this.#since.get(this.turns.current) ?? 0))) return
    this.fault(`${where}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  }
}

/** A log that tells of errors alone. */
function alarming(tell: (message: string, error: unknown) => void): Log {
  const log = makeLog('silent')
  const error = (facts: { readonly err?: unknown }, message: string) => tell(message, facts.err)
  return Object.assign(Object.create(log) as Log, { error })
}

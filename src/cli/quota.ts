// `stemma quota`: how much an owner may store, and does; straight in the database.
import { findAccount, type OwnerUsage, operator, ownerUsage, setQuota, sizeText, totalBytes } from '../access/index.ts'
import { InputError } from '../base/index.ts'
import { type Config, parseSize } from '../config.ts'
import type { Database } from '../db/index.ts'
import { withDatabase } from './database.ts'
import { quietLog } from './rooms.ts'
import { type Flags, print, UsageError } from './usage.ts'

export async function runShowQuota(config: Config, given: Flags, [login = '']: readonly string[]): Promise<void> {
  const usage = await withDatabase(config, quietLog(config), async (db) => ownerUsage(db.queries, (await accountNamed(db, login)).id))
  tell(given, login, usage)
}

export async function runSetQuota(config: Config, given: Flags, [login = '', size = '']: readonly string[]): Promise<void> {
  const limitBytes = size === 'none' ? null : parseSize(size)
  if (size !== 'none' && (limitBytes === null || !Number.isSafeInteger(limitBytes)))
    throw new UsageError(`'${size}' is no size; write 500MiB, 10GiB, a number of bytes, or none`)
  await change(config, given, login, limitBytes)
}

export async function runClearQuota(config: Config, given: Flags, [login = '']: readonly string[]): Promise<void> {
  await change(config, given, login, 'server')
}

async function change(config: Config, given: Flags, login: string, limitBytes: number | null | 'server'): Promise<void> {
  const usage = await withDatabase(config, quietLog(config), async (db) => {
    const account = await accountNamed(db, login)
    await setQuota(db, account, limitBytes, operator)
    return ownerUsage(db.queries, account.id)
  })
  tell(given, login, usage)
}

async function accountNamed({ queries }: Database, login: string) {
  const account = await findAccount(queries, login)
  if (account === null) throw new InputError('no-such-account', `there is no account '${login}'`)
  return account
}

function tell(given: Flags, login: string, usage: OwnerUsage): void {
  const { limitBytes, isOwnLimit, gitBytes, lfsBytes, packageBytes } = usage
  const usedBytes = totalBytes(usage)
  if (given.json === true)
    return print(JSON.stringify({ owner: login, limitBytes, isOwnLimit, usedBytes, gitBytes, lfsBytes, packageBytes }))
  const limit = limitBytes === null ? 'no limit' : `of ${sizeText(limitBytes)}${isOwnLimit ? '' : ' (the server’s limit)'}`
  const parts = `packs ${sizeText(gitBytes)}, LFS ${sizeText(lfsBytes)}, packages ${sizeText(packageBytes)}`
  print(`${login} stores ${sizeText(usedBytes)} (${parts}), ${limit}`)
  if (limitBytes !== null && usedBytes > limitBytes)
    print('That is more than the limit: nothing more is taken until there is room. What is there stays.')
}

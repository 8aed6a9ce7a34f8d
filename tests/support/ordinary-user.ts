// What the system denies, also where tests run as root: to whom nothing is denied.
import { chmodSync } from 'node:fs'

const nobody = 65534

/** Runs it without root's rights, in this process; `folder` (a test's own, made for its user alone) can be passed through meanwhile. */
export async function asOrdinaryUser<T>(folder: string, act: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return await act()
  chmodSync(folder, 0o711)
  process.seteuid?.(nobody)
  try {
    return await act()
  } finally {
    process.seteuid?.(0)
  }
}

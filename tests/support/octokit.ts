// GitHub's own client, unmodified but for where it goes: it neither waits nor asks again.
import { Octokit } from 'octokit'

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** @param url of the server */
export function octokitOf(url: string, auth?: string): Octokit {
  const off = { enabled: false }
  return new Octokit({ ...(auth === undefined ? {} : { auth }), baseUrl: `${url}/api/v3`, retry: off, throttle: off, log: quiet })
}

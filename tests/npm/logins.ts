// Signing in, as a client's user sees it: by a password at a terminal, or in a browser at the address that the client shows.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { ClientName } from './installed.ts'
import { type NpmStand, password } from './stand.ts'
import type { Exchange } from './terminal.ts'

interface Login {
  readonly args: readonly string[]
  readonly logout: readonly string[]
  /** Whether signing out ends the token, too; else it is forgotten here alone. */
  readonly endsToken?: boolean
}

export function passwordLogin(
  client: ClientName,
  stand: () => NpmStand,
  login: Login & { readonly asks: readonly [RegExp, RegExp] },
): void {
  it('signs in by a password, not by a wrong one, and out again', async () => {
    await stand().account('pat')
    const home = stand().home(client, null, `password-${client}`, 'pat')
    const [asksLogin, asksPassword] = login.asks
    const type = (secret: string) =>
      home.typed(login.args, [
        [asksLogin, 'pat'],
        [asksPassword, secret],
      ])
    const wrong = await type('wrong')
    assert.ok(wrong.code !== 0 && home.token() === null, wrong.text)
    const right = await type(password)
    assert.equal(right.code, 0, right.text)
    await isGood(home.token(), stand(), 200)
    await signsOut(home, login, stand())
  })
}

export function webLogin(client: ClientName, stand: () => NpmStand, login: Login & { readonly asked?: Exchange }): void {
  it('signs in by a browser, and out again', async () => {
    await stand().account('wendy')
    const home = stand().home(client, null, `web-${client}`, 'wendy')
    const visit: Exchange = [/(http:\S+\/login\/client\?id=\w+)/, (address) => stand().letIn(address, 'wendy')]
    const screen = await home.typed(login.args, [...(login.asked === undefined ? [] : [login.asked]), visit])
    assert.equal(screen.code, 0, screen.text)
    await signsOut(home, login, stand())
  })
}

async function signsOut(home: ReturnType<NpmStand['home']>, { logout, endsToken = true }: Login, stand: NpmStand): Promise<void> {
  const token = home.token()
  await isGood(token, stand, 200)
  await home.ok(logout)
  assert.equal(home.token(), null)
  await isGood(token, stand, endsToken ? 401 : 200)
}

async function isGood(token: string | null, stand: NpmStand, status: number): Promise<void> {
  const answer = await fetch(`${stand.registry()}-/whoami`, { headers: { authorization: `Bearer ${token}` } })
  assert.equal(answer.status, status)
}

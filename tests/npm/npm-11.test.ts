// npm, the release before the current one: most machines still have it.
import { passwordLogin, webLogin } from './logins.ts'
import { npmCommands } from './npm-commands.ts'
import { clientSuite } from './suite.ts'

clientSuite('npm-11', npmCommands, (stand) => {
  webLogin('npm-11', stand, { args: ['login'], logout: ['logout'] })
  passwordLogin('npm-11', stand, { args: ['login', '--auth-type=legacy'], asks: [/Username/, /Password/], logout: ['logout'] })
})

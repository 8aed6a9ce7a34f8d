// npm, the current release.
import { passwordLogin, webLogin } from './logins.ts'
import { npmCommands } from './npm-commands.ts'
import { clientSuite } from './suite.ts'

clientSuite('npm', npmCommands, (stand) => {
  webLogin('npm', stand, { args: ['login'], logout: ['logout'] })
  passwordLogin('npm', stand, { args: ['login', '--auth-type=legacy'], asks: [/Username/, /Password/], logout: ['logout'] })
})

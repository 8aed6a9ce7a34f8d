// Builds build/pack.wasm: writes the generated sources, then compiles kernels/assembly with AssemblyScript. Run by `make install`.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import asc from 'assemblyscript/asc'
import { sha1Source } from './generate/sha1-source.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
mkdirSync(`${root}build/generated`, { recursive: true })
writeFileSync(`${root}build/generated/sha1.ts`, sha1Source())

const target = 'build/pack.wasm'
const options = '-O3 --noAssert --runtime stub --enable simd --enable bulk-memory --initialMemory 16 --exportRuntime=false'
const { error, stderr } = await asc.main([
  'kernels/assembly/index.ts',
  ...options.split(' ').filter((o) => !o.includes('=')),
  '--baseDir',
  root,
  '-o',
  `${target}.new`,
])
if (error) {
  console.error(stderr.toString())
  throw error
}
// Renamed when whole: another process may be loading it.
renameSync(`${root}${target}.new`, `${root}${target}`)

// Every format of packages that there is, in the order in which they are listed. A new one is added here, and mounts its own routes (src/faces.ts).
import { genericFormat } from './generic/index.ts'
import { npmFormat } from './npm/index.ts'
import { ociFormat } from './oci/index.ts'
import type { FormatRoom } from './packages/index.ts'

export const packageFormats: readonly FormatRoom[] = [ociFormat, npmFormat, genericFormat]

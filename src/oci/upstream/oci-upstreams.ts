// What of upstreams is the registry's business: how their places are written, and what lies in an image.
import type { UpstreamFormat } from '../../packages/index.ts'
import { emptyPackage } from '../keeping/removal.ts'
import { tagsMayGo } from '../keeping/tag-rules.ts'
import { placeGrammar } from './format/places.ts'

export const ociUpstreams: UpstreamFormat = { ...placeGrammar, name: 'oci', isOwnFirst: false, empty: emptyPackage, letGo: tagsMayGo }

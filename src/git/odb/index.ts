// odb: stored objects. What reads them (PackSet, ObjectReader) and where a network's packs are found (PackStore).
export { Deflater } from './deflater.ts'
export { storedEntryHeader } from './entry-header.ts'
export { Inflater } from './inflater.ts'
export { ObjectCache, ObjectReader } from './object-reader.ts'
export { type HistoryHandle, openPackSet, type PackHandle, type PackSetHandle, tailBytes } from './pack-handle.ts'
export { type PackBytes, PackSet, type StoredPack } from './pack-set.ts'
export { PackSets } from './pack-sets.ts'
export { byAge, type NetworkPacks, PackStore, type SeenPacks } from './pack-store.ts'

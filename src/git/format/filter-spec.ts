// What a partial clone leaves out (git-rev-list(1) --filter; gitprotocol-v2(5) `filter`): the parsed form.

export type FilterSpec =
  | { readonly kind: 'blob:none' }
  /** Blobs of that size and larger are left out. */
  | { readonly kind: 'blob:limit'; readonly sizeBytes: number }
  /** Trees and blobs at that depth below a root tree and deeper are left out: 0 leaves all of them out. */
  | { readonly kind: 'tree'; readonly depth: number }
  | { readonly kind: 'object:type'; readonly type: 'commit' | 'tree' | 'blob' | 'tag' }
  /** Blobs outside the sparse-checkout patterns are left out; `name` says which blob holds them (an object id or `rev:path`). */
  | { readonly kind: 'sparse:oid'; readonly name: string }
  /** Left out by any of them. */
  | { readonly kind: 'combine'; readonly filters: readonly FilterSpec[] }

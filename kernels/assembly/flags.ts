// As what an id is referred to: bit k for kind k (1 commit, 2 tree, 3 blob, 4 tag), and the roles of blobs that fsck reads.

export const IS_COMMIT: u32 = 2
export const IS_TREE: u32 = 4
export const IS_BLOB: u32 = 8
export const IS_GITMODULES: u32 = 32
export const IS_GITATTRIBUTES: u32 = 64

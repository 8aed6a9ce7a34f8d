// packages: what formats of packages have in common. docs/design/packages.md.
export * from './upstream/index.ts'

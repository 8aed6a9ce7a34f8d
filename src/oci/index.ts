// oci: the registry for container images and other artifacts, over the content store. docs/design/oci.md.
export { ociReferences, type RegistryLimits, type RegistryOptions } from './registry.ts'
export { registerOci } from './routes.ts'

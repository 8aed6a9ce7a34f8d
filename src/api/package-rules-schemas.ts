// Retention of packages and immutable tags as documents. Ours; docs/design/oci-keeping.md.
import Type, { type Static } from 'typebox'
import { nullable, oneOf, time } from './schemas.ts'

const pattern = Type.String({ minLength: 1, maxLength: 128, description: '* stands for any run of characters, ? for one' })
const patterns = Type.Array(pattern, { maxItems: 50 })
const days = nullable(Type.Integer({ minimum: 1, maximum: 36_500 }))

const RuleJson = Type.Object({
  tags: pattern,
  except: patterns,
  keep_newest: nullable(Type.Integer({ minimum: 0, maximum: 1_000_000 })),
  keep_pushed_days: days,
  keep_pulled_days: days,
})
const referrers = oneOf('go', 'stay')

export const RetentionJson = Type.Object({
  of: oneOf('package', 'owner'),
  rules: Type.Array(RuleJson),
  untagged_days: days,
  referrers,
  updated_at: time,
  next_run_at: time,
})
export type RetentionJson = Static<typeof RetentionJson>

export const NewRetentionJson = Type.Object(
  {
    rules: Type.Array(
      Type.Object(
        {
          tags: pattern,
          except: Type.Optional(patterns),
          keep_newest: Type.Optional(RuleJson.properties.keep_newest),
          keep_pushed_days: Type.Optional(days),
          keep_pulled_days: Type.Optional(days),
        },
        { additionalProperties: false },
      ),
      { maxItems: 50, description: 'the first that matches a tag judges it; a tag stays if any of the rule’s conditions holds' },
    ),
    untagged_days: Type.Optional(days),
    referrers: Type.Optional(referrers),
  },
  { additionalProperties: false },
)
export type NewRetentionJson = Static<typeof NewRetentionJson>

export const DryRunBodyJson = Type.Object(
  { policy: Type.Optional({ ...NewRetentionJson, description: 'left out: the one that holds' }) },
  { additionalProperties: false },
)

const why = Type.String()
export const DryRunJson = Type.Object({
  tag_count: Type.Integer({ description: 'of tags that would go' }),
  manifest_count: Type.Integer({ description: 'of manifests that would go' }),
  freed_bytes: Type.Number({ description: 'of blobs that only those manifests name' }),
  tags: Type.Array(Type.Object({ name: Type.String(), digest: Type.String(), updated_at: time, goes: Type.Boolean(), why }), {
    description: 'those that would go first; at most 1000',
  }),
  manifests: Type.Array(Type.Object({ digest: Type.String(), why }), { description: 'at most 1000' }),
})
export type DryRunJson = Static<typeof DryRunJson>

export const ImmutableTagsJson = Type.Object({ rules: Type.Array(Type.Object({ tags: pattern, except: patterns })) })
export type ImmutableTagsJson = Static<typeof ImmutableTagsJson>
export const NewImmutableTagsJson = Type.Object(
  {
    rules: Type.Array(Type.Object({ tags: pattern, except: Type.Optional(patterns) }, { additionalProperties: false }), { maxItems: 50 }),
  },
  { additionalProperties: false },
)

import { z } from "zod";
import { Secret } from "../base/secret.ts";
import { metadataSchema } from "./object.ts";

/** Without this label, value "true", no route may use a Secret: whoever may write a route must not thereby read any Secret. */
export const credentialLabel = "sidegate.dev/credential";
/** Hosts, separated by commas, that the Secret's values may be sent to; absent: any. `*.example.com` stands for one label. */
export const hostsAnnotation = "sidegate.dev/hosts";

const base64Pattern = /^[A-Za-z0-9+/\s]*={0,2}\s*$/;

/** A core/v1 Secret as users write it. */
export const secretManifestSchema = z.strictObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("Secret"),
  metadata: metadataSchema,
  type: z.string().optional(),
  immutable: z.boolean().optional(),
  data: z
    .record(z.string(), z.string().regex(base64Pattern, { error: "must be base64; plain text belongs in stringData" }))
    .optional(),
  stringData: z.record(z.string(), z.string({ error: "must be a string; put it in quotes" })).optional(),
});

/** A Secret as `compile` takes it: decoded, its values wrapped so that they cannot be printed. */
export interface SecretResource {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly values: ReadonlyMap<string, Secret>;
}

/** Decodes `data` as UTF-8; `stringData` wins over it, as in Kubernetes. */
export const secretFromManifest = (manifest: z.output<typeof secretManifestSchema>): SecretResource => {
  const values = new Map<string, Secret>();
  for (const [key, value] of Object.entries(manifest.data ?? {}))
    values.set(key, new Secret(Buffer.from(value, "base64").toString("utf8")));
  for (const [key, value] of Object.entries(manifest.stringData ?? {})) values.set(key, new Secret(value));
  const { namespace, name, labels = {}, annotations = {} } = manifest.metadata;
  return { namespace, name, labels, annotations, values };
};

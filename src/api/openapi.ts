/** From a zod schema to the structural OpenAPI v3 schema that a CustomResourceDefinition holds. */
import { z } from "zod";

/** A node of an OpenAPI schema, as far as CRDs use it. */
export interface OpenApiNode {
  type?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  format?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  minItems?: number;
  maxItems?: number;
  maxProperties?: number;
  required?: string[];
  properties?: Record<string, OpenApiNode>;
  items?: OpenApiNode;
  anyOf?: OpenApiNode[];
  additionalProperties?: unknown;
  "x-kubernetes-int-or-string"?: boolean;
  "x-kubernetes-preserve-unknown-fields"?: boolean;
  "x-kubernetes-list-type"?: string;
  "x-kubernetes-list-map-keys"?: string[];
  "x-kubernetes-validations"?: { rule: string; message: string; fieldPath?: string }[];
  /** Bounds in words, for the reference; no part of the CRD. */
  bounds?: string;
  /** What stands in the CRD instead of what zod would say; no part of it itself. */
  crd?: OpenApiNode;
}

const int32Max = 2_147_483_647;

/** The schema as users write it: defaults as defaults, not as required members. Keeps `bounds`, for the reference. */
export const openApiOf = (schema: z.ZodType): OpenApiNode =>
  // The generator's own type is a whole JSON Schema; the interface above names the part of it that our schemas produce.
  normal(z.toJSONSchema(schema, { target: "openapi-3.0", io: "input" }) as OpenApiNode);

/** The same without what is no OpenAPI. */
export const withoutBounds = (node: OpenApiNode): OpenApiNode => {
  const { bounds: _, ...rest } = node;
  return mapChildren(rest, withoutBounds);
};

const normal = (node: OpenApiNode): OpenApiNode => {
  const { crd, additionalProperties: _, ...rest } = node;
  if (crd) return { ...crd, description: rest.description, default: rest.default, bounds: rest.bounds };
  if (rest["x-kubernetes-int-or-string"]) return intOrString(rest);
  if (rest.type === "integer") return { ...rest, format: (rest.maximum ?? Infinity) > int32Max ? "int64" : "int32" };
  return mapChildren(rest, normal);
};

/** Kubernetes' own spelling of the one union it knows; the bounds of each side stand beside it. */
const intOrString = ({ anyOf = [], ...node }: OpenApiNode): OpenApiNode => {
  const integer = anyOf.find(({ type }) => type === "integer");
  const string = anyOf.find(({ type }) => type === "string");
  return {
    ...node,
    anyOf: [{ type: "integer" }, { type: "string" }],
    minimum: integer?.minimum,
    maximum: integer?.maximum,
    pattern: string?.pattern,
  };
};

const mapChildren = (node: OpenApiNode, change: (child: OpenApiNode) => OpenApiNode): OpenApiNode => ({
  ...node,
  ...(node.properties && {
    properties: Object.fromEntries(Object.entries(node.properties).map(([name, child]) => [name, change(child)])),
  }),
  ...(node.items && { items: change(node.items) }),
});

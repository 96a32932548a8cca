/** Files of the chart that are made from the code. */
import { aiquotaKind, airouteKind, crdOf, type Kind } from "../src/api/crd.ts";
import { valuesSchemaFile } from "./chart-schema.ts";

/** A CRD as JSON: helm reads YAML 1.1, in which a field named `n` is the boolean false. */
const crdFile = (kind: Kind): string => `${JSON.stringify(crdOf(kind), null, 2)}\n`;

/** Each file by its path from the root of the repository. The chart cannot reach crds/, so it has copies of its own. */
export const chartFiles: readonly { readonly path: string; readonly render: () => string }[] = [
  { path: "charts/sidegate/files/crds/sidegate.dev_airoutes.json", render: () => crdFile(airouteKind) },
  { path: "charts/sidegate/files/crds/sidegate.dev_aiquotas.json", render: () => crdFile(aiquotaKind) },
  { path: "charts/sidegate/values.schema.json", render: valuesSchemaFile },
];

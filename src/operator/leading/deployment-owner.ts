/** What the operator's own objects go with when the chart is uninstalled. */
import { isKubeFault, type KubeApi, type OwnerReference, resources } from "../../kube/port.ts";

/** The operator's Deployment as an owner; undefined: it has another form (a process outside the cluster), and its objects stay. */
export async function deploymentOwner(
  api: KubeApi,
  { namespace, deployment: name }: { readonly namespace: string; readonly deployment: string },
): Promise<OwnerReference | undefined> {
  const resource = resources.deployments;
  try {
    const { metadata } = await api.get(resource, { namespace, name }, { isMetadataOnly: true });
    const apiVersion = `${resource.group}/${resource.version}`;
    return { apiVersion, kind: resource.kind, name, uid: metadata.uid ?? "" };
  } catch (fault) {
    if (isKubeFault(fault, 404)) return undefined;
    throw fault;
  }
}

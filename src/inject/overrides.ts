/** What a pod may ask for by annotation, parsed strictly: a value that is not understood refuses the pod, nothing is passed over. */
import { marks, markTable } from "../api/annotations.ts";
import { apiGroup, labelPattern, subdomainPattern } from "../api/object.ts";
import { suggest } from "../api/suggest.ts";
import { logLevels } from "../base/log.ts";
import { allContainers, type Pod } from "./pod.ts";
import { type Refusal, type RefusalReason, refusal } from "./refusal.ts";
import { type InjectionSettings, injectionClients, sidecarPlaces } from "./settings.ts";
import { type SidecarResources, sidecarResources } from "./sidecar-resources.ts";

/** Containers that one annotation may name. */
const containersMax = 64;
const imageLengthMax = 512;

/** What is to be injected, the pod's wishes applied to the settings. */
export interface Overrides {
  readonly routePick: string | undefined;
  /** Names of the containers that get the environment; undefined: all. */
  readonly containers: readonly string[] | undefined;
  readonly client: InjectionSettings["client"];
  readonly image: string;
  readonly logLevel: InjectionSettings["logLevel"];
  readonly resources: SidecarResources;
}

/** A value that cannot be used: thrown by the parsers of this file, and caught by `readOverrides`. */
class Unusable extends Error {
  readonly reason: RefusalReason;
  readonly key: string;
  constructor(key: string, sentence: string, reason: RefusalReason = "AnnotationInvalid") {
    super(sentence);
    this.reason = reason;
    this.key = key;
  }
}

/** Reads the annotations of an annotated pod. */
export const readOverrides = (pod: Pod, settings: InjectionSettings): Overrides | Refusal => {
  const annotations = pod.metadata?.annotations ?? {};
  try {
    refuseUnknown(Object.keys(annotations));
    return {
      routePick: objectNameOf(marks.route, annotations[marks.route]),
      containers: containersOf(annotations[marks.containers], pod),
      client: oneOf(marks.client, annotations[marks.client], injectionClients) ?? settings.client,
      image: imageOf(annotations[marks.image], settings),
      logLevel: oneOf(marks.logLevel, annotations[marks.logLevel], logLevels) ?? settings.logLevel,
      resources: sidecarResources(pod, settings, (key, sentence, reason) => {
        throw new Unusable(key, sentence, reason);
      }),
    };
  } catch (fault) {
    if (!(fault instanceof Unusable)) throw fault;
    return refusal(fault.reason, ["metadata", "annotations", fault.key], fault.message);
  }
};

const known = markTable.filter(({ on, as }) => on === "Pod" && as === "annotation").map(({ key }) => key);

const refuseUnknown = (keys: readonly string[]): void => {
  const key = keys.find((each) => each.startsWith(`${apiGroup}/`) && !known.includes(each));
  if (key === undefined) return;
  const meant = suggest(key, known);
  const fix = meant === undefined ? `there are ${known.join(", ")}` : `did you mean ${meant}?`;
  throw new Unusable(key, `not an annotation for pods; ${fix}`, "AnnotationUnknown");
};

const oneOf = <Value extends string>(key: string, text: string | undefined, values: readonly Value[]) => {
  if (text === undefined) return undefined;
  const value = values.find((each) => each === text);
  if (value !== undefined) return value;
  const meant = suggest(text, values);
  throw new Unusable(
    key,
    `must be one of ${values.join(", ")}${meant === undefined ? "" : `; did you mean ${meant}?`}`,
  );
};

const objectNameOf = (key: string, text: string | undefined): string | undefined => {
  if (text === undefined || (text.length <= 253 && new RegExp(subdomainPattern).test(text))) return text;
  throw new Unusable(key, "must be the name of an AIRoute: lower-case letters, digits, '-' and '.'");
};

const containersOf = (text: string | undefined, pod: Pod): readonly string[] | undefined => {
  if (text === undefined) return undefined;
  const names = text.split(",").map((name) => name.trim());
  if (names.length > containersMax || !names.every((name) => name.length <= 63 && new RegExp(labelPattern).test(name)))
    throw new Unusable(
      marks.containers,
      `must be names of containers, separated by commas, at most ${containersMax}; remove it to mean all`,
    );
  const present = allContainers(pod)
    .map(({ container }) => container.name)
    .filter((name) => name !== sidecarPlaces.container);
  const missing = names.find((name) => !present.includes(name));
  if (missing === undefined) return names;
  const meant = suggest(missing, present);
  const fix = meant === undefined ? `there are ${present.join(", ")}` : `did you mean ${meant}?`;
  throw new Unusable(marks.containers, `the pod has no container "${missing}"; ${fix}`, "ContainerUnknown");
};

const imageOf = (text: string | undefined, { image, imageOverrides }: InjectionSettings): string => {
  if (text === undefined || text === image) return image;
  if (text.length > imageLengthMax || !/^[A-Za-z0-9][A-Za-z0-9._:/@-]*$/.test(text))
    throw new Unusable(marks.image, "must be an image reference, such as registry.example/sidegate:1.2.3");
  const isAllowed = imageOverrides.some((allowed) =>
    allowed.endsWith("*") ? text.startsWith(allowed.slice(0, -1)) : text === allowed,
  );
  if (isAllowed) return text;
  throw new Unusable(
    marks.image,
    `the image is not allowed; remove the annotation, or have it added to the chart's injection.imageOverrides (${imageOverrides.length === 0 ? "none is allowed now" : `allowed: ${imageOverrides.join(", ")}`})`,
    "ImageNotAllowed",
  );
};

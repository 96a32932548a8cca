import type { Call, Handler } from "./call.ts";
import { jsonReply } from "./call.ts";
import { ApiFault, badParameter, noSuchModel } from "./failures.ts";
import type { JsonObject } from "./json-values.ts";
import { textOf } from "./json-values.ts";
import type { Route } from "./router.ts";

/** Models of the list: the name asked for and the dated snapshot that answers. Other names answer as themselves. */
const snapshots: Readonly<Record<string, string>> = {
  "gpt-4o": "gpt-4o-2024-08-06",
  "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
  "gpt-4.1": "gpt-4.1-2025-04-14",
  "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
  "gpt-5": "gpt-5-2025-08-07",
  "gpt-5-mini": "gpt-5-mini-2025-08-07",
  "o3-mini": "o3-mini-2025-01-31",
  "o4-mini": "o4-mini-2025-04-16",
  "gpt-3.5-turbo": "gpt-3.5-turbo-0125",
  "gpt-3.5-turbo-instruct": "gpt-3.5-turbo-instruct",
  "text-embedding-3-small": "text-embedding-3-small",
  "text-embedding-3-large": "text-embedding-3-large",
  "omni-moderation-latest": "omni-moderation-latest",
  "gpt-image-1": "gpt-image-1",
  "tts-1": "tts-1",
  "whisper-1": "whisper-1",
  "gpt-4o-transcribe": "gpt-4o-transcribe",
};

/** What answers a chat behind an Azure deployment whose name is not a model's. */
const azureChatSnapshot = "gpt-4o-2024-11-20";

const isMissing = (model: string): boolean => model === "gpt-missing" || model.startsWith("missing-");

/** The model a call asks for: the body's, or the deployment. @throws ApiFault 400 without one, 404 for `missing-*`. */
export function askedModel(call: Call, options: { fallback?: string } = {}): string {
  const named = call.json.model;
  if (call.deployment !== undefined) return textOf(named) ?? call.deployment;
  if (named !== undefined && named !== null && typeof named !== "string") {
    throw badParameter("Invalid type for 'model': expected a string.", "model", "invalid_type");
  }
  const model = named || options.fallback;
  if (!model) throw badParameter("you must provide a model parameter", null);
  if (isMissing(model)) throw noSuchModel(model);
  return model;
}

/** The model that the answer names; `behind` answers for a deployment whose name is not a model's. */
export function answeringModel(call: Call, asked: string, behind = azureChatSnapshot): string {
  const known = call.behaviour.model ?? snapshots[call.deployment ?? asked];
  if (known !== undefined) return known;
  return call.deployment === undefined ? asked : behind;
}

const modelObject = (id: string): JsonObject => ({ id, object: "model", created: 1_715_367_049, owned_by: "system" });

const azureModelObject = (id: string): JsonObject => ({
  id,
  object: "model",
  status: "succeeded",
  created_at: 1_715_367_049,
  updated_at: 1_715_367_049,
  capabilities: { fine_tune: false, inference: true, completion: true, chat_completion: true, embeddings: false },
  lifecycle_status: "generally-available",
  deprecation: { inference: 1_900_000_000 },
});

const objectFor = (call: Call): ((id: string) => JsonObject) =>
  call.dialect === "azure" ? azureModelObject : modelObject;

const listModels: Handler = (call) => jsonReply({ object: "list", data: Object.keys(snapshots).map(objectFor(call)) });

const getModel: Handler = (call) => {
  const id = call.params.model ?? "";
  if (isMissing(id)) {
    throw new ApiFault(404, { message: `The model '${id}' does not exist`, param: "model", code: "model_not_found" });
  }
  return jsonReply(objectFor(call)(id));
};

const deleteModel: Handler = (call) => {
  const id = call.params.model ?? "";
  if (!id.startsWith("ft:")) {
    throw new ApiFault(403, { message: "You have insufficient permissions for this operation." });
  }
  return jsonReply({ id, object: "model", deleted: true });
};

/** Endpoints of models. */
export const modelRoutes: readonly Route[] = [
  ["GET /models", listModels],
  ["GET /models/{model}", getModel],
  ["DELETE /models/{model}", deleteModel],
];

import type { Call, Handler } from "./call.ts";
import { jsonReply } from "./call.ts";
import { badParameter, missingParameter } from "./failures.ts";
import { listOf, objectOf, textOf } from "./json-values.ts";
import { answeringModel, askedModel } from "./models.ts";
import type { Route } from "./router.ts";
import type { Kept, StoredObject } from "./state.ts";
import { metadataOf, pageOf, viewOf } from "./state.ts";
import { finder, listing } from "./stored-object.ts";

const event = (call: Call, message: string): StoredObject => ({
  id: call.newId("ftevent-"),
  object: "fine_tuning.job.event",
  created_at: call.createdSeconds,
  level: "info",
  message,
  data: null,
  type: "message",
});

const finished = (call: Call, kept: Kept): StoredObject => {
  const { view } = kept;
  const finishedAt = call.createdSeconds + 60;
  if (call.behaviour.outcome === "failed") {
    const error = {
      code: "invalid_training_file",
      message: "The training file is not usable.",
      param: "training_file",
    };
    return { ...view, status: "failed", finished_at: finishedAt, error };
  }
  kept.items = [...(kept.items ?? []), event(call, "The job has successfully completed")];
  const suffix = textOf(view.user_provided_suffix) ?? "";
  const tuned = `ft:${String(view.model)}:org-fake:${suffix}:${view.id.slice(-8)}`;
  return { ...view, status: "succeeded", finished_at: finishedAt, fine_tuned_model: tuned, trained_tokens: 1_000 };
};

const create: Handler = (call) => {
  const { json } = call;
  const model = answeringModel(call, askedModel(call));
  const training = textOf(json.training_file);
  if (training === undefined) throw missingParameter("training_file");
  if (call.state.files.get(training) === undefined) {
    throw badParameter(`invalid training_file: ${training}`, "training_file", "file_not_found");
  }
  const id = call.newId("ftjob-");
  const view: StoredObject = {
    id,
    object: "fine_tuning.job",
    model,
    created_at: call.createdSeconds,
    finished_at: null,
    fine_tuned_model: null,
    organization_id: "org-fake",
    result_files: [],
    status: "validating_files",
    validation_file: json.validation_file ?? null,
    training_file: training,
    hyperparameters: {
      n_epochs: "auto",
      batch_size: "auto",
      learning_rate_multiplier: "auto",
      ...objectOf(json.hyperparameters),
    },
    trained_tokens: null,
    error: null,
    user_provided_suffix: json.suffix ?? null,
    seed: json.seed ?? 42,
    estimated_finish: null,
    integrations: listOf(json.integrations),
    method: json.method ?? { type: "supervised" },
    metadata: metadataOf(json),
  };
  const kept: Kept = { id, view, busyStatus: "running", pollsLeft: call.behaviour.polls ?? 0 };
  kept.items = [event(call, `Created fine-tuning job: ${id}`), event(call, `Validating training file: ${training}`)];
  kept.finish = () => finished(call, kept);
  return jsonReply(call.state.tuningJobs.put(kept).view);
};

const found = finder(
  (state) => state.tuningJobs,
  (id) => `Could not find fine tune: ${id}`,
  "fine_tune_id",
);

const moved =
  (status: string): Handler =>
  (call) => {
    const kept = found(call);
    if (kept.finish === undefined) throw badParameter(`Job ${kept.id} has already ended.`, null);
    kept.view = { ...kept.view, status };
    if (status === "cancelled") delete kept.finish;
    return jsonReply(kept.view);
  };

/** Endpoints of fine-tuning jobs: one succeeds when it is first asked after, `polls` times later. */
export const fineTuningRoutes: readonly Route[] = [
  ["POST /fine_tuning/jobs", create],
  ["GET /fine_tuning/jobs", listing((state) => state.tuningJobs)],
  ["GET /fine_tuning/jobs/{id}", (call) => jsonReply(viewOf(found(call)))],
  ["POST /fine_tuning/jobs/{id}/cancel", moved("cancelled")],
  ["POST /fine_tuning/jobs/{id}/pause", moved("paused")],
  ["POST /fine_tuning/jobs/{id}/resume", moved("queued")],
  ["GET /fine_tuning/jobs/{id}/events", (call) => jsonReply(pageOf(found(call).items ?? [], call.query))],
  ["GET /fine_tuning/jobs/{id}/checkpoints", (call) => jsonReply(pageOf(found(call) ? [] : [], call.query))],
];

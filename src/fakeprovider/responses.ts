import type { Call, Handler, StreamReply } from "./call.ts";
import { jsonReply } from "./call.ts";
import { errorBodyFor } from "./failure-catalogue.ts";
import { badParameter, missingParameter } from "./failures.ts";
import { textOf } from "./json-values.ts";
import { askedModel } from "./models.ts";
import type { ResponsesAnswer } from "./responses-answer.ts";
import { responsesAnswerTo, unfinished } from "./responses-answer.ts";
import type { ResponsesRequest } from "./responses-request.ts";
import { inputItemsOf, itemTokens, responsesRequestOf } from "./responses-request.ts";
import { responseErrorFrame, responseFailedFrame, responseFrames } from "./responses-stream.ts";
import type { Route } from "./router.ts";
import type { Kept } from "./state.ts";
import { pageOf, viewOf } from "./state.ts";
import { finder } from "./stored-object.ts";
import { responseUsage } from "./token-usage.ts";

const streamOf = (call: Call, answer: ResponsesAnswer, after = -1): StreamReply => {
  const model = textOf(answer.response.model) ?? "";
  return {
    kind: "stream",
    frames: responseFrames(call, answer, after),
    errorFrame: (sent) => responseErrorFrame({ ...errorBodyFor(500, call.behaviour.code, model) }, after + 1 + sent),
    failedFrame: (sent) => responseFailedFrame(answer, after + 1 + sent),
  };
};

const keep = (call: Call, request: ResponsesRequest, answer: ResponsesAnswer): Kept => {
  const { response } = answer;
  const kept: Kept = { id: response.id, view: response, items: request.items };
  kept.replay = (after) => responseFrames(call, answer, after);
  if (response.background === true) {
    kept.view = unfinished(response, "queued");
    kept.finish = () => response;
    kept.pollsLeft = call.behaviour.polls ?? 0;
  }
  return call.state.responses.put(kept);
};

const createResponse: Handler = (call) => {
  const request = responsesRequestOf(call);
  const answer = responsesAnswerTo(call, request);
  const { response } = answer;
  if (request.conversation !== undefined) {
    const said = answer.output.map(({ item }) => item);
    request.conversation.items = [...(request.conversation.items ?? []), ...request.items, ...said];
  }
  const kept = call.json.store === false ? undefined : keep(call, request, answer);
  if (call.json.stream === true) return streamOf(call, answer);
  return jsonReply(kept?.view ?? response);
};

const found = finder(
  (state) => state.responses,
  (id) => `Response with id '${id}' not found.`,
  null,
);

const getResponse: Handler = (call) => {
  const kept = found(call);
  const view = viewOf(kept);
  if (call.query.get("stream") !== "true") return jsonReply(view);
  const after = Number(call.query.get("starting_after") ?? -1);
  return {
    kind: "stream",
    frames: kept.replay?.(Number.isInteger(after) ? after : -1) ?? [],
    errorFrame: (sent) => responseErrorFrame({ ...errorBodyFor(500, call.behaviour.code, "") }, after + 1 + sent),
  };
};

const deleteResponse: Handler = (call) => {
  const { id } = found(call);
  call.state.responses.delete(id);
  return jsonReply({ id, object: "response", deleted: true });
};

const cancelResponse: Handler = (call) => {
  const kept = found(call);
  if (kept.view.background !== true) throw badParameter("Cannot cancel a synchronous response.", null);
  if (kept.finish !== undefined) {
    delete kept.finish;
    kept.view = { ...kept.view, status: "cancelled" };
  }
  return jsonReply(kept.view);
};

const listItems: Handler = (call) => jsonReply(pageOf(found(call).items ?? [], call.query));

const countTokens: Handler = (call) => {
  askedModel(call, { fallback: "gpt-4o" });
  const items = inputItemsOf(call, call.json.input);
  const tokens = itemTokens(items, call.json.instructions);
  return jsonReply({ object: "response.input_tokens", input_tokens: tokens });
};

const compact: Handler = (call) => {
  askedModel(call);
  if (call.json.input === undefined) throw missingParameter("input");
  const items = inputItemsOf(call, call.json.input);
  const sealed = Buffer.from(JSON.stringify(items.map(({ id }) => id))).toString("base64");
  const output = [{ id: call.newId("cmp_"), type: "compaction", encrypted_content: sealed }];
  const input = itemTokens(items, call.json.instructions);
  return jsonReply({
    id: call.newId("resp_"),
    object: "response.compaction",
    created_at: call.createdSeconds,
    output: [...items.filter((item) => item.role === "user"), ...output],
    usage: responseUsage({ input, output: 8, behaviour: call.behaviour }),
  });
};

/** Endpoints of responses. */
export const responsesRoutes: readonly Route[] = [
  ["POST /responses", createResponse],
  ["POST /responses/input_tokens", countTokens],
  ["POST /responses/compact", compact],
  ["GET /responses/{id}", getResponse],
  ["DELETE /responses/{id}", deleteResponse],
  ["POST /responses/{id}/cancel", cancelResponse],
  ["GET /responses/{id}/input_items", listItems],
];

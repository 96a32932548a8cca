import type { Call, Handler } from "./call.ts";
import { jsonReply } from "./call.ts";
import type { ChatRequest } from "./chat-request.ts";
import type { JsonObject } from "./json-values.ts";
import type { Route } from "./router.ts";
import type { StoredObject } from "./state.ts";
import { metadataOf, pageOf } from "./state.ts";
import { finder, relabelling } from "./stored-object.ts";

/** Keeps a chat completion made with `store: true`, with the messages it answered. */
export function keepChat(call: Call, request: ChatRequest, completion: StoredObject): void {
  const { temperature = 1, top_p = 1, tools = null, tool_choice = null, response_format = null } = call.json;
  const shown = { temperature, top_p, tools, tool_choice, response_format, metadata: metadataOf(call.json) };
  const items = request.messages.map((message, i) => ({ ...message, id: `${completion.id}-${i}` }));
  call.state.chats.put({ id: completion.id, view: { ...completion, ...shown }, items });
}

const found = finder(
  (state) => state.chats,
  (id) => `Chat completion ${id} not found`,
  null,
);

const list: Handler = (call) => {
  const model = call.query.get("model");
  const views = call.state.chats.all().map((kept) => kept.view);
  return jsonReply(
    pageOf(
      views.filter((view) => model === null || view.model === model),
      call.query,
      { orderDefault: "asc" },
    ),
  );
};

const remove: Handler = (call) => {
  const { id } = found(call);
  call.state.chats.delete(id);
  const answer: JsonObject = { object: "chat.completion.deleted", id, deleted: true };
  return jsonReply(answer);
};

/** Endpoints of chat completions made with `store: true`. */
export const storedChatRoutes: readonly Route[] = [
  ["GET /chat/completions", list],
  ["GET /chat/completions/{id}", (call) => jsonReply(found(call).view)],
  ["POST /chat/completions/{id}", relabelling(found)],
  ["DELETE /chat/completions/{id}", remove],
  [
    "GET /chat/completions/{id}/messages",
    (call) => jsonReply(pageOf(found(call).items ?? [], call.query, { orderDefault: "asc" })),
  ],
];

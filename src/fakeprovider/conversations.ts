import type { Handler } from "./call.ts";
import { jsonReply } from "./call.ts";
import { noSuch } from "./failures.ts";
import { inputItemsOf } from "./responses-request.ts";
import type { Route } from "./router.ts";
import { metadataOf, pageOf } from "./state.ts";
import { finder, relabelling } from "./stored-object.ts";

const found = finder(
  (state) => state.conversations,
  (id) => `Conversation with id '${id}' not found.`,
  null,
);

const create: Handler = (call) => {
  const id = call.newId("conv_");
  const view = { id, object: "conversation", created_at: call.createdSeconds, metadata: metadataOf(call.json) };
  call.state.conversations.put({ id, view, items: inputItemsOf(call, call.json.items) });
  return jsonReply(view);
};

const remove: Handler = (call) => {
  const { id } = found(call);
  call.state.conversations.delete(id);
  return jsonReply({ id, object: "conversation.deleted", deleted: true });
};

const addItems: Handler = (call) => {
  const kept = found(call);
  const added = inputItemsOf(call, call.json.items);
  kept.items = [...(kept.items ?? []), ...added];
  return jsonReply(pageOf(added, new URLSearchParams({ order: "asc", limit: "100" })));
};

const getItem: Handler = (call) => {
  const item = found(call).items?.find(({ id }) => id === call.params.item);
  if (item === undefined) throw noSuch(`Item with id '${call.params.item}' not found.`, null);
  return jsonReply(item);
};

const removeItem: Handler = (call) => {
  const kept = found(call);
  kept.items = (kept.items ?? []).filter(({ id }) => id !== call.params.item);
  return jsonReply(kept.view);
};

/** Endpoints of conversations and their items. */
export const conversationRoutes: readonly Route[] = [
  ["POST /conversations", create],
  ["GET /conversations/{id}", (call) => jsonReply(found(call).view)],
  ["POST /conversations/{id}", relabelling(found)],
  ["DELETE /conversations/{id}", remove],
  ["GET /conversations/{id}/items", (call) => jsonReply(pageOf(found(call).items ?? [], call.query))],
  ["POST /conversations/{id}/items", addItems],
  ["GET /conversations/{id}/items/{item}", getItem],
  ["DELETE /conversations/{id}/items/{item}", removeItem],
];

/** What the endpoints of stored objects have in common, whatever the kind. */
import { type Call, type Handler, jsonReply } from "./call.ts";
import { noSuch } from "./failures.ts";
import { type Collection, type Kept, metadataOf, type ProviderState, pageOf } from "./state.ts";

/** Where objects of one kind are kept. */
export type KindOf = (state: ProviderState) => Collection<Kept>;

/**
 * Finds the object that the path's `{id}` names. The function it answers throws ApiFault 404, worded by `text`, when there is
 * none; `param` is what that error names (by default "id").
 */
export const finder =
  (kind: KindOf, text: (id: string) => string, param?: string | null) =>
  (call: Call): Kept => {
    const id = call.params.id ?? "";
    const kept = kind(call.state).get(id);
    if (kept === undefined) throw noSuch(text(id), param);
    return kept;
  };

/** Lists the objects of a kind as they stand; a list does not move background work on. */
export const listing =
  (kind: KindOf): Handler =>
  (call) => {
    const views = kind(call.state).all();
    return jsonReply(
      pageOf(
        views.map(({ view }) => view),
        call.query,
      ),
    );
  };

/** Puts the request's `metadata` in the place of the object's and answers the object. */
export const relabelling =
  (found: (call: Call) => Kept): Handler =>
  (call) => {
    const kept = found(call);
    kept.view = { ...kept.view, metadata: metadataOf(call.json) };
    return jsonReply(kept.view);
  };

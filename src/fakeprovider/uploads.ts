import type { Call, Handler } from "./call.ts";
import { jsonReply } from "./call.ts";
import { badParameter, missingParameter, noSuch } from "./failures.ts";
import { keepFile } from "./files.ts";
import { listOf, numberOf, textOf } from "./json-values.ts";
import { filesOf } from "./multipart.ts";
import type { Route } from "./router.ts";
import type { Kept } from "./state.ts";
import { finder } from "./stored-object.ts";

const lifeSeconds = 3_600;
const emptyBytes = Buffer.alloc(0);

const found = finder(
  (state) => state.uploads,
  (id) => `No such Upload object: ${id}`,
);

const pending = (call: Call): Kept => {
  const kept = found(call);
  if (kept.view.status === "pending") return kept;
  throw badParameter(`Upload ${kept.id} is ${String(kept.view.status)} and cannot be changed.`, null);
};

const create: Handler = (call) => {
  for (const name of ["filename", "purpose", "bytes", "mime_type"]) {
    if (call.json[name] === undefined) throw missingParameter(name);
  }
  const { filename, purpose, bytes } = call.json;
  const id = call.newId("upload_");
  const view = {
    id,
    object: "upload",
    bytes,
    created_at: call.createdSeconds,
    filename,
    purpose,
    status: "pending",
    expires_at: call.createdSeconds + lifeSeconds,
    file: null,
  };
  call.state.uploads.put({ id, view });
  return jsonReply(view);
};

const addPart: Handler = (call) => {
  const upload = pending(call);
  const data = filesOf(call.form, "data")[0];
  if (data === undefined) throw missingParameter("data");
  const id = call.newId("part_");
  const view = { id, object: "upload.part", created_at: call.createdSeconds, upload_id: upload.id };
  call.state.uploadParts.put({ id, view, bytes: data.bytes });
  return jsonReply(view);
};

const complete: Handler = (call) => {
  const upload = pending(call);
  const parts = listOf(call.json.part_ids).map((id) => {
    const part = typeof id === "string" ? call.state.uploadParts.get(id) : undefined;
    if (part?.view.upload_id !== upload.id) throw noSuch(`No such Part object: ${String(id)}`, "part_ids");
    return part.bytes ?? emptyBytes;
  });
  const bytes = Buffer.concat(parts);
  const expected = numberOf(upload.view.bytes);
  if (expected !== bytes.length) {
    throw badParameter(`Expected ${String(expected)} bytes, but the parts have ${bytes.length}.`, "part_ids");
  }
  const filename = textOf(upload.view.filename) ?? "upload";
  const file = keepFile(call, { filename, purpose: textOf(upload.view.purpose) ?? "user_data", bytes });
  upload.view = { ...upload.view, status: "completed", file };
  return jsonReply(upload.view);
};

const cancel: Handler = (call) => {
  const upload = pending(call);
  upload.view = { ...upload.view, status: "cancelled" };
  return jsonReply(upload.view);
};

/** Endpoints of uploads in parts. */
export const uploadRoutes: readonly Route[] = [
  ["POST /uploads", create],
  ["POST /uploads/{id}/parts", addPart],
  ["POST /uploads/{id}/complete", complete],
  ["POST /uploads/{id}/cancel", cancel],
];

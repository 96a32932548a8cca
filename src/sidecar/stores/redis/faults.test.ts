import { expect, test } from "vitest";
import { commandFaultOf } from "./faults.ts";

const reply = (message: string): Error => Object.assign(new Error(message), { name: "ReplyError" });

test.each([
  { cause: reply("OOM command not allowed when used memory > 'maxmemory'"), want: ["OOM", false, false, "Full"] },
  { cause: reply("NOSCRIPT No matching script"), want: ["NOSCRIPT", false, false, "NoScript"] },
  { cause: reply("READONLY You can't write against a read only replica"), want: ["READONLY", false, true, "Other"] },
  { cause: reply("LOADING Redis is loading the dataset in memory"), want: ["LOADING", false, true, "Other"] },
  { cause: reply("CLUSTERDOWN The cluster is down"), want: ["CLUSTERDOWN", false, true, "Other"] },
  { cause: reply("BUSY Redis is busy running a script"), want: ["BUSY", false, true, "Other"] },
  { cause: reply("NOPERM No permissions to access a key"), want: ["NOPERM", false, true, "Other"] },
  { cause: reply("ERR ACL failure in script"), want: ["ERR", true, true, "Other"] },
  { cause: reply("something without a word"), want: ["ERR", true, true, "Other"] },
  {
    cause: new Error("Stream isn't writeable and enableOfflineQueue options is false"),
    want: ["connection", false, true, "Other"],
  },
  { cause: new Error("Connection is closed."), want: ["connection", true, true, "Other"] },
  { cause: new Error("read ECONNRESET"), want: ["connection", true, true, "Other"] },
  { cause: undefined, want: ["connection", true, true, "Other"] },
])("$cause is read as $want", ({ cause, want }) => {
  const { reason, maybeDone, isOutage, kind } = commandFaultOf(cause);
  expect([reason, maybeDone, isOutage, kind]).toEqual(want);
});

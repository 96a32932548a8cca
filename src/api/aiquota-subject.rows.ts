/** Cases of AIQuota's schema: whom a quota counts by, and when. */
import { bad, good, type SchemaRow } from "./rows.ts";

const all = ["ServiceAccount", "Namespace", "Pod", "Model", "Endpoint", "User", "Tenant", "Group", "ClientKey"];

export const aiquotaSubjectRows: readonly SchemaRow[] = [
  good("per may name who calls", { per: ["User", "Tenant", "Group", "ClientKey"] }),
  good("per may name where from", { per: ["SourceIP", "App"] }),
  good("per may name everything at once", { per: [...all, "SourceIP", "App"] }),
  bad("per is no text", { per: "User" }, "per", "must be a list"),
  bad("per is no object", { per: { User: true } }, "per", "must be a list"),
  bad("per is not null inside", { per: [null] }, "per[0]", "must be"),
  bad("per has no numbers", { per: [1] }, "per[0]", "must be"),
  bad("per has no empty text", { per: [""] }, "per[0]", "must be one of"),
  bad("a user is written with a capital", { per: ["user"] }, "per[0]", "did you mean User?"),
  bad("users are not in the plural", { per: ["Users"] }, "per[0]", "did you mean User?"),
  bad("groups are not in the plural", { per: ["Groups"] }, "per[0]", "did you mean Group?"),
  bad("an address is a SourceIP", { per: ["SourceIp"] }, "per[0]", "did you mean SourceIP?"),
  bad("a key of a client is a ClientKey", { per: ["Clientkey"] }, "per[0]", "did you mean ClientKey?"),
  bad("a tenant has no space behind it", { per: ["Tenant "] }, "per[0]", "did you mean Tenant?"),
  bad("per knows no Role", { per: ["Role"] }, "per[0]", "must be one of"),
  bad("per knows no Issuer", { per: ["Issuer"] }, "per[0]", "must be one of"),
  bad("per knows no claims of tokens", { per: ["claims.department"] }, "per[0]", "must be one of"),
  bad("a tenant stands once", { per: ["Tenant", "User", "Tenant"] }, "per[2]", "twice"),
  bad("a group stands once", { per: ["Group", "Group"] }, "per[1]", "twice"),

  good("a quota may have a condition", { when: "identity.tenant != 'internal'" }),
  good("a condition may have 1024 characters", { when: `identity.user == '${"a".repeat(1005)}'` }),
  bad("a condition of 1025 characters is too long", { when: `identity.user == '${"a".repeat(1006)}'` }, "when", "1024"),
  bad("a condition is not empty", { when: "" }, "when", "at least 1"),
  bad("a condition is no truth value", { when: true }, "when", "must be a string"),
  bad("a condition is no number", { when: 1 }, "when", "must be a string"),
  bad("a condition is no list", { when: ["identity.user == 'a'"] }, "when", "must be a string"),
  bad("a condition is no object", { when: { user: "a" } }, "when", "must be a string"),
  bad("a condition is not misspelt", { wen: "true" }, "wen", "did you mean when?"),
  bad("a condition is not written with a capital", { When: "true" }, "When", "did you mean when?"),
  bad("a limit has no condition", { "limits.0.when": "true" }, "limits[0].when", "unknown"),
  bad("a target has no condition", { "targetRefs.0.when": "true" }, "targetRefs[0].when", "unknown"),
  bad("a limit has no subjects", { "limits.0.per": ["User"] }, "limits[0].per", "unknown"),
];

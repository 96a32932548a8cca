import { afterAll, beforeAll, expect } from "vitest";
import { badInputClass, expectOurError, expectUnharmed, startGuarded } from "../fixtures/bad-input.ts";
import { send } from "../fixtures/calls.ts";
import type { TestGateway } from "../fixtures/sidecar.ts";
import { limitRows, limitsYaml, type SchemaRow, schemaRows } from "./schema.rows.ts";

let gateway: TestGateway;
let limited: TestGateway;
beforeAll(async () => {
  gateway = await startGuarded();
  limited = await startGuarded({ rule: limitsYaml });
});
afterAll(async () => {
  await gateway.close();
  await limited.close();
});

badInputClass("OpenAI schema", schemaRows, (row) => judge(gateway, row));
badInputClass("limits of a rule", limitRows, (row) => judge(limited, row));

async function judge(gateway: TestGateway, { path, body, want }: SchemaRow): Promise<void> {
  const before = gateway.provider.requests.length;
  const answer = await send(gateway.url + path, { body });
  if (want === "provider") {
    expect(gateway.provider.requests).toHaveLength(before + 1);
    const direct = await send(gateway.provider.url + path, { body, headers: { authorization: "Bearer sk-main-key" } });
    expect([400, 404], direct.text.slice(0, 300)).toContain(direct.status); // or the row would show nothing
    expect({ status: answer.status, text: answer.text }).toEqual({ status: direct.status, text: direct.text });
    expect(answer.headers.get("x-request-id")).toMatch(/^req_/);
  } else {
    const [status, code, param] = want;
    expectOurError({ ...answer, header: (name) => answer.headers.get(name) ?? undefined }, { status, code });
    expect(answer.json.error?.param).toBe(param);
    expect(gateway.provider.requests).toHaveLength(before);
  }
  await expectUnharmed(gateway);
}

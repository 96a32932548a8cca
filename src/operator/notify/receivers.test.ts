import { expect, test } from "vitest";
import { aiquotaBase } from "../../api/aiquota.rows.ts";
import { aiquotaSchema } from "../../api/aiquota.ts";
import type { SecretResource } from "../../api/secret.ts";
import { Secret } from "../../base/secret.ts";
import { receiversOf } from "./receivers.ts";

const quotaWith = (notify: object) =>
  aiquotaSchema.parse({
    ...{ apiVersion: "sidegate.dev/v1alpha1", kind: "AIQuota", metadata: { name: "q", namespace: "team" } },
    spec: { ...aiquotaBase, notify: [{ type: "Webhook", urlSecretRef: { name: "hooks", key: "url" }, ...notify }] },
  });
const secretWith = (url: string, more: Partial<SecretResource> = {}): SecretResource => ({
  ...{ namespace: "team", name: "hooks", labels: { "sidegate.dev/credential": "true" }, annotations: {} },
  values: new Map([["url", new Secret(url)]]),
  ...more,
});
const outcome = (url: string, hosts: readonly string[], notify: object = {}, more: Partial<SecretResource> = {}) => {
  const { receivers, faults } = receiversOf(quotaWith(notify), [secretWith(url, more)], hosts);
  return receivers[0]?.url.reveal() ?? faults[0];
};

test.each([
  ["https to a host that is allowed", "https://hooks.slack.com/T/B", ["hooks.slack.com"]],
  ["with spaces around it", " https://hooks.slack.com/T/B\n", ["hooks.slack.com"]],
  ["a host by its domain", "https://eu.example.com/x", ["*.example.com"]],
  ["a port of its own", "https://a.example.com:8443/x", ["a.example.com:8443"]],
  ["http to this machine", "http://127.0.0.1:9/x", ["127.0.0.1:9"]],
  ["hosts are told in any case", "https://Hooks.Slack.com/T/B", ["HOOKS.slack.com"]],
])("%s", (_, url, hosts) => {
  expect(outcome(url, hosts)).toBe(new URL(url).href);
});

test("http elsewhere where it is permitted", () => {
  expect(outcome("http://a.example.com/", ["a.example.com"], { insecure: true })).toBe("http://a.example.com/");
});

test.each([
  ["no list", "https://hooks.slack.com/T/B", []],
  ["another host", "https://hooks.slack.com/T/B", ["example.com"]],
  ["two labels below a domain", "https://a.b.example.com/", ["*.example.com"]],
  ["the domain itself", "https://example.com/", ["*.example.com"]],
  ["another port", "https://example.com:8443/", ["example.com"]],
  ["this machine, too", "http://127.0.0.1:8080/", ["127.0.0.1:9"]],
  ["the cloud's metadata", "https://169.254.169.254/latest", ["hooks.slack.com"]],
])("%s: not allowed, and the message names the value", (_, url, hosts) => {
  expect(outcome(url, hosts)).toMatchObject({
    reason: "HostNotAllowed",
    message: expect.stringContaining("notifications.hosts"),
  });
});

test.each([
  ["http elsewhere", "http://a.example.com/x", {}, {}],
  ["another scheme", "file:///etc/passwd", {}, {}],
  ["no URL", "hooks.slack.com/T/B", {}, {}],
  ["a URL with a user that looks like a host", "https://a.example.com@evil.example.org/", {}, {}],
  ["a Secret without the label", "https://a.example.com/", {}, { labels: {} }],
  [
    "a Secret for other hosts",
    "https://a.example.com/",
    {},
    { annotations: { "sidegate.dev/hosts": "b.example.com" } },
  ],
  ["a key that is not there", "https://a.example.com/", { urlSecretRef: { name: "hooks", key: "other" } }, {}],
  ["a Secret that is not there", "https://a.example.com/", { urlSecretRef: { name: "other", key: "url" } }, {}],
])("%s: not usable, and the message has no more of it than the host", (_, url, notify, more) => {
  const fault = outcome(url, ["a.example.com", "evil.example.org"], notify, more);
  expect(fault).toMatchObject({ reason: "URLNotUsable" });
  expect(JSON.stringify(fault)).not.toMatch(/passwd|\/T\/B/);
});

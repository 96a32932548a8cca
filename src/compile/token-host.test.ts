import { expect, test } from "vitest";
import { isTokenHostAllowed } from "./token-host.ts";

test.each([
  { url: "https://auth.example/t", allowed: ["auth.example"], want: true },
  { url: "https://auth.example/t", allowed: ["other.example", "AUTH.example"], want: true },
  { url: "https://auth.example/t", allowed: ["auth.example:443"], want: true },
  { url: "https://auth.example:8443/t", allowed: ["auth.example:8443"], want: true },
  { url: "https://auth.example:8443/t", allowed: ["auth.example"], want: false },
  { url: "https://auth.example/t", allowed: ["auth.example:8443"], want: false },
  { url: "http://auth.example/t", allowed: ["auth.example"], want: true },
  { url: "http://auth.example/t", allowed: ["auth.example:80"], want: true },
  { url: "http://auth.example:443/t", allowed: ["auth.example"], want: false },
  { url: "https://auth.example.evil.example/t", allowed: ["auth.example"], want: false },
  { url: "https://evil-auth.example/t", allowed: ["auth.example"], want: false },
  { url: "https://auth.example./t", allowed: ["auth.example"], want: false },
  { url: "https://auth.example/t", allowed: [], want: false },
  { url: "https://auth.example/t", allowed: ["*.example", "auth.example:99999", "", "[x]"], want: false },
  { url: "http://127.0.0.1:8080/t", allowed: [], want: true },
  { url: "https://127.9.9.9/t", allowed: [], want: true },
  { url: "http://localhost/t", allowed: [], want: true },
  { url: "http://[::1]:9/t", allowed: [], want: true },
  { url: "https://localhost.evil.example/t", allowed: [], want: false },
  { url: "https://127.0.0.1.evil.example/t", allowed: [], want: false },
  { url: "https://0.0.0.0/t", allowed: [], want: false },
])("$url with $allowed: $want", ({ url, allowed, want }) => {
  expect(isTokenHostAllowed(new URL(url), allowed)).toBe(want);
});

test("the URL is judged as it is called: what only looks like another host is none", () => {
  expect(isTokenHostAllowed(new URL("https://0x7f.1/t"), [])).toBe(true); // 127.0.0.1
  expect(isTokenHostAllowed(new URL("https://evil.example/auth.example"), ["auth.example"])).toBe(false);
});

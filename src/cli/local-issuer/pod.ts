/** The pod that this process pretends to be: its own tokens, one file for each audience, renewed as the kubelet does. */
import { randomUUID } from "node:crypto";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SidecarConfig } from "../../config/contract.ts";
import { tokenAudiencesDefault } from "../../inject/settings.ts";
import type { LocalIssuer } from "./issuer.ts";
import { podClaims } from "./query.ts";

/** Life of the pod's tokens, and when they are renewed, ms: as in a cluster. */
const tokenMs = 600_000;
const renewMs = 480_000;

/** Its tokens, and who it is. */
export interface LocalPod {
  readonly directory: string;
  readonly audiences: readonly string[];
  /** The token of the first audience, and the pod that it is of. */
  readonly token: {
    readonly file: string;
    readonly pod: {
      readonly namespace: string;
      readonly serviceAccount: string;
      readonly pod: string;
      readonly podUid: string;
    };
  };
  /** Takes the tokens away. */
  close(): void;
}

/** Writes the tokens into a folder that is this user's alone: those of every injected pod, and those that the config's credentials need. */
export const startLocalPod = (
  issuer: LocalIssuer,
  identity: { readonly namespace: string; readonly serviceAccount: string },
  config: SidecarConfig,
): LocalPod => {
  const audiences = [...new Set([...tokenAudiencesDefault, ...audiencesIn(config)])];
  const pod = { ...identity, pod: "local", podUid: randomUUID() };
  const directory = mkdtempSync(join(tmpdir(), "sidegate-pod-"));
  const write = (): void => {
    audiences.forEach((audience, index) => {
      const file = join(directory, `token-${index}`);
      writeFileSync(`${file}.new`, issuer.podToken({ ...podClaims(pod), aud: [audience] }, tokenMs), { mode: 0o600 });
      renameSync(`${file}.new`, file);
    });
  };
  write();
  const timer = setInterval(write, renewMs).unref();
  return {
    directory,
    audiences,
    token: { file: join(directory, "token-0"), pod },
    close: () => {
      clearInterval(timer);
      rmSync(directory, { recursive: true, force: true });
    },
  };
};

const audiencesIn = ({ route }: SidecarConfig): readonly string[] =>
  (route?.backends ?? []).flatMap(({ credentials }) =>
    credentials.flatMap((credential) => (credential.type === "WorkloadIdentity" ? [credential.audience] : [])),
  );

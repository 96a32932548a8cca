/** What is wrong with a kubeconfig and with its credentials, without what stands in it and without what a plugin was given or said. */
import { faultRecord } from "../base/fault-record.ts";
import { KubeFault } from "./port.ts";

/** The part of a kubeconfig's user that says where its credentials come from. */
interface CredentialsUser {
  readonly name: string;
  readonly exec?: { readonly command?: string } | undefined;
  readonly authProvider?: { readonly name: string } | undefined;
}

/** An error as Node and js-yaml have them. */
interface Told {
  readonly code?: unknown;
  readonly syscall?: unknown;
  readonly path?: unknown;
  readonly reason?: unknown;
  readonly mark?: { readonly line?: unknown } | undefined;
}

const toldBy = (cause: unknown): Told => (cause instanceof Error ? (cause as Told) : {}); // each member is checked where it is read

/**
 * A kubeconfig that cannot be read. The message of js-yaml shows the lines around the fault, which may hold a token: its reason and the
 * line's number say enough, and of the reason what it quotes is left out.
 */
export const kubeconfigFault = (cause: unknown): KubeFault => {
  const { reason, mark } = toldBy(cause);
  if (typeof reason !== "string") return new KubeFault(faultRecord(cause).message, { status: 0 });
  const place = typeof mark?.line === "number" ? `line ${mark.line + 1}: ` : "";
  return new KubeFault(`${place}${reason.replace(/(?:(?<=\w): | ["!<]).*$/s, "")}`, { status: 0 });
};

/** Credentials that are not to be had. A plugin's arguments, environment and output may hold secrets, so of it only the command is named. */
export const credentialsFault = (user: CredentialsUser | null, cause: unknown): KubeFault => {
  const { code, syscall, path } = toldBy(cause);
  const why = typeof code === "string" ? ` (${code})` : "";
  if (syscall === "open" && typeof path === "string") return noCredentials(user, `${path} cannot be read${why}`);
  const { exec, authProvider } = user ?? {};
  if (exec) {
    const isStarted = typeof syscall !== "string";
    const what = isStarted ? "failed" : "cannot be started";
    const hint = isStarted ? ": log in anew; kubectl get --raw /version shows what it says" : "";
    return noCredentials(user, `its plugin ${exec.command ?? ""} ${what}${why}${hint}`);
  }
  if (authProvider) return noCredentials(user, `its auth provider ${authProvider.name} failed${why}: log in anew`);
  return noCredentials(user, faultRecord(cause).message);
};

const noCredentials = (user: CredentialsUser | null, why: string): KubeFault =>
  new KubeFault(`kubeconfig: no credentials for user ${user?.name ?? ""}: ${why}`, { status: 0 });

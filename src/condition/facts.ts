/** What conditions ask, and what they answer. */

/** What a condition can ask. A text that is not known is "", a list that is not known is empty. */
export interface ConditionFacts {
  readonly identity: {
    readonly namespace: string;
    readonly serviceAccount: string;
    readonly pod: string;
    readonly app: string;
    readonly user: string;
    readonly tenant: string;
    readonly clientKey: string;
    readonly roles: readonly string[];
    readonly groups: readonly string[];
  };
  readonly request: {
    readonly model: string;
    readonly endpoint: string;
    readonly streamed: boolean;
    readonly sourceIP: string;
  };
}

/** Whether it holds; undefined: that cannot be told, and the quota must count. Never throws. */
export type Condition = (facts: ConditionFacts) => boolean | undefined;

/** A condition that can be asked, with the names that it reads, such as `identity.tenant`; or what is wrong with its text, and where. */
export type CompiledCondition =
  | { readonly condition: Condition; readonly names: ReadonlySet<string> }
  | { readonly fault: string };

/** Parses and checks a text. Never throws. */
export type CompileCondition = (text: string) => CompiledCondition;

/** Endpoints in the contract's version 1, which knows no deletions of their own. */
import * as z from "zod";
import { type EndpointName, endpointNames } from "../openai/endpoints.ts";

/** Endpoints that version 1 has within another: there the other name deletes as well. */
export const within = {
  FilesDelete: "Files",
  VectorStoresDelete: "VectorStores",
  ChatCompletionsStateDelete: "ChatCompletionsState",
} as const satisfies Partial<Record<EndpointName, EndpointName>>;
/** Their names. */
export const deletions = Object.keys(within) as (keyof typeof within)[]; // an object of ours
type EndpointV1 = Exclude<EndpointName, keyof typeof within>;
/** Whether version 1 has the name. */
export const isV1 = (name: EndpointName): name is EndpointV1 => !Object.hasOwn(within, name);
/** Names of version 1. */
export const endpointV1 = z.enum(endpointNames.filter(isV1));

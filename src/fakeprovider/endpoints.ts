import { chatRoutes } from "./chat.ts";
import { modelRoutes } from "./models.ts";
import type { Route } from "./router.ts";

/** Every endpoint of the provider, by family. */
export const endpoints: readonly Route[] = [...chatRoutes, ...modelRoutes];

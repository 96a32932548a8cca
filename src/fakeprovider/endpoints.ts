import { batchRoutes } from "./batches.ts";
import { chatRoutes } from "./chat.ts";
import { completionRoutes } from "./completions.ts";
import { conversationRoutes } from "./conversations.ts";
import { embeddingRoutes } from "./embeddings.ts";
import { fileRoutes } from "./files.ts";
import { fineTuningRoutes } from "./fine-tuning.ts";
import { imageRoutes } from "./images.ts";
import { modelRoutes } from "./models.ts";
import { moderationRoutes } from "./moderations.ts";
import { responsesRoutes } from "./responses.ts";
import type { Route } from "./router.ts";
import { speechRoutes } from "./speech.ts";
import { transcriptionRoutes } from "./transcription.ts";
import { uploadRoutes } from "./uploads.ts";
import { vectorStoreRoutes } from "./vector-stores.ts";

/** Every endpoint of the provider, by family. */
export const endpoints: readonly Route[] = [
  ...chatRoutes,
  ...responsesRoutes,
  ...completionRoutes,
  ...embeddingRoutes,
  ...moderationRoutes,
  ...modelRoutes,
  ...imageRoutes,
  ...speechRoutes,
  ...transcriptionRoutes,
  ...fileRoutes,
  ...uploadRoutes,
  ...batchRoutes,
  ...fineTuningRoutes,
  ...vectorStoreRoutes,
  ...conversationRoutes,
];

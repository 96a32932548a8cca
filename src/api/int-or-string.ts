import { z } from "zod";

/**
 * Kubernetes' int-or-string: the one union that a structural schema can hold. The integer lies between `min` and `max`, the
 * string matches `pattern`; `message` says what may be written, whichever of them is wrong, and `bounds` says it in the reference.
 */
export const intOrString = (options: {
  min: number;
  max: number;
  pattern: string;
  message: string;
  bounds: string;
}) => {
  const error = options.message;
  const integer = z.int({ error }).min(options.min, { error }).max(options.max, { error });
  return z
    .union([integer, z.string({ error }).regex(new RegExp(options.pattern), { error })], { error })
    .meta({ bounds: options.bounds, "x-kubernetes-int-or-string": true });
};

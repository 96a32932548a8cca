/** The outcome of `promise`; rejects when there is none within `timeoutMs`. */
export const within = async <Outcome>(timeoutMs: number, promise: Promise<Outcome>): Promise<Outcome> => {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error("timeout")), timeoutMs);
  try {
    return await Promise.race([late, promise]);
  } finally {
    clearTimeout(timer);
  }
};

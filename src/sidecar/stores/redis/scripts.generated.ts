export const luaSources = { reserve: "", settle: "", release: "", renew: "", peek: "" } as const;

/** Figures that several models of the built-in table share. */

/**
 * Image tokens at the costliest size: a base and a figure for each of at most 8 tiles (2048 x 768) for gpt-4o (85 + 8 x 170),
 * gpt-4o-mini (2833 + 8 x 5667), gpt-5 (70 + 8 x 140) and the o-series (75 + 8 x 150); 1,536 patches times a factor for the small
 * models: 1.62 (gpt-4.1-mini, gpt-5-mini), 1.72 (o4-mini), 2.46 (the nano ones).
 */
export const image = {
  gpt4o: 1445,
  gpt4oMini: 48_169,
  gpt41: 2500,
  gpt5: 1190,
  mini: 2500,
  o4Mini: 2650,
  nano: 3800,
  oSeries: 1275,
  none: 0,
};

/** Context windows that several families share. */
export const window = { k128: 128_000, k200: 200_000, k400: 400_000, gpt41: 1_047_576 };

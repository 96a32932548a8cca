/**
 * Names that a client or a provider chose, as metrics, audit and Redis keys show them. A name that has the form of one is an identifier
 * and is shown; any other text may be a prompt or a key that stands in the wrong place, and is not.
 */

/** Shown in place of a text that is no name. */
export const notAName = "other";

/** As `modelName` in src/api/object.ts: what a resource can name. */
const modelForm = /^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,255}$/;
/** `rate_limit_exceeded`, `DeploymentNotFound`, `429`: words, or a short number. Letters between digits are rather a key. */
const wordForm = /^(?:[A-Za-z]+(?:[_.-][A-Za-z]+)*|\d{1,4})$/;
const wordCharsMax = 64;

/** A model's name; "" stays (the endpoint has none). */
export const saidModel = (text: string): string => (text === "" || modelForm.test(text) ? text : notAName);

/** A code or a reason in a provider's words. */
export const saidWord = (text: string): string =>
  text.length <= wordCharsMax && wordForm.test(text) ? text : notAName;

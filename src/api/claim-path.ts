/** Where in a token a claim stands, as users write it: `sub`, `realm_access.roles`, `["https://example.com/roles"]`, `["kubernetes.io"].namespace`. */

const name = "[A-Za-z0-9_:@-]+";
const quoted = '\\["[^"\\\\\\]\\[]+"\\]';

/** Most names of a path. */
const claimPathLengthMax = 8;
/** Names joined by dots, at most eight; one that has other characters stands in brackets and double quotes. Holds in RE2 and in JavaScript. */
export const claimPathPattern = `^(${name}|${quoted})(\\.${name}|${quoted}){0,${claimPathLengthMax - 1}}$`;

/** The names of a path from the outside in; undefined when it is none, or has more than eight. */
export const parseClaimPath = (text: string): readonly string[] | undefined => {
  if (!new RegExp(claimPathPattern).test(text)) return undefined;
  return [...text.matchAll(/\["([^"]+)"\]|([^.[\]"]+)/g)].map(([, inBrackets, plain]) => inBrackets ?? plain ?? "");
};

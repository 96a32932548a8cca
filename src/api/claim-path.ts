/** Where in a token a claim stands, as users write it: `sub`, `realm_access.roles`, `["https://example.com/roles"]`, `["kubernetes.io"].namespace`. */

const name = "[A-Za-z0-9_:@-]+";
const quoted = '\\["[^"\\\\\\]\\[]+"\\]';

/** Names joined by dots; one that has other characters stands in brackets and double quotes. Holds in RE2 and in JavaScript. */
export const claimPathPattern = `^(${name}|${quoted})(\\.${name}|${quoted})*$`;
/** Most names of a path. */
export const claimPathLengthMax = 8;

/** The names of a path from the outside in; undefined when it is none, or has more than eight. */
export const parseClaimPath = (text: string): readonly string[] | undefined => {
  if (!new RegExp(claimPathPattern).test(text)) return undefined;
  const names = [...text.matchAll(/\["([^"]+)"\]|([^.[\]"]+)/g)].map(
    ([, inBrackets, plain]) => inBrackets ?? plain ?? "",
  );
  return names.length <= claimPathLengthMax ? names : undefined;
};

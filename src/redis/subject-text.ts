/** A counter's subject as people read it. */

/** `=40`, `=c3a9`: how a key writes a character that names do not have, by the bytes of its UTF-8 (src/sidecar/quota/subject.ts). */
const writtenCharacter =
  /=(?:[0-7][0-9a-f]|[cd][0-9a-f][89ab][0-9a-f]|e[0-9a-f](?:[89ab][0-9a-f]){2}|f[0-7](?:[89ab][0-9a-f]){3})/g;
/** Stay as they are written: what parts a subject, and what no terminal should be given. `\p{C}`: control, format, unassigned, private. */
const kept = /[:=\p{C}\p{Z}\uFFFD]/u;
/** Colons are most of an IPv6 address, and nothing else in one could be taken for another part. */
const keptInAddress = /[=\p{C}\p{Z}\uFFFD]/u;

/**
 * `user=alice=40example.com:model=gpt-4o` as `user=alice@example.com:model=gpt-4o`. Two subjects never read the same: a character that
 * would mislead stays written as it is. What is no subject comes back unchanged.
 */
export const subjectText = (subject: string): string => subject.split(":").map(partText).join(":");

const partText = (part: string): string => {
  const mark = part.indexOf("=");
  const name = part.slice(0, mark);
  const value = part.slice(mark + 1);
  if (mark < 0 || name === "sha256" || value.startsWith("sha256=")) return part;
  const stays = name === "ip" ? keptInAddress : kept;
  return `${name}=${value.replaceAll(writtenCharacter, (written) => {
    const character = Buffer.from(written.slice(1), "hex").toString("utf8");
    return stays.test(character) ? written : character;
  })}`;
};

/** One part of a `multipart/form-data` body. */
export interface FormPart {
  readonly name: string;
  /** Absent for a plain field. */
  readonly filename?: string;
  readonly contentType: string;
  readonly bytes: Buffer;
}

const partsMax = 1_000;
const headEnd = Buffer.from("\r\n\r\n");

/** The boundary named in a content type, absent when it is not multipart. */
export function boundaryOf(contentType: string): string | undefined {
  if (!contentType.toLowerCase().startsWith("multipart/form-data")) return undefined;
  return /boundary=(?:"([^"]+)"|([^;\s]+))/i
    .exec(contentType)
    ?.slice(1)
    .find((found) => found !== undefined);
}

const attribute = (head: string, name: string): string | undefined =>
  new RegExp(`[;\\s]${name}="([^"\\r\\n]*)"`, "i").exec(head)?.[1];

const partFrom = (section: Buffer): FormPart | undefined => {
  const split = section.indexOf(headEnd);
  if (split === -1) return undefined;
  const head = section.toString("utf8", 0, split);
  const name = attribute(head, "name");
  if (name === undefined) return undefined;
  const filename = attribute(head, "filename");
  return {
    name,
    ...(filename === undefined ? {} : { filename }),
    contentType: /^content-type:\s*(\S[^\r\n]*)$/im.exec(head)?.[1]?.trim() ?? "text/plain",
    bytes: section.subarray(split + headEnd.length),
  };
};

/** Parts of the body, absent when the boundary never closes (the body was cut) or there are over 1 000 parts. */
export function formPartsOf(body: Buffer, boundary: string): readonly FormPart[] | undefined {
  const dashed = Buffer.from(`\r\n--${boundary}`);
  const parts: FormPart[] = [];
  if (!body.subarray(0, dashed.length - 2).equals(dashed.subarray(2))) return undefined;
  let from = dashed.length - 2;
  while (parts.length <= partsMax) {
    if (body.toString("latin1", from, from + 2) === "--") return parts;
    const to = body.indexOf(dashed, from);
    if (to === -1) return undefined;
    const part = partFrom(body.subarray(from + 2, to));
    if (part !== undefined) parts.push(part);
    from = to + dashed.length;
  }
  return undefined;
}

/** The plain fields as text; `name[]` becomes a list under `name`. */
export function fieldsOf(parts: readonly FormPart[]): Readonly<Record<string, string | readonly string[]>> {
  const fields: Record<string, string | string[]> = {};
  for (const part of parts) {
    if (part.filename !== undefined) continue;
    const text = part.bytes.toString("utf8");
    if (!part.name.endsWith("[]")) fields[part.name] = text;
    else {
      const name = part.name.slice(0, -2);
      const list = fields[name];
      if (Array.isArray(list)) list.push(text);
      else fields[name] = [text];
    }
  }
  return fields;
}

/** The files sent under a name, also as `name[]`. */
export function filesOf(parts: readonly FormPart[], name: string): readonly FormPart[] {
  return parts.filter((part) => (part.name === name || part.name === `${name}[]`) && part.filename !== undefined);
}

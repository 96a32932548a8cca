/** Forms and what the scan says to each: the class "multipart" of bad input. */
import type { MultipartFaultCode } from "./fault.ts";

export interface FormRow {
  readonly name: string;
  readonly contentType: string;
  readonly body: string | (() => string);
  /** The refusal; undefined where the form is accepted. */
  readonly code: MultipartFaultCode | undefined;
}

const type = "multipart/form-data; boundary=abc";
const model = 'Content-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n';
const form = (...parts: string[]): string => `${parts.map((part) => `--abc\r\n${part}`).join("")}--abc--\r\n`;
const field = (name: string, value: string): string =>
  `Content-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
const disposition = (text: string): string => form(`Content-Disposition: ${text}\r\n\r\nx\r\n`);
const row = (name: string, body: FormRow["body"], code?: MultipartFaultCode, contentType = type): FormRow => ({
  name,
  contentType,
  body,
  code,
});

/** Forms that are accepted. */
export const acceptedForms: readonly FormRow[] = [
  row("a field", form(model)),
  row(
    "a field and a file",
    form(
      model,
      'Content-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n',
    ),
  ),
  row("no parts", "--abc--\r\n"),
  row("no line break at the end", form(model).slice(0, -2)),
  row("an empty field", form(field("prompt", ""))),
  row("a boundary inside a line", form(field("prompt", "see --abc and --abc--"))),
  row("half a boundary on a line", form(field("prompt", "x\r\n--ab\r\n-abc\r\n--"))),
  row("bare line breaks in a value", form(field("prompt", "a\nb\rc"))),
  row("list fields", form(field("image[]", "1"), field("image[]", "2"))),
  row("names as tokens and other cases", form("content-disposition:FORM-DATA ;name=model\r\n\r\nx\r\n")),
  row("a quoted boundary", form(model), undefined, 'Multipart/Form-Data; charset=utf-8; boundary="abc"'),
  row(
    "a boundary with all its letters",
    form(model).replaceAll("abc", "a'()+_,-./:=?z"),
    undefined,
    'multipart/form-data; boundary="a\'()+_,-./:=?z"',
  ),
  row(
    "a boundary of 70 letters",
    form(model).replaceAll("abc", "b".repeat(70)),
    undefined,
    `multipart/form-data; boundary=${"b".repeat(70)}`,
  ),
  row(
    "a field that says UTF-8",
    form('Content-Disposition: form-data; name="model"\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\nx\r\n'),
  ),
  row(
    "a file name with letters beyond ASCII",
    form('Content-Disposition: form-data; name="file"; filename="hé 中.wav"\r\n\r\nx\r\n'),
  ),
  row("a file name with a path", disposition('form-data; name="file"; filename="C:\\a.wav"')),
  row("100 parts", () => form(...Array.from({ length: 100 }, (_, i) => field(`f${i}`, "x")))),
];

/** Refused for the boundary that the header names. */
export const boundaryForms: readonly FormRow[] = [
  row("another type", form(model), "not_multipart", "multipart/mixed; boundary=abc"),
  row("no type", form(model), "not_multipart", ""),
  row("no boundary", form(model), "missing_boundary", "multipart/form-data"),
  row("another parameter alone", form(model), "missing_boundary", "multipart/form-data; charset=utf-8"),
  row("an empty boundary", form(model), "bad_boundary", "multipart/form-data; boundary="),
  row("an empty quoted boundary", form(model), "bad_boundary", 'multipart/form-data; boundary=""'),
  row("71 letters", form(model), "bad_boundary", `multipart/form-data; boundary=${"b".repeat(71)}`),
  row("a boundary that ends in a space", form(model), "bad_boundary", 'multipart/form-data; boundary="abc "'),
  row("a letter that no boundary has", form(model), "bad_boundary", 'multipart/form-data; boundary="a;b"'),
  row("a boundary with an escape", form(model), "bad_boundary", 'multipart/form-data; boundary="ab\\c"'),
  row("two boundaries", form(model), "bad_boundary", "multipart/form-data; boundary=abc; boundary=abd"),
  row("a quote that does not close", form(model), "bad_boundary", 'multipart/form-data; boundary="abc'),
  row("a parameter without a value", form(model), "bad_boundary", "multipart/form-data; x; boundary=abc"),
  row("a very long header", form(model), "bad_boundary", `multipart/form-data; boundary=abc; x=${"y".repeat(600)}`),
];

/** Refused for how the parts are put together. */
export const framingForms: readonly FormRow[] = [
  row("nothing", "", "no_end"),
  row("the wrong boundary", form(model).replaceAll("abc", "abd"), "no_end"),
  row("no end", form(model).replace("--abc--\r\n", ""), "no_end"),
  row("an end without its last hyphens", form(model).replace("--abc--\r\n", "--abc"), "no_end"),
  row("an end with one hyphen", form(model).replace("--abc--\r\n", "--abc-"), "no_end"),
  row("a preamble", `ignore me\r\n${form(model)}`, "preamble"),
  row("a line break before the first boundary", `\r\n${form(model)}`, "preamble"),
  row("an epilogue", `${form(model)}more`, "epilogue"),
  row("a part behind the end", `${form(model)}${form(model)}`, "epilogue"),
  row("blanks behind the end", form(model).replace("--abc--\r\n", "--abc-- \r\n"), "epilogue"),
  row("blanks behind a boundary", form(model).replace("--abc\r\n", "--abc \r\n"), "bad_delimiter"),
  row("a longer boundary inside", form(field("prompt", "x\r\n--abcd\r\ny")), "bad_delimiter"),
  row("one hyphen behind a boundary", form(field("prompt", "x\r\n--abc-\r\ny")), "bad_delimiter"),
  row("a boundary behind a bare line feed", form(field("prompt", "x\n--abc\r\ny")), "bad_delimiter"),
  row("line feeds alone", form(model).replaceAll("\r\n", "\n"), "bad_delimiter"),
  row("line feeds alone behind the boundary", form(model).replaceAll("abc\r\n", "abc\n"), "bad_delimiter"),
  row("no line break before the end", form(model).replace("\r\n--abc--", "--abc--"), "no_end"),
  row("two boundaries in a row", `--abc\r\n--abc\r\n${model}--abc--\r\n`, "bad_header"),
  row(
    "headers that run into the boundary",
    '--abc\r\nContent-Disposition: form-data; name="model"\r\n--abc--\r\n',
    "bad_header",
  ),
  row(
    "no content but headers",
    '--abc\r\nContent-Disposition: form-data; name="model"\r\n\r\n--abc--\r\n',
    "bad_header",
  ),
  row("101 parts", () => form(...Array.from({ length: 101 }, (_, i) => field(`f${i}`, "x"))), "too_many_parts"),
  row("10,000 parts", () => form(...Array.from({ length: 10_000 }, (_, i) => field(`f${i}`, "x"))), "too_many_parts"),
];

/** Refused for the headers of a part. */
export const headerForms: readonly FormRow[] = [
  row("no headers", form("\r\nwhisper-1\r\n"), "bad_header"),
  row("no disposition", form("Content-Type: text/plain\r\n\r\nx\r\n"), "bad_disposition"),
  row("another disposition", disposition('attachment; name="model"'), "bad_disposition"),
  row("no name", disposition("form-data"), "bad_disposition"),
  row("an empty name", disposition('form-data; name=""'), "bad_disposition"),
  row("a name in blanks", disposition('form-data; name=" model"'), "bad_disposition"),
  row("a name twice", disposition('form-data; name="prompt"; name="model"'), "bad_disposition"),
  row("a name twice in other cases", disposition('form-data; name="prompt"; NAME="model"'), "bad_disposition"),
  row("an extended name", disposition("form-data; name*=utf-8''model"), "bad_disposition"),
  row("both names", disposition("form-data; name=\"prompt\"; name*=utf-8''model"), "bad_disposition"),
  row("a name in pieces", disposition('form-data; name*0="mo"; name*1="del"'), "bad_disposition"),
  row("an extended file name", disposition("form-data; name=\"file\"; filename*=utf-8''a.wav"), "bad_disposition"),
  row("an escaped quote in a name", disposition('form-data; name="mo\\"del"'), "bad_disposition"),
  row("a backslash in a name", disposition('form-data; name="mo\\del"'), "bad_disposition"),
  row(
    "an escaped quote that hides a name",
    disposition('form-data; filename="a\\"; name="model"; x="'),
    "bad_disposition",
  ),
  row(
    "a backslash that may end a value or not",
    disposition('form-data; filename="a\\"; name="model"'),
    "bad_disposition",
  ),
  row("a quote that does not close", disposition('form-data; name="model'), "bad_disposition"),
  row("something behind a quote", disposition('form-data; name="model"x'), "bad_disposition"),
  row("blanks around the equals sign", disposition('form-data; name = "model"'), "bad_disposition"),
  row("a semicolon at the end", disposition('form-data; name="model";'), "bad_disposition"),
  row("a tab in a name", disposition('form-data; name="mo\tdel"'), "bad_disposition"),
  row("a name too long", disposition(`form-data; name="${"n".repeat(257)}"`), "bad_disposition"),
  row("the field that names a charset", form(field("_charset_", "utf-16")), "bad_disposition"),
  row(
    "a field in UTF-16",
    form('Content-Disposition: form-data; name="model"\r\nContent-Type: text/plain; charset=utf-16\r\n\r\nx\r\n'),
    "bad_header",
  ),
  row("a disposition twice", form(`Content-Disposition: form-data; name="prompt"\r\n${model}`), "bad_header"),
  row("a folded header", form('Content-Disposition: form-data;\r\n name="model"\r\n\r\nx\r\n'), "bad_header"),
  row("a blank before the colon", form('Content-Disposition : form-data; name="model"\r\n\r\nx\r\n'), "bad_header"),
  row("a line without a colon", form(`nonsense\r\n${model}`), "bad_header"),
  row(
    "a bare line feed between headers",
    form('X: y\nContent-Disposition: form-data; name="model"\r\n\r\nx\r\n'),
    "bad_header",
  ),
  row(
    "a bare carriage return in a header",
    form('Content-Disposition: form-data; name="prompt"\rX: y\r\n\r\nx\r\n'),
    "bad_header",
  ),
  row("a NUL in a header", form('Content-Disposition: form-data; name="model"\u0000\r\n\r\nx\r\n'), "bad_header"),
  row("content in base64", form(`Content-Transfer-Encoding: base64\r\n${model}`), "bad_header"),
  row("17 headers", form(`${Array.from({ length: 16 }, (_, i) => `X-${i}: y\r\n`).join("")}${model}`), "bad_header"),
  row("headers too big", form(`X: ${"y".repeat(5000)}\r\n${model}`), "header_too_big"),
  row("headers without end", () => `--abc\r\nX: ${"y".repeat(1_000_000)}`, "header_too_big"),
];

/** Refused for names that stand twice. */
export const nameForms: readonly FormRow[] = [
  row("model twice", form(model, model), "duplicate_name"),
  row(
    "model as a field and as a file",
    form(model, 'Content-Disposition: form-data; name="model"; filename="m"\r\n\r\nx\r\n'),
    "duplicate_name",
  ),
  row("model as a field and as a list", form(model, field("model[]", "x")), "duplicate_name"),
  row("model as a list and as a field", form(field("model[]", "x"), model), "duplicate_name"),
];

/** The whole class. */
export const formRows: readonly FormRow[] = [
  ...acceptedForms,
  ...boundaryForms,
  ...framingForms,
  ...headerForms,
  ...nameForms,
];

/** The bytes of a row. */
export const formBytes = ({ body }: FormRow): Buffer => Buffer.from(typeof body === "string" ? body : body());

/** Forms that two readers could read in two ways, and forms that are simply broken. */
import type { Row } from "../fixtures/bad-input.ts";

/** One form. */
export interface FormRow extends Row {
  /** Absent: /v1/audio/transcriptions. */
  readonly path?: string;
  /** Absent: multipart/form-data; boundary=x. "": no content type. */
  readonly type?: string;
  readonly body: () => Buffer;
  readonly isChunked?: boolean;
  /** An error of ours, or "passes": the provider sees the very bytes. */
  readonly want: readonly [status: number, code: string] | "passes";
}

const bad = [400, "invalid_multipart"] as const;
const noModel = [400, "model_required"] as const;
const wrongType = [415, "unsupported_media_type"] as const;
const tooLarge = [413, "body_too_large"] as const;
const mebibyte = 1024 * 1024;

const part = (disposition: string, content: string, more = ""): string =>
  `--x\r\nContent-Disposition: ${disposition}\r\n${more}\r\n${content}\r\n`;
const field = (name: string, value: string, more = ""): string => part(`form-data; name="${name}"`, value, more);
const file = part('form-data; name="file"; filename="a.wav"', "RIFF\0\xff", "Content-Type: audio/wav\r\n");
const model = field("model", "whisper-1");
const end = "--x--\r\n";
const form = (...parts: readonly string[]): string => parts.join("") + end;
const whole = form(model, file);

const row = (name: string, body: string, want: FormRow["want"], more: Partial<FormRow> = {}): FormRow => ({
  name,
  body: () => Buffer.from(body, "latin1"),
  want,
  ...more,
});
const typed = (type: string, want: FormRow["want"], body = whole): FormRow =>
  row(type === "" ? "no content type" : `content type ${type.slice(0, 60)}`, body, want, { type });
/** A good form with one more part. */
const beside = (name: string, more: string, want: FormRow["want"]): FormRow => row(name, form(model, more, file), want);

const boundaries: readonly FormRow[] = [
  typed("", wrongType),
  typed("text/plain", wrongType),
  typed("multipart/mixed; boundary=x", wrongType),
  typed("multipart/form-data", bad),
  typed("multipart/form-data; boundary=", bad),
  typed('multipart/form-data; boundary=""', bad),
  typed('multipart/form-data; boundary="x', bad),
  typed('multipart/form-data; boundary="x "', bad),
  typed("multipart/form-data; boundary=x; boundary=y", bad),
  typed("multipart/form-data; boundary=x\u00ff", bad),
  typed(`multipart/form-data; boundary=${"x".repeat(71)}`, bad),
  typed("multipart/form-data; boundary=y", bad),
  typed('multipart/form-data; boundary="x"', "passes"),
  typed("Multipart/Form-Data; Boundary=x", "passes"),
  typed("multipart/form-data; charset=utf-8; boundary=x", "passes"),
];

const framing: readonly FormRow[] = [
  row("nothing", "", bad),
  row("text before the first boundary", `hello\r\n${whole}`, bad),
  row("a line break before the first boundary", `\r\n${whole}`, bad),
  row("text after the last boundary", `${whole}hello`, bad),
  row("a second form after the last boundary", whole + whole, bad),
  row("no last boundary", whole.slice(0, -end.length), bad),
  row("a last boundary without its dashes", `${whole.slice(0, -4)}\r\n`, bad),
  row("bare line feeds", whole.replaceAll("\r\n", "\n"), bad),
  row("a bare line feed before a boundary", whole.replace("whisper-1\r\n", "whisper-1\n"), bad),
  row("blanks behind a boundary", whole.replace("--x\r\n", "--x  \r\n"), bad),
  row("a boundary that only begins alike", form(model, file.replace("RIFF", "\r\n--xy\r\n")), bad),
  row("no blank line in a part", `--x\r\nContent-Disposition: form-data; name="model"\r\n${file}${end}`, bad),
  row("no parts at all", end, noModel),
  row("no line break at the very end", whole.slice(0, -2), "passes"),
  row("dashes inside a file", form(model, file.replace("RIFF", "a--x --x--\r\n-- x\r\n")), "passes"),
  row("an empty file", form(model, part('form-data; name="file"; filename=""', "")), "passes"),
];

const heads: readonly FormRow[] = [
  beside("two models", field("model", "gpt-5"), bad),
  beside("model and model[]", field("model[]", "gpt-5"), bad),
  beside("two files", file, bad),
  beside("a part without a disposition", "--x\r\nContent-Type: text/plain\r\n\r\na\r\n", bad),
  beside("a part without headers", "--x\r\n\r\na\r\n", bad),
  beside("a part without a name", part("form-data", "a"), bad),
  beside("a part with an empty name", field("", "a"), bad),
  beside("an attachment", part('attachment; name="a"', "a"), bad),
  beside("a name with an escaped quote", part('form-data; name="a\\"b"', "a"), bad),
  beside("a name with a blank in front", field(" model", "gpt-5"), bad),
  beside("a name that is spelled twice", part('form-data; name="a"; name="model"', "a"), bad),
  beside("an extended name", part("form-data; name*=utf-8''model", "a"), bad),
  beside("an extended file name", part("form-data; name=\"a\"; filename*=utf-8''b", "a"), bad),
  beside("the field that names the charset", field("_charset_", "utf-16"), bad),
  beside("a field in UTF-16", field("a", "b", "Content-Type: text/plain; charset=utf-16\r\n"), bad),
  beside("a field in base64", field("a", "Yg==", "Content-Transfer-Encoding: base64\r\n"), bad),
  beside("a header twice", part('form-data; name="a"', "b", 'Content-Disposition: form-data; name="c"\r\n'), bad),
  beside("a folded header", part('form-data;\r\n name="a"', "b"), bad),
  beside("a header without a colon", field("a", "b", "hello\r\n"), bad),
  beside("a NUL in a header", field("a\0", "b"), bad),
  beside("a header that is no UTF-8", field("a\xff", "b"), bad),
  beside("headers of 5,000 bytes", field("a", "b", `X-A: ${"a".repeat(5_000)}\r\n`), bad),
  beside("20 headers", field("a", "b", Array.from({ length: 20 }, (_, i) => `X-${i}: a\r\n`).join("")), bad),
  beside("a name of 300 characters", field("a".repeat(300), "b"), bad),
  beside("a list", field("include[]", "a") + field("include[]", "b"), "passes"),
  beside("a file name in UTF-8", part('form-data; name="mask"; filename="\xc3\xa4.png"', "\xff"), "passes"),
];

const contents: readonly FormRow[] = [
  row("no model", form(file), noModel),
  row("an empty model", form(field("model", ""), file), noModel),
  row("a model of 600 characters", form(field("model", "m".repeat(600)), file), noModel),
  row("a model of 300 characters", form(field("model", "m".repeat(300)), file), noModel),
  row("a model that is a file", form(part('form-data; name="model"; filename="m"', "whisper-1"), file), noModel),
  row("a model that is no UTF-8", form(field("model", "whisper-1\xff"), file), bad),
  row("101 parts", form(model, ...Array.from({ length: 100 }, (_, i) => field(`f${i}`, ""))), bad),
  row("10,000 parts", form(model, ...Array.from({ length: 10_000 }, (_, i) => field(`f${i}`, ""))), bad),
  row("33 MiB", "", tooLarge, {
    body: () => Buffer.from(form(model, file.replace("RIFF", "a".repeat(33 * mebibyte))), "latin1"),
  }),
  row("33 MiB of unknown length", "", tooLarge, {
    body: () => Buffer.from(form(model, file.replace("RIFF", "a".repeat(33 * mebibyte))), "latin1"),
    isChunked: true,
  }),
  row("16 MiB", "", "passes", {
    body: () => Buffer.from(form(model, file.replace("RIFF", "a\r\n--".repeat(mebibyte * 3))), "latin1"),
  }),
  row("a form for chat", whole, wrongType, { path: "/v1/chat/completions" }),
  row("a form for translation", whole, "passes", { path: "/v1/audio/translations" }),
  row("a form for image edits", whole, "passes", { path: "/v1/images/edits" }),
  row("a form of unknown length", whole, "passes", { isChunked: true }),
  row("an upload that passes unread", "anything", "passes", { path: "/v1/files" }),
  row("an upload of 33 MiB", "", tooLarge, { path: "/v1/files", body: () => Buffer.alloc(33 * mebibyte) }),
  row("an upload of 33 MiB of unknown length", "", tooLarge, {
    path: "/v1/files",
    body: () => Buffer.alloc(33 * mebibyte),
    isChunked: true,
  }),
];

/** A form that passes. */
export const wholeForm = Buffer.from(whole, "latin1");

/** All of them. */
export const formRows: readonly FormRow[] = [...boundaries, ...framing, ...heads, ...contents];

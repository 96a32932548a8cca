import { describe, expect, test } from "vitest";
import { eventFields } from "./event-fields.ts";

describe("eventFields", () => {
  test.each([
    { name: "one line of data", event: "data: x\n\n", want: { data: "x" } },
    { name: "data without a space", event: "data:x\n\n", want: { data: "x" } },
    { name: "only one space is stripped", event: "data:  x\n\n", want: { data: " x" } },
    { name: "data without a colon is an empty line of data", event: "data\n\n", want: { data: "" } },
    { name: "several lines of data are joined", event: "data: a\r\ndata\r\ndata: c\r\n\r\n", want: { data: "a\n\nc" } },
    { name: "CR alone ends lines", event: "event: e\rdata: x\r\r", want: { name: "e", data: "x" } },
    { name: "the last event name wins", event: "event: a\nevent: b\ndata: x\n\n", want: { name: "b", data: "x" } },
    { name: "an empty event name is none", event: "event:\ndata: x\n\n", want: { data: "x" } },
    {
      name: "comments and other fields are ignored",
      event: ":data: c\nid: 1\nretry: 2\ndatas: 3\ndata: x\n\n",
      want: { data: "x" },
    },
    { name: "field names are case-sensitive", event: "Data: x\n\n", want: {} },
    { name: "a comment alone has no data", event: ": keep-alive\n\n", want: {} },
    { name: "a lone blank line has no data", event: "\n", want: {} },
    { name: "the last line may lack its end", event: "event: e\ndata: x", want: { name: "e", data: "x" } },
    { name: "a name cut short is no field", event: "dat", want: {} },
    { name: "NUL is a character like others", event: "data: \0\n\n", want: { data: "\0" } },
  ])("$name", ({ event, want }) => {
    // neighbours on both sides: nothing outside the range may be read
    const bytes = Buffer.from(`data: before\n\n${event}data: after\n\n`);
    const start = 14;
    const fields = eventFields(bytes, start, start + Buffer.byteLength(event));
    expect({ name: fields.name, data: fields.hasData ? fields.data : undefined }).toEqual({
      name: undefined,
      data: undefined,
      ...want,
    });
  });
});

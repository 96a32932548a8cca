/** One server-sent event. `data` is sent as it is. */
export interface Frame {
  readonly event?: string;
  readonly data: string;
}

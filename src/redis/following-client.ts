import type { Command, Redis } from "ioredis";
import { type Client, type ClientSettings, openClient } from "./client.ts";
import { isSameServer, type RedisPlace } from "./place.ts";
import { parseRedisUrl } from "./url.ts";

/** After a rotated password logs in anew within so long, ms, so that the sidecars of a cluster do not come as one. */
export const relogSpreadMs = 30_000;
/** How long the connection that was left may still answer what is under way there, ms. */
const farewellMs = 1_000;

/** What a client that can move needs. */
export type FollowingSettings = Omit<ClientSettings, "target" | "tlsCa"> & { readonly place: RedisPlace };

/**
 * A client that can be told to go on elsewhere. The connection in use stays until the one to the new place stands, so that a
 * password that is not valid yet does no harm.
 */
export class FollowingClient implements Client {
  readonly #settings: FollowingSettings;
  #client: Client;
  #place: RedisPlace;
  #isCluster: boolean;
  /** A place that is to replace the one in use, and the connection to it until that stands. */
  #nextPlace: RedisPlace | undefined;
  #successor: Client | undefined;
  #relogTimer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** Opens the connection. Throws RedisUrlFault. */
  constructor(settings: FollowingSettings) {
    this.#settings = settings;
    this.#place = settings.place;
    this.#isCluster = isClusterAt(settings.place);
    this.#client = this.#open(settings.place);
  }

  /**
   * Another server is gone to at once; with other credentials it logs in anew within 30 s, or as soon as the connection is lost.
   * Throws RedisUrlFault.
   */
  follow(place: RedisPlace): void {
    const newest = this.#nextPlace ?? this.#place;
    const isSame = isSameServer(newest, place);
    if (isSame && newest.url === place.url) return;
    this.#nextPlace = place;
    clearTimeout(this.#relogTimer);
    if (isSame && this.#client.isReady() && this.#successor === undefined)
      this.#relogTimer = setTimeout(() => this.#succeed(), this.#settings.random() * relogSpreadMs).unref();
    else this.#succeed();
  }

  /** Whether the place in use is a Cluster. */
  get isCluster(): boolean {
    return this.#isCluster;
  }
  isReady(): boolean {
    return this.#client.isReady();
  }
  send(command: Command, isLazy: boolean): void {
    this.#client.send(command, isLazy);
  }
  masters(): readonly Redis[] {
    return this.#client.masters();
  }
  reconnect(slot?: number | null): void {
    this.#client.reconnect(slot);
  }
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#relogTimer);
    this.#successor?.close();
    this.#client.close();
  }

  #open(place: RedisPlace): Client {
    const client: Client = openClient({
      ...this.#settings,
      target: parseRedisUrl(place.url),
      tlsCa: place.ca,
      ready: () => this.#ready(client),
      lost: (reason) => this.#lost(client, reason),
    });
    return client;
  }

  #succeed(): void {
    clearTimeout(this.#relogTimer);
    if (this.#nextPlace === undefined || this.#isClosed) return;
    this.#successor?.close();
    this.#successor = this.#open(this.#nextPlace);
  }

  #ready(client: Client): void {
    if (client === this.#successor) this.#takeOver(client);
    else if (client !== this.#client) return;
    this.#settings.ready();
  }

  #takeOver(client: Client): void {
    const former = this.#client;
    this.#client = client;
    this.#place = this.#nextPlace ?? this.#place;
    this.#isCluster = isClusterAt(this.#place);
    this.#nextPlace = undefined;
    this.#successor = undefined;
    setTimeout(() => former.close(), farewellMs).unref();
  }

  #lost(client: Client, reason: string): void {
    if (this.#isClosed || client !== this.#client) return;
    // The password in use may be the old one.
    if (this.#successor === undefined) this.#succeed();
    this.#settings.lost(reason);
  }
}

const isClusterAt = ({ url }: RedisPlace): boolean => parseRedisUrl(url).topology === "Cluster";

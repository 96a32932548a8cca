/** Reads `redis.json` and follows it: a changed password or place is taken without a restart, a broken one leaves the last good one. */
import { readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { decodeRedisPlace, type RedisPlace, RedisPlaceFault, redisFileBytesMax } from "../redis/place.ts";
import { watchPath } from "./file-watch.ts";
import { SettingsFault } from "./settings.ts";

/** The place in the file. Throws SettingsFault that names the file and what is wrong; never a value of it. */
export function readRedisFile(path: string): RedisPlace {
  return placeIn(path, readText(path));
}

/** Calls back for each new content of the file; answers how to stop. `inForce`: the place that is followed already. */
export function followRedisFile(
  path: string,
  inForce: RedisPlace,
  listener: { changed(place: RedisPlace): void; refused(why: string): void },
): () => void {
  let seen = JSON.stringify(inForce);
  let faultSeen = "";
  // The directory: the kubelet swaps it, and a watch on the file would stay with the old one.
  return watchPath(dirname(path), () => {
    try {
      const place = readRedisFile(path);
      faultSeen = "";
      const text = JSON.stringify(place);
      if (text === seen) return;
      seen = text;
      listener.changed(place);
    } catch (fault) {
      if (!(fault instanceof SettingsFault)) throw fault;
      if (fault.message === faultSeen) return;
      faultSeen = fault.message;
      listener.refused(fault.message);
    }
  });
}

function readText(path: string): string {
  try {
    if (statSync(path).size > redisFileBytesMax)
      throw new SettingsFault(`SIDEGATE_REDIS_FILE: ${path} is larger than ${redisFileBytesMax} bytes`);
    return readFileSync(path, "utf8");
  } catch (fault) {
    if (fault instanceof SettingsFault) throw fault;
    const code = fault instanceof Error && "code" in fault ? String(fault.code) : String(fault);
    throw new SettingsFault(`SIDEGATE_REDIS_FILE: ${path} cannot be read (${code})`);
  }
}

function placeIn(path: string, text: string): RedisPlace {
  try {
    return decodeRedisPlace(text);
  } catch (fault) {
    if (!(fault instanceof RedisPlaceFault)) throw fault;
    throw new SettingsFault(`SIDEGATE_REDIS_FILE: ${path}: ${fault.message}`);
  }
}

import { expect, test } from "vitest";
import { nodesInSlots, replicasInInfo } from "./redis-nodes.ts";

test("the replicas of a master stand in its INFO", () => {
  const info = [
    ...["# Replication", "role:master", "connected_slaves:3"],
    "slave0:ip=10.0.0.2,port=6379,state=online,offset=1,lag=0",
    "slave1:ip=::1,port=6380,state=wait_bgsave,offset=0,lag=0",
    "slave2:ip=redis-2.redis,port=6379,state=online,offset=1,lag=1",
    "slave_read_only:1",
  ];
  expect(replicasInInfo(info.join("\r\n"))).toEqual(["10.0.0.2:6379", "::1:6380", "redis-2.redis:6379"]);
  expect(replicasInInfo("role:master\r\nconnected_slaves:0\r\n")).toEqual([]);
});

test("all nodes of a Cluster stand in its slots, each once", () => {
  const slots = [
    [0, 5460, ["10.0.0.1", 6379, "id1", []], ["10.0.0.2", 6379, "id2", []]],
    [5461, 5461, ["10.0.0.1", 6379, "id1", []], ["?", 6379, "id3", []]],
    [5462, 16383, ["", 6380, "id4"], [null, 6381, "id5"]],
  ];
  expect(nodesInSlots(slots, "redis:7000")).toEqual([
    ...["10.0.0.1:6379", "10.0.0.2:6379", "redis:6380", "redis:6381"],
  ]);
});

test.each([[null], ["ERR"], [[1, [2]]]])("an answer that is none names nobody: %j", (reply) => {
  expect(nodesInSlots(reply, "redis:7000")).toEqual([]);
});

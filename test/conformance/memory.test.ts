import { MemoryBroker } from '../../runtime/memory-broker.ts';
import { type FaultPlan, PASS } from '../../runtime/memory-faults.ts';
import { VirtualClock } from '../../runtime/virtual-clock.ts';
import { conformance, type LossyMethod } from './conformance.ts';

conformance('the simulated broker', async () => {
  const clock = new VirtualClock({ startMs: 1_700_000_000_000, wakesMax: 1_000_000 });
  let markers = 0;
  // as on a real broker, markers come a little after the answer to EndTxn
  const broker = new MemoryBroker({ clock, markerDelayMs: () => markers++ % 3 });
  return {
    clock,
    run: (body) => clock.run(body()),
    openPort: async (clientId) => broker.openPort({ clientId }),
    openLossyPort: async (clientId) => {
      const lost: LossyMethod[] = [];
      const faults: FaultPlan = {
        decide: ({ method }) => {
          if (method !== lost[0]) return PASS;
          lost.shift();
          return { kind: 'lose-reply', delayMs: 100 };
        },
      };
      return { port: broker.openPort({ clientId, faults }), loseNextReply: (method) => lost.push(method) };
    },
    compactedConfigs: {},
    rollSegment: async () => {},
    compact: async ({ topic }) => broker.compact(topic),
    deleteBefore: async ({ topic, partition }, offset) => broker.truncate(topic, partition, offset),
    groupOffset: async (groupId, { topic, partition }) => {
      const offsets = broker.groupOffsets(groupId);
      return offsets.find((one) => one.topic === topic && one.partition === partition)?.offset ?? null;
    },
    close: async () => {},
  };
});

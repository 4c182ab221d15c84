/**
 * Who gets which task: a pure function of who is there and who had what. A task is a partition number, so whoever gets it
 * reads that partition of every input: co-partitioned by construction.
 */

export type Claimant = {
  readonly memberId: string;
  /** Tasks that the member has open now, and so need no restoring. */
  readonly owned: readonly number[];
  /** Of the assignment that gave it those tasks; of two claims to a task the later one is believed. */
  readonly generationId: number;
};

/**
 * Tasks 0 to `taskCount` - 1, each given to exactly one member: as even as can be (they differ by one task at most), and
 * with as few tasks moved as that allows. The same arguments give the same answer, whatever the order of members.
 *
 *     assignTasks(3, [{ memberId: 'a', owned: [0, 1, 2], generationId: 1 }, { memberId: 'b', owned: [], generationId: -1 }])
 *     // Map { 'a' => [0, 1], 'b' => [2] }
 */
export function assignTasks(taskCount: number, members: readonly Claimant[]): Map<string, readonly number[]> {
  const sorted = [...members].sort((a, b) => compareText(a.memberId, b.memberId));
  const claims = claimsOf(taskCount, sorted);
  const room = roomOf(taskCount, claims);
  const assigned = new Map<string, number[]>();
  const free = new Set(Array.from({ length: taskCount }, (_, task) => task));
  for (const { memberId } of sorted) {
    const kept = claims.get(memberId)!.slice(0, room.get(memberId)!);
    assigned.set(memberId, kept);
    for (const task of kept) free.delete(task);
  }
  const waiting = [...free];
  for (const [memberId, tasks] of assigned) {
    tasks.push(...waiting.splice(0, room.get(memberId)! - tasks.length));
    tasks.sort((a, b) => a - b);
  }
  return assigned;
}

/** Valid claims, ascending: each task claimed by one member at most. */
function claimsOf(taskCount: number, sorted: readonly Claimant[]): Map<string, number[]> {
  const owner = new Map<number, Claimant>();
  for (const member of sorted) {
    for (const task of member.owned) {
      const other = owner.get(task);
      const isTask = Number.isInteger(task) && task >= 0 && task < taskCount;
      if (isTask && (other === undefined || other.generationId < member.generationId))
        owner.set(task, member);
    }
  }
  const claims = new Map<string, number[]>(sorted.map(({ memberId }) => [memberId, []]));
  for (const [task, { memberId }] of [...owner].sort(([a], [b]) => a - b)) claims.get(memberId)!.push(task);
  return claims;
}

/** How many tasks each member gets: the larger shares go to those who have more already. */
function roomOf(taskCount: number, claims: ReadonlyMap<string, readonly number[]>): Map<string, number> {
  const share = Math.floor(taskCount / claims.size);
  let larger = taskCount % claims.size;
  const byClaims = [...claims].sort(([, a], [, b]) => b.length - a.length);
  const room = new Map<string, number>();
  for (const [memberId] of byClaims) {
    room.set(memberId, larger > 0 ? share + 1 : share);
    larger--;
  }
  return room;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Settings of the fold over a session. All are integers; grace has no default of its own anywhere else. */

export type SessionSettings = {
  /** Windows are tumbling, in log time, aligned to the epoch. */
  readonly windowMs: number;
  /** A window is told when log time reaches its end plus this; what comes for it afterwards is late. */
  readonly graceMs: number;
  /** Silence of a player after which nothing is known of it any more: three of the 30 s reports of CMCD. */
  readonly heartbeatTimeoutMs: number;
  /** A closed session goes on as a new revision when its player is heard again within this. */
  readonly reopenMs: number;
  /** A session that lasts longer is told as several. */
  readonly rolloverMs: number;
  /** Events that wait for their window to close, per session. */
  readonly heldEventsMax: number;
  /** An event this far out of line with the log is late, or its player's clock has jumped. */
  readonly clockJumpMs: number;
};

export const SESSION_DEFAULTS: SessionSettings = {
  windowMs: 10_000,
  graceMs: 5_000,
  heartbeatTimeoutMs: 90_000,
  reopenMs: 600_000,
  rolloverMs: 86_400_000,
  heldEventsMax: 256,
  clockJumpMs: 30_000,
};

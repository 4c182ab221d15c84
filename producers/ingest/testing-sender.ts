/** For tests: an ffmpeg that sends or packages until it is stopped. */
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { systemClock } from '../../runtime/system-clock.ts';
import { FFMPEG } from './testing.ts';

export type Sender = {
  /** Ends it as a machine that fails would, and waits until it is gone. */
  stop(): Promise<void>;
};

/** @param isPersistent it is started again whenever it ends, as senders do whose receiver was not there */
export function startSender(senderArguments: readonly string[], isPersistent = false): Sender {
  let isOver = false;
  const run = () => {
    const child = spawn(
      FFMPEG,
      ['-hide_banner', '-nostdin', '-loglevel', 'error', '-y', ...senderArguments],
      {
        stdio: 'ignore',
      },
    );
    return { child, gone: once(child, 'exit') };
  };
  let present = run();
  const keepUp = async (): Promise<void> => {
    for (;;) {
      await present.gone;
      if (isOver || !isPersistent) return;
      await systemClock.sleep(RESTART_MS);
      if (isOver) return;
      present = run();
    }
  };
  const over = keepUp();
  return {
    async stop() {
      isOver = true;
      present.child.kill('SIGKILL');
      await over;
    },
  };
}

const RESTART_MS = 200;

/** A port of the loopback that nobody has at this moment. */
export async function freePort(kind: 'tcp' | 'udp'): Promise<number> {
  if (kind === 'tcp') {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    return port;
  }
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

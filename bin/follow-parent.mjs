/**
 * Preloaded into the process that the launcher starts. Descriptor 3 is the end of a pipe that only the launcher holds
 * open: when it closes, the launcher is gone, of whatever cause, and this process ends as on SIGTERM.
 */
import { Socket } from 'node:net';

const STOP_GRACE_MS = 30_000;

if (process.env.EVERYVIEW_LAUNCHER_FD === '3') {
  delete process.env.EVERYVIEW_LAUNCHER_FD;
  const pipe = new Socket({ fd: 3, readable: true, writable: false });
  pipe.on('error', () => pipe.destroy());
  pipe.once('close', () => {
    process.kill(process.pid, 'SIGTERM');
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), STOP_GRACE_MS).unref();
  });
  pipe.resume();
  pipe.unref();
}

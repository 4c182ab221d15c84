/**
 * Starts a local PostgreSQL in the folder that is its argument and holds it until SIGTERM: a parent for tests to kill.
 * Prints one line of JSON when it is ready: `{"url"}`.
 */
import { startLocalPostgres } from '../../local/postgres.ts';

const postgres = await startLocalPostgres({ dataDir: process.argv[2]!, onProgress: () => {} });
process.once('SIGTERM', () => void postgres.stop());
console.log(JSON.stringify({ url: postgres.url }));

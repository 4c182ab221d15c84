/**
 * Starts a local cluster in the folder that is its argument and holds it until SIGTERM: a parent for tests to kill.
 * Prints one line of JSON when the cluster is ready: `{"brokers","registryUrl"}`.
 */
import { startLocal } from '../../local/cluster.ts';

const cluster = await startLocal({ dataDir: process.argv[2]!, allowInstall: false, onProgress: () => {} });
process.once('SIGTERM', () => void cluster.stop());
console.log(JSON.stringify({ brokers: cluster.brokers, registryUrl: cluster.registryUrl }));

import { after } from 'node:test';
import { testCluster } from '../support/local-cluster.ts';
import { conformance } from './conformance.ts';
import { kafkaSubject } from './kafka-subject.ts';

const cluster = await testCluster();
after(() => cluster.stop());

conformance('Apache Kafka', async () => kafkaSubject(cluster.brokers));

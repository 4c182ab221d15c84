/**
 * The pinned versions of what EveryView runs on: the only place that says them. The Maven build gets them as
 * properties, the tests read them, and `test/compose.test.ts` holds docker-compose.yml to them.
 */
export const KAFKA_VERSION = '4.3.1';
/** Scala version that the broker's artifact is built with (part of its name). */
export const KAFKA_SCALA = '2.13';
export const REGISTRY_VERSION = '2.6.13.Final';

export const KAFKA_IMAGE = `apache/kafka:${KAFKA_VERSION}`;
/** Registry that keeps its data in Kafka: docker-compose needs no volume for it. */
export const REGISTRY_IMAGE = `quay.io/apicurio/apicurio-registry-kafkasql:${REGISTRY_VERSION}`;
/** Registry that forgets: for tests. */
export const REGISTRY_MEMORY_IMAGE = `quay.io/apicurio/apicurio-registry-mem:${REGISTRY_VERSION}`;
/** Where the registry speaks Confluent's protocol. */
export const REGISTRY_PATH = '/apis/ccompat/v7';

export const JAVA_MAJOR_MIN = 17;
export const NODE_MAJOR_MIN = 24;

/** PyPI package whose wheels carry a static ffmpeg (GPL build, with libx264 and SRT). */
export const FFMPEG_WHEEL = { name: 'imageio-ffmpeg', version: '0.8.1' } as const;

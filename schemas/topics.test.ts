import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { schemaText } from './avsc-files.ts';
import {
  kafkaConfigs,
  newTopics,
  partitionsOf,
  TOPIC_NAMES,
  TOPICS,
  type TopicName,
  topicDefinition,
} from './topics.ts';

describe('topics', () => {
  it('have the broker stamp what comes from outside, and nothing else', () => {
    const stamped = TOPIC_NAMES.filter(
      (name) => kafkaConfigs(name)['message.timestamp.type'] === 'LogAppendTime',
    );
    assert.deepEqual(stamped, ['frame-features', 'playback-events', 'everyview-config', 'catalogue']);
  });

  it('are named after their key in the list, and have a schema with docs', () => {
    for (const name of TOPIC_NAMES) {
      assert.equal(TOPICS[name].name, name);
      const schema = JSON.parse(schemaText(TOPICS[name].schema)) as {
        doc: string;
        fields: { doc?: string }[];
      };
      assert.ok(schema.doc.length > 0);
      for (const field of schema.fields) assert.ok(field.doc, `${name}: a field without a doc`);
    }
  });

  it('carry their record key as a field, where it is one field', () => {
    for (const name of TOPIC_NAMES) {
      const [first] = TOPICS[name].key.split(' ');
      if (TOPICS[name].key.includes('tuple') || TOPICS[name].key.startsWith('source')) continue;
      const { fields } = JSON.parse(schemaText(TOPICS[name].schema)) as { fields: { name: string }[] };
      assert.ok(
        fields.some((field) => field.name === first),
        `${name}: no field ${first}`,
      );
    }
  });

  it('are created with the partitions that were chosen, and one where one is meant', () => {
    const topics = newTopics(12, 3);
    const of = (name: TopicName) => topics.find((topic) => topic.topic === name)!;
    assert.equal(of('frame-features').partitions, 12);
    assert.equal(of('qos-alerts').partitions, 1);
    assert.equal(of('qos-alerts-current').configs['cleanup.policy'], 'compact');
    assert.equal(of('frame-features').configs['min.insync.replicas'], '2');
    assert.equal(kafkaConfigs('frame-features')['min.insync.replicas'], undefined);
    assert.equal(partitionsOf('stream-defects'), 6);
  });

  it('keep alerts longer than anything that they are compared with', () => {
    const retentionMs = (name: TopicName) => Number(TOPICS[name].configs['retention.ms']);
    const others = TOPIC_NAMES.filter((name) => TOPICS[name].cleanup === 'delete' && name !== 'qos-alerts');
    for (const name of others) assert.ok(retentionMs(name) < retentionMs('qos-alerts'), name);
  });

  it('are asked for by name, and an unknown name lists what there is', () => {
    assert.equal(topicDefinition('catalogue').cleanup, 'compact');
    assert.throws(() => topicDefinition('alerts' as TopicName), /no topic "alerts".*qos-alerts/);
  });
});

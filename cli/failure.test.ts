import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SetupError } from '../local/setup-error.ts';
import { LogError } from '../runtime/port.ts';
import { SchemaError } from '../schemas/errors.ts';
import { RegistryError } from '../schemas/registry-error.ts';
import { ExpectedError, failureOf, masked, UsageError } from './failure.ts';

function check(error: unknown, exitCode: number, line: string): void {
  assert.deepEqual(failureOf(error), { exitCode, line: `everyview: ${line}`, isExpected: true });
}

test('what was foreseen is one line: what is wrong, and what to do', () => {
  check(
    new UsageError("there is no topology 'x'", 'There are a and b'),
    2,
    "there is no topology 'x'. There are a and b.",
  );
  check(new ExpectedError('nothing was decoded.', 'see the log'), 1, 'nothing was decoded. See the log.');
  check(
    new SetupError('java-missing', 'no Java was found', 'install Java 17', { detail: ['a', 'b'] }),
    1,
    'no Java was found. Install Java 17.',
  );
  check(
    new SetupError('interrupted', 'set-up was interrupted', 'run the same command again to go on'),
    130,
    'set-up was interrupted. Run the same command again to go on.',
  );
  check(
    new LogError('unknown-topic', 'there is no topic qos-alerts'),
    1,
    'Kafka: there is no topic qos-alerts. Create the topics with: everyview topics --deploy.',
  );
  check(
    new LogError('unreachable', 'the connection to kafka-1:9092 was lost'),
    1,
    'Kafka: the connection to kafka-1:9092 was lost. Check that Kafka runs there and that KAFKA_BROKERS names it, or unset it to use a local one.',
  );
  check(
    new LogError('unauthorized', 'denied: change the credentials'),
    1,
    'Kafka: denied: change the credentials.',
  );
  check(
    new LogError('timed-out', 'no answer in time'),
    1,
    'Kafka: no answer in time. Run the command again; if it stays, see the log of the broker.',
  );
  check(
    new SchemaError('truncated', 'ends at byte 7'),
    1,
    'schema: ends at byte 7. Look at the record with: everyview tail TOPIC --raw.',
  );
  check(
    new RegistryError('unreachable', 'no registry answers: start it'),
    1,
    'no registry answers: start it.',
  );
});

test('a message of several lines becomes one', () => {
  check(new ExpectedError('one\n  two\r\nthree', 'four\nfive'), 1, 'one two three. Four five.');
});

test('what nobody foresaw is told as such', () => {
  const failure = failureOf(new TypeError('x is not a function'));
  assert.deepEqual(failure, { exitCode: 1, line: 'everyview: x is not a function', isExpected: false });
  assert.equal(failureOf('thrown text').isExpected, false);
});

test('secrets are masked, addresses are not', () => {
  const clean = 'http://127.0.0.1:8081/apis and kafka-1:9092';
  assert.equal(masked(clean), clean);
  assert.equal(masked('https://user:pass@host/path'), 'https://***:***@host/path');
  assert.equal(
    masked('GET /live.m3u8?token=abc&x=1 sasl password=geheim;'),
    'GET /live.m3u8?token=***&x=1 sasl password=***;',
  );
  check(
    new ExpectedError('no answer from http://me:secret@registry', 'x'),
    1,
    'no answer from http://***:***@registry. X.',
  );
});

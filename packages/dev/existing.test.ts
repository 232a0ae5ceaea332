import { describe, expect, it } from 'vitest';
import { existingKafka, existingRedis } from './existing.ts';

describe('existing services', () => {
  it('nothing named means: start them', () => {
    expect(existingKafka('')).toBeNull();
    expect(existingRedis('  ')).toBeNull();
  });

  it('commas alone separate sites', () => {
    expect(existingKafka('a:1, b:2,c:3')).toEqual([['a:1'], ['b:2'], ['c:3']]);
    expect(existingRedis('a:1,redis://b:2/3')).toEqual(['redis://a:1', 'redis://b:2/3']);
  });

  it('with semicolons, commas separate the brokers of one site', () => {
    expect(existingKafka('a:1,b:2; c:3')).toEqual([['a:1', 'b:2'], ['c:3']]);
    expect(existingKafka('a:1,b:2;')).toEqual([['a:1', 'b:2']]);
  });

  it('an address that is none is refused, naming the setting and both values', () => {
    expect(() => existingKafka('a:1,b')).toThrow('TIDEMARK_KAFKA: got "b", expected host:port');
    expect(() => existingKafka('kafka://a:1')).toThrow('TIDEMARK_KAFKA: got "kafka://a:1", expected host:port');
    expect(() => existingRedis('http://a:1')).toThrow('TIDEMARK_REDIS: got "http://a:1", expected redis://host:port');
  });
});

// What people do with ioredis: node ioredis.js PORT
'use strict';

const assert = require('node:assert/strict');
const Redis = require('ioredis');

const port = Number(process.argv[2]);

async function strings(redis) {
  assert.equal(await redis.set('s', 'value'), 'OK');
  assert.equal(await redis.get('s'), 'value');
  assert.equal(await redis.set('s', 'x', 'EX', 100, 'NX'), null);
  assert.equal(await redis.incrby('n', 42), 42);
  assert.deepEqual(await redis.mget('s', 'none', 'n'), ['value', null, '42']);
  const bytes = Buffer.from([0, 255, 13, 10, 200]);
  await redis.set('bytes', bytes);
  assert.deepEqual(await redis.getBuffer('bytes'), bytes);
}

async function collections(redis) {
  assert.equal(await redis.rpush('l', 1, 2, 3), 3);
  assert.deepEqual(await redis.lrange('l', 0, -1), ['1', '2', '3']);
  await redis.hset('h', { x: 1, y: 'two' });
  assert.deepEqual(await redis.hgetall('h'), { x: '1', y: 'two' });
  assert.equal(await redis.sadd('set', 'a', 'b', 'a'), 2);
  assert.deepEqual((await redis.smembers('set')).sort(), ['a', 'b']);
  await redis.zadd('z', 1, 'one', 2.5, 'two');
  assert.deepEqual(await redis.zrange('z', 0, -1, 'WITHSCORES'), ['one', '1', 'two', '2.5']);
}

async function pipelines(redis) {
  const pipeline = redis.pipeline();
  for (let n = 0; n < 2000; ++n) pipeline.set(`p${n}`, n).get(`p${n}`);
  const replies = await pipeline.exec();
  assert.deepEqual(replies.filter((_, at) => at % 2 === 1).map((pair) => pair[1]),
                   Array.from({ length: 2000 }, (_, n) => String(n)));
  assert.deepEqual(await redis.multi().set('t', 1).incr('t').exec(), [[null, 'OK'], [null, 2]]);
  const failed = await redis.multi().set('t', 'x').incr('t').exec();
  assert.match(failed[1][0].message, /not an integer/);
  await assert.rejects(redis.lpush('t', 1), /WRONGTYPE/);
}

// Commands sent in one turn of the event loop leave in one packet.
async function automaticPipelining() {
  const redis = new Redis({ port, enableAutoPipelining: true });
  const replies = await Promise.all(Array.from({ length: 500 }, () => redis.incr('auto')));
  assert.deepEqual(replies, Array.from({ length: 500 }, (_, n) => n + 1));
  redis.disconnect();
}

async function keys(redis) {
  await redis.flushall();
  await redis.mset(Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`key:${n}`, n])));
  const seen = new Set();
  for await (const page of redis.scanStream({ match: 'key:*', count: 50 })) page.forEach((key) => seen.add(key));
  assert.equal(seen.size, 1000);
  assert.equal(await redis.del('key:1', 'key:2'), 2);
  assert.equal(await redis.dbsize(), 998);
}

async function main() {
  // ioredis reads INFO when it connects, and waits while the server is loading.
  const redis = new Redis({ port, connectionName: 'tester' });
  redis.on('error', (error) => { throw error; });
  for (const check of [strings, collections, pipelines, automaticPipelining, keys]) await check(redis);
  assert.match(await redis.client('LIST'), /name=tester/);
  assert.equal(await redis.quit(), 'OK');
  console.log(`ioredis ${require('ioredis/package.json').version}: ok`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

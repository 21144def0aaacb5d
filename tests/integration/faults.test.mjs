// What can go wrong around the server, and that it stays up, says what is wrong and loses nothing.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { describe, test } from 'node:test';
import OpenAI from 'openai';
import {
  Server, childrenOf, isRunning, makeHome, models, request, scriptedModels, scriptedResources, temporaryFolder, until,
} from './server.mjs';

const endless = { parallel: 64, generate: [{ steps: [{ text: 'word ', times: 'forever', after_ms: 2 }] }] };
const streamRequest = (model, extra = {}) =>
  ({ model, messages: [{ role: 'user', content: 'go on' }], stream: true, ...extra });

// Reads a stream to its end: the data lines, without their prefix.
async function dataLines(response, onLine = () => {}) {
  const lines = [];
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body) {
    rest += decoder.decode(chunk, { stream: true });
    const parts = rest.split('\n');
    rest = parts.pop();
    for (const part of parts) {
      if (!part.startsWith('data: ')) continue;
      lines.push(part.slice(6));
      onLine(part.slice(6), lines.length);
    }
  }
  return lines;
}

async function withServer(options, work) {
  const server = await Server.start(options);
  try {
    await work(server);
  } finally {
    await server.stop();
  }
}

const withScript = (script, work, options = {}) => withServer(
  { home: makeHome({ modelsFolder: scriptedModels(script) }), resources: scriptedResources(), ...options }, work);

describe('an engine that is killed', () => {
  test('ends its 20 streams with an error, and the next request loads a new one', async () => {
    await withScript(endless, async (server) => {
      let running = 0;
      const started = [];
      const streams = Array.from({ length: 20 }, async () => {
        const response = await server.post('/v1/chat/completions', streamRequest('scripted'));
        assert.equal(response.status, 200);
        return await dataLines(response, (_, count) => { if (count === 3) ++running; });
      });
      started.push(...streams);
      await until(async () => running === 20);
      const [engine] = childrenOf(server.pid);
      process.kill(engine, 'SIGKILL');
      for (const lines of await Promise.all(started)) {
        assert.equal(lines.at(-1), '[DONE]');
        const { error } = JSON.parse(lines.at(-2));
        assert.equal(error.type, 'server_error');
        assert.match(error.message, /engine|scripted/i);
      }
      const again = await server.post('/v1/chat/completions', streamRequest('scripted', { stream: false, max_tokens: 3 }));
      assert.equal(again.status, 200);
      assert.equal((await again.json()).choices[0].message.content, 'word word word ');
      assert.notDeepEqual(childrenOf(server.pid), [engine]);
    });
  });

  test('before any token is an ordinary 500', async () => {
    await withScript({ generate: [{ when: 'die', accept_after_ms: 1, steps: [{ crash: 'abort' }] }, { steps: [{ text: 'ok' }] }] },
      async (server) => {
        const dying = await server.post('/v1/chat/completions', { model: 'scripted', messages: [{ role: 'user', content: 'die' }] });
        assert.equal(dying.status, 500);
        assert.equal((await dying.json()).error.type, 'server_error');
        const fine = await server.post('/v1/chat/completions', { model: 'scripted', messages: [{ role: 'user', content: 'live' }] });
        assert.equal((await fine.json()).choices[0].message.content, 'ok');
      });
  });

  test('dies with a server that is killed', async () => {
    const server = await Server.start();
    for (const model of ['words', 'text-embedding-tiny-bert']) {
      const load = await server.post('/api/v1/models/load', { model });
      assert.equal(load.status, 200, await load.text());
    }
    const engines = childrenOf(server.pid);
    assert.equal(engines.length, 2);
    server.process.kill('SIGKILL');
    await server.ended;
    await until(async () => engines.every((pid) => !isRunning(pid)), async () => `engines ${engines}`, 20000);
  });
});

// The script would go on for ever: only a cancel can end these. (A real model would end by itself at its context, and the
// test could not fail; that the real engine obeys a cancel within a step is shown in tests/engine.)
describe('a client that goes away', () => {
  const question = [{ role: 'user', content: 'go on' }];
  const idle = (server) => server.untilInstances((instances) => instances.every((instance) => instance.queued === 0));
  const busy = (server) => server.untilInstances((instances) => instances.some((instance) => instance.queued > 0));

  test('in mid-stream frees the engine', async () => {
    await withScript(endless, async (server) => {
      const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'any', maxRetries: 0 });
      const stream = await client.chat.completions.create({ model: 'scripted', messages: question, stream: true });
      let seen = 0;
      for await (const chunk of stream) {
        if (chunk.choices[0]?.delta.content && ++seen === 3) break;
      }
      stream.controller.abort();
      await idle(server);
    });
  });

  test('while it waits for a whole answer frees the engine', async () => {
    await withScript(endless, async (server) => {
      const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'any', maxRetries: 0 });
      const controller = new AbortController();
      const pending = client.chat.completions.create({ model: 'scripted', messages: question }, { signal: controller.signal });
      const aborted = assert.rejects(pending, OpenAI.APIUserAbortError);
      await busy(server);
      controller.abort();
      await aborted;
      await idle(server);
    });
  });

  test('while it waits for others leaves the queue', async () => {
    await withScript({ ...endless, parallel: 1 }, async (server) => {
      const first = new AbortController();
      const second = new AbortController();
      const send = (signal) => server.post('/v1/chat/completions', streamRequest('scripted', { stream: false }), { signal }).catch(() => {});
      const sent = [send(first.signal)];
      await busy(server);
      sent.push(send(second.signal));
      await server.untilInstances((instances) => instances.some((instance) => instance.queued === 2));
      second.abort();
      await server.untilInstances((instances) => instances.some((instance) => instance.queued === 1));
      first.abort();
      await idle(server);
      await Promise.all(sent);
    });
  });
});

describe('a load that fails', () => {
  test('says why, for every kind of broken file, and the server goes on', async () => {
    const folder = temporaryFolder('broken');
    const good = fs.readFileSync(path.join(models, 'atelier/words-GGUF/words-Q8_0.gguf'));
    const put = (name, bytes) => {
      fs.mkdirSync(path.join(folder, 'tests', name), { recursive: true });
      fs.writeFileSync(path.join(folder, 'tests', name, `${name}.gguf`), bytes);
    };
    put('empty', Buffer.alloc(0));
    put('random', Buffer.from(Array.from({ length: 65536 }, (_, i) => (i * 7919 + (i >> 3)) & 255)));
    put('cut-header', good.subarray(0, 1000));
    put('cut-weights', good.subarray(0, good.length - 100000));
    put('good', good);
    await withServer({ home: makeHome({ modelsFolder: folder }) }, async (server) => {
      const listed = (await server.json('/v1/models')).data.map((model) => model.id);
      assert.ok(listed.includes('good'), listed.join(' '));
      for (const name of ['empty', 'random', 'cut-header', 'cut-weights']) {
        const answer = await server.post('/v1/chat/completions', { model: name, messages: [{ role: 'user', content: 'x' }] });
        assert.ok([404, 500].includes(answer.status), `${name}: ${answer.status}`);
        const { error } = await answer.json();
        assert.ok(error.message.length > 20, `${name}: ${error.message}`);
      }
      const answer = await server.post('/v1/chat/completions',
        { model: 'good', messages: [{ role: 'user', content: 'x' }], max_tokens: 2 });
      assert.equal(answer.status, 200);
    });
  });

  test('carries the engine\'s last words', async () => {
    await withScript({ load: { print: ['the tensor library says: no'], error: { kind: 'load_failed', message: 'cannot' } } },
      async (server) => {
        const answer = await server.post('/api/v1/models/load', { model: 'scripted' });
        assert.equal(answer.status, 500);
        const { error } = await answer.json();
        assert.equal(error.code, 'model_load_failed');
        assert.match(error.message, /the tensor library says: no/);
      });
  });

  test('streams its error to those who watch it', async () => {
    await withScript({ load: { progress: [0.25, 0.5], error: { kind: 'load_failed', message: 'cannot' } } }, async (server) => {
      const answer = await server.post('/api/v1/models/load', { model: 'scripted' },
        { headers: { 'Content-Type': 'application/json', Accept: 'text/event-stream' } });
      const events = (await dataLines(answer)).map((line) => JSON.parse(line));
      assert.equal(events[0].type, 'model_load.start');
      assert.equal(events.at(-1).type, 'error');
      assert.equal(events.at(-1).error.code, 'model_load_failed');
    });
  });
});

describe('loading on demand', () => {
  test('is done once for requests that come together', async () => {
    await withScript({ parallel: 16, load: { progress: [0.5], step_ms: 50 }, generate: [{ steps: [{ text: 'ok' }] }] },
      async (server) => {
        const answers = await Promise.all(Array.from({ length: 10 }, () =>
          server.post('/v1/chat/completions', { model: 'scripted', messages: [{ role: 'user', content: 'x' }] })));
        for (const answer of answers) assert.equal(answer.status, 200);
        assert.equal(childrenOf(server.pid).length, 1);
        assert.equal((await server.instances()).length, 1);
      });
  });

  test('keeps one model of each type', async () => {
    await withServer({}, async (server) => {
      const ask = (model) => server.post('/v1/chat/completions', { model, messages: [{ role: 'user', content: 'x' }], max_tokens: 1 });
      assert.equal((await ask('words')).status, 200);
      assert.equal((await server.post('/v1/embeddings', { model: 'text-embedding-tiny-bert', input: 'x' })).status, 200);
      assert.equal((await ask('tiny-qwen2')).status, 200);
      const ids = (await server.instances()).map((instance) => instance.id).sort();
      assert.deepEqual(ids, ['text-embedding-tiny-bert', 'tiny-qwen2']);
    });
  });

  test('can be switched off', async () => {
    await withServer({ home: makeHome({ settings: { jit: false } }) }, async (server) => {
      assert.deepEqual((await server.json('/v1/models')).data, []);
      const answer = await server.post('/v1/chat/completions', { model: 'words', messages: [{ role: 'user', content: 'x' }] });
      assert.equal(answer.status, 404);
      assert.equal((await answer.json()).error.code, 'model_not_loaded');
    });
  });
});

describe('a slow reader', () => {
  test('is paused and does not hold up the others', async () => {
    const script = { parallel: 16, generate: [
      { when: 'flood', steps: [{ text: 'x'.repeat(4096), times: 'forever' }] },
      { steps: [{ text: 'word ', times: 200 }] }] };
    await withScript(script, async (server) => {
      const stalled = net.connect(server.port, '127.0.0.1');
      stalled.pause();
      const body = JSON.stringify(streamRequest('scripted', { messages: [{ role: 'user', content: 'flood' }] }));
      stalled.write(`POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      await server.untilInstances((instances) => instances.some((instance) => instance.queued === 1));
      const others = await Promise.all(Array.from({ length: 10 }, async () =>
        dataLines(await server.post('/v1/chat/completions', streamRequest('scripted')))));
      for (const lines of others) assert.equal(lines.at(-1), '[DONE]');
      // The stalled stream has filled its buffers long ago; what the server holds for it is bounded.
      const residentKb = Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${server.pid}/status`, 'utf8'))[1]);
      assert.ok(residentKb < 300 * 1024, `${residentKb} kB`);
      stalled.destroy();
      await server.untilInstances((instances) => instances.every((instance) => instance.queued === 0));
    });
  });
});

describe('malformed requests', () => {
  test('never end the server, 2,000 of them', async () => {
    await withServer({}, async (server) => {
      let seed = 12345;
      const random = (below) => { seed = (seed * 1103515245 + 12345) & 0x7fffffff; return seed % below; };
      const good = 'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 69\r\n\r\n' +
        '{"model":"words","messages":[{"role":"user","content":"hi"}],"n":1}  ';
      const mutate = () => {
        const bytes = Buffer.from(good);
        for (let i = 0; i <= random(4); ++i) {
          const at = random(bytes.length);
          if (random(3) === 0) bytes[at] = random(256);
          else bytes[at] = '\r\n \t:{}[]"\\,0'.charCodeAt(random(13));
        }
        return bytes.subarray(0, random(5) === 0 ? random(bytes.length) : bytes.length);
      };
      // Half-closing after the bytes makes an incomplete request end; any answer or none will do.
      const send = (bytes) => new Promise((resolve) => {
        const socket = net.connect(server.port, '127.0.0.1', () => socket.end(bytes));
        socket.on('data', () => {});
        socket.on('error', resolve);
        socket.on('close', resolve);
      });
      for (let i = 0; i < 2000; i += 20) await Promise.all(Array.from({ length: 20 }, () => send(mutate())));
      const answer = await request(server.port, { path: '/health' });
      assert.equal(answer.status, 200);
      await server.untilInstances((instances) => instances.every((instance) => instance.queued === 0));
    });
  });

  test('with wild JSON bodies get an answer below 500', async () => {
    await withScript({ generate: [{ steps: [{ text: 'ok' }] }] }, async (server) => {
      const values = [null, true, -1, 0, 1e308, 'x', '', [], {}, [1], { a: 1 }, [[]], 'model'];
      const keys = ['model', 'messages', 'temperature', 'top_k', 'stop', 'n', 'stream', 'logit_bias', 'seed', 'max_tokens',
        'stream_options', 'chat_template_kwargs', 'logprobs', 'prompt', 'input', 'instance_id', 'context_length'];
      for (const route of ['/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/api/v1/models/load', '/api/v1/models/unload']) {
        for (const key of keys) {
          for (const value of values) {
            const body = { model: 'no-such', messages: [{ role: 'user', content: 'x' }], prompt: 'x', input: 'x', [key]: value };
            const answer = await server.post(route, body);
            await answer.text();
            assert.ok(answer.status < 500 || answer.status === 501, `${route} ${JSON.stringify(body)}: ${answer.status}`);
          }
        }
      }
    });
  });
});

describe('web pages of other origins', () => {
  test('get nothing while CORS is off', async () => {
    await withServer({}, async (server) => {
      const foreign = await request(server.port, { path: '/v1/models', headers: { Origin: 'https://evil.example' } });
      assert.equal(foreign.status, 403);
      assert.equal(JSON.parse(foreign.body).error.code, 'origin_not_allowed');
      assert.equal(foreign.headers['access-control-allow-origin'], undefined);
      const rebound = await request(server.port, { path: '/v1/models', headers: { Host: 'evil.example' } });
      assert.equal(rebound.status, 403);
      const form = await request(server.port, { method: 'POST', path: '/v1/completions',
        headers: { 'Content-Type': 'text/plain' }, body: '{}' });
      assert.equal(form.status, 415);
      const own = await request(server.port, { path: '/v1/models', headers: { Origin: `http://localhost:${server.port}` } });
      assert.equal(own.status, 200);
    });
  });

  test('are let in, streams and errors included, when it is on', async () => {
    await withServer({ args: ['--cors'] }, async (server) => {
      const headers = { Origin: 'https://app.example' };
      const list = await request(server.port, { path: '/v1/models', headers });
      assert.equal(list.headers['access-control-allow-origin'], '*');
      const missing = await request(server.port, { path: '/nothing', headers });
      assert.equal(missing.status, 404);
      assert.equal(missing.headers['access-control-allow-origin'], '*');
      const preflight = await request(server.port, { method: 'OPTIONS', path: '/v1/chat/completions',
        headers: { ...headers, 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'x-own' } });
      assert.equal(preflight.status, 204);
      assert.match(preflight.headers['access-control-allow-methods'], /POST/);
    });
  });
});

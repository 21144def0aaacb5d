// The life of the service: start, state, end, and who may talk to it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { Server, build, childrenOf, isRunning, makeHome, models as fixtures, program, request, run, scriptedModels, scriptedResources } from './server.mjs';

const stateOf = (home) => JSON.parse(fs.readFileSync(path.join(home, '.internal/http-server.json'), 'utf8'));

describe('the service', () => {
  test('tells who it is, on both listeners', async () => {
    const server = await Server.start();
    const state = stateOf(server.home);
    for (const port of [server.port, state.port]) {
      assert.deepEqual(JSON.parse((await request(port, { path: '/lmstudio-greeting' })).body), { lmstudio: true });
      const status = JSON.parse((await request(port, { path: '/lms-status' })).body);
      assert.equal(status.package, 'atelier');
      assert.equal(status.nonce, state.nonce);
      assert.deepEqual(JSON.parse((await request(port, { path: '/health' })).body), { status: 'ok' });
    }
    assert.equal(state.pid, server.pid);
    await server.stop();
  });

  test('ends on SIGTERM with everything it started, and leaves no state behind', async () => {
    const server = await Server.start();
    assert.equal((await server.post('/api/v1/models/load', { model: 'words' })).status, 200);
    const engines = childrenOf(server.pid);
    assert.equal(engines.length, 1);
    assert.deepEqual(await server.stop(), { code: 0, signal: null });
    assert.ok(engines.every((pid) => !isRunning(pid)));
    assert.ok(!fs.existsSync(path.join(server.home, '.internal/http-server.json')));
  });

  test('lets a short answer end, and tells a long one why it is cut', async () => {
    const script = { generate: [{ steps: [{ text: 'word ', times: 'forever', after_ms: 5 }] }] };
    const server = await Server.start({ home: makeHome({ modelsFolder: scriptedModels(script) }), resources: scriptedResources() });
    const response = await server.post('/v1/chat/completions',
      { model: 'scripted', messages: [{ role: 'user', content: 'x' }], stream: true });
    let text = '';
    let asked = false;
    for await (const chunk of response.body) {
      text += Buffer.from(chunk).toString();
      if (!asked) { asked = true; server.process.kill('SIGTERM'); }
    }
    assert.match(text, /shutting_down/);
    assert.match(text, /\[DONE\]/);
    assert.deepEqual(await server.ended, { code: 0, signal: null });
  });

  test('is one for each home', async () => {
    const server = await Server.start();
    const second = await run(program('atelier'), ['serve', '--port', '0'], { env: { ATELIER_HOME: server.home } });
    assert.equal(second.code, 1);
    assert.match(second.stderr, /already/);
    await server.stop();
  });

  test('names the program that holds its port', async () => {
    const holder = net.createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const { port } = holder.address();
    const refused = await run(program('atelier'), ['serve', '--port', String(port)], { env: { ATELIER_HOME: makeHome() } });
    holder.close();
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, new RegExp(`${port} is taken by .*node.*PID ${process.pid}`));
  });

  test('serves no network without being told so by name', async () => {
    const refused = await run(program('atelier'), ['serve', '--port', '0', '--bind', '0.0.0.0'], { env: { ATELIER_HOME: makeHome() } });
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /--allow-unauthenticated/);
    const server = await Server.start({ args: ['--bind', '0.0.0.0', '--allow-unauthenticated'] });
    assert.equal((await request(server.port, { path: '/health' })).status, 200);
    await server.stop();
  });

  test('is controlled on its control port alone', async () => {
    const server = await Server.start();
    const refused = await server.post('/api/v1/server/shutdown', {});
    assert.equal(refused.status, 403);
    const { port } = stateOf(server.home);
    assert.equal((await request(port, { method: 'POST', path: '/api/v1/server/shutdown' })).status, 200);
    assert.deepEqual(await server.ended, { code: 0, signal: null });
  });

  test('starts engines without their sandbox where the settings say so, and warns', async () => {
    const firstLines = async (server) => {
      assert.equal((await server.post('/api/v1/models/load', { model: 'words', identifier: 'mine' })).status, 200);
      const log = fs.readFileSync(path.join(server.home, 'server-logs/engine-mine.log'), 'utf8');
      return log.split('\n').find((line) => line.includes('Sandbox: '));
    };
    const open = await Server.start({ home: makeHome({ settings: { engine_sandbox: false } }) });
    assert.ok(open.log.some((line) => /warning.*without their sandbox.*'engine_sandbox'/.test(line)), open.log.join('\n'));
    assert.match(await firstLines(open), /Sandbox: off/);
    await open.stop();
    const closed = await Server.start();
    assert.ok(!closed.log.some((line) => /sandbox/.test(line)));
    // What is in force depends on the kernel; builds with a sanitizer have none.
    const cache = path.join(build, 'CMakeCache.txt');
    const sanitized = fs.existsSync(cache) && /ATELIER_SANITIZE:BOOL=ON/.test(fs.readFileSync(cache, 'utf8'));
    if (!sanitized) assert.doesNotMatch(await firstLines(closed), /Sandbox: off; the engine/);
    await closed.stop();
  });

  test('refuses settings that are not what they should be, by name', async () => {
    const home = makeHome({ settings: { jit: 'maybe' } });
    const refused = await run(program('atelier'), ['serve', '--port', '0'], { env: { ATELIER_HOME: home } });
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /'jit'/);
  });
});

describe('models', () => {
  test('that come and go are noticed', async () => {
    const home = makeHome({ modelsFolder: undefined, settings: {} });
    const folder = path.join(home, 'models/someone/words-copy');
    fs.writeFileSync(path.join(home, 'settings.json'), '{}');
    const server = await Server.start({ home });
    const ids = async () => (await server.json('/v1/models')).data.map((model) => model.id);
    assert.ok(!(await ids()).includes('words-copy'));
    fs.mkdirSync(folder, { recursive: true });

    fs.copyFileSync(path.join(fixtures, 'atelier/words-GGUF/words-Q8_0.gguf'), path.join(folder, 'words-copy.gguf'));
    assert.ok((await ids()).includes('words-copy'));
    fs.rmSync(folder, { recursive: true });
    assert.ok(!(await ids()).includes('words-copy'));
    await server.stop();
  });

  test('are loaded with the settings asked for, and say so', async () => {
    const server = await Server.start();
    const loaded = await server.post('/api/v1/models/load', { model: 'words', context_length: 512, parallel: 2,
      identifier: 'mine', ttl: 100, echo_load_config: true });
    const answer = await loaded.json();
    assert.equal(loaded.status, 200, JSON.stringify(answer));
    assert.equal(answer.type, 'llm');
    assert.equal(answer.instance_id, 'mine');
    assert.equal(answer.status, 'loaded');
    assert.equal(answer.load_config.context_length, 512);
    assert.equal(answer.load_config.parallel, 2);
    const second = await (await server.post('/api/v1/models/load', { model: 'words' })).json();
    assert.equal(second.instance_id, 'words');
    const third = await (await server.post('/api/v1/models/load', { model: 'words' })).json();
    assert.equal(third.instance_id, 'words:2');
    const taken = await server.post('/api/v1/models/load', { model: 'words', identifier: 'mine' });
    assert.ok(taken.status >= 400 && taken.status < 500);
    const chat = await server.post('/v1/chat/completions', { model: 'mine', messages: [{ role: 'user', content: 'x' }], max_tokens: 1 });
    assert.equal((await chat.json()).model, 'mine');
    assert.deepEqual(await (await server.post('/api/v1/models/unload', { instance_id: 'mine' })).json(), { instance_id: 'mine' });
    assert.equal((await server.post('/api/v1/models/unload', { instance_id: 'mine' })).status, 404);
    const unknownKey = await server.post('/api/v1/models/load', { model: 'words', colour: 'red' });
    assert.match((await unknownKey.json()).error.message, /Unrecognized key\(s\) in object: 'colour'/);
    await server.stop();
  });

  test('say before a load what it would take', async () => {
    const server = await Server.start();
    const ask = (settings) => server.post('/api/v1/models/load', { model: 'words', estimate_only: true, ...settings });
    const estimate = await (await ask({})).json();
    assert.equal(estimate.confidence, 'high');
    assert.equal(estimate.fits, true);
    assert.equal(estimate.context_length, 2048);
    assert.equal(estimate.kv_cells, 4096);
    assert.ok(estimate.weight_bytes > 4_000_000 && estimate.kv_cache_bytes > 0 && estimate.compute_bytes > 0);
    assert.equal(estimate.estimated_total_memory_bytes,
      estimate.weight_bytes + estimate.kv_cache_bytes + estimate.state_bytes + estimate.compute_bytes);
    const half = await (await ask({ context_length: 1024, cache_tokens: 1024 })).json();
    assert.equal(half.kv_cache_bytes * 2, estimate.kv_cache_bytes);
    const wrong = await ask({ k_cache_type: 'q7_banana' });
    assert.equal(wrong.status, 400);
    assert.match((await wrong.json()).error.message, /q7_banana/);
    assert.deepEqual(await server.instances(), []);

    // And a load that would take more than its share of the memory is refused with numbers.
    const huge = { context_length: 1 << 26, rope_freq_scale: 0.01, cache_tokens: 0 };
    assert.equal((await (await ask(huge)).json()).fits, false);
    const refused = await server.post('/api/v1/models/load', { model: 'words', ...huge });
    assert.equal(refused.status, 507);
    assert.match((await refused.json()).error.message, /does not fit into memory: .* MiB.*'guardrails' in settings.json/);
    await server.stop();
  });

  test('are reckoned from their metadata where no engine can be asked', async () => {
    const server = await Server.start({ resources: scriptedResources(),
      home: makeHome({ modelsFolder: scriptedModels({ estimate: { crash: 'abort' } }) }) });
    const estimate = await (await server.post('/api/v1/models/load', { model: 'scripted', estimate_only: true })).json();
    assert.equal(estimate.confidence, 'low');
    assert.equal(estimate.fits, true);
    assert.ok(estimate.weight_bytes > 4_000_000 && estimate.estimated_total_memory_bytes > estimate.weight_bytes);
    assert.ok(server.log.some((line) => /reckoned from its metadata/.test(line)));
    await server.stop();
  });

  test('are listed with what a client wants to know', async () => {
    const server = await Server.start();
    const { models: all } = await server.json('/api/v1/models/');
    assert.deepEqual(all.map((model) => model.key), all.map((model) => model.key).sort());
    const words = all.find((model) => model.key === 'words');
    assert.equal(words.type, 'llm');
    assert.equal(words.quantization.name, 'Q8_0');
    assert.equal(words.max_context_length, 2048);
    assert.deepEqual(words.loaded_instances, []);
    const bert = all.find((model) => model.key === 'text-embedding-tiny-bert');
    assert.equal(bert.type, 'embedding');
    assert.equal(bert.capabilities, undefined);
    const variants = all.find((model) => model.variants);
    assert.ok(variants.variants.includes(variants.selected_variant));
    await server.stop();
  });
});

// What is kept of prompts, seen from outside: within an engine's life, over a restart of the server, after an engine was
// killed, and when the model is gone.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Server, childrenOf, makeHome, models, temporaryFolder, until } from './server.mjs';

const model = 'tiny-llama@f32';
const sentence = 'The river runs past the winter garden and the old stone bridge. ';
const prompt = sentence.repeat(40);

async function complete(server, text, extra = {}) {
  const response = await fetch(`${server.url}/v1/completions`, {
    method: 'POST', headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ model, prompt: text, max_tokens: 8, temperature: 0, ...extra }),
  });
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  return { text: body.choices[0].text, prompt: body.usage.prompt_tokens, cached: body.usage.prompt_tokens_details?.cached_tokens ?? 0 };
}

const blocksIn = (folder) => (fs.existsSync(folder) ? fs.readdirSync(folder, { recursive: true }) : []).filter((name) => name.endsWith('.kv'));
const settled = async (home, least = 1) => {
  // Written in the background: until nothing is added any more.
  let before = -1;
  await until(() => {
    const now = blocksIn(path.join(home, 'cache/kv')).length;
    const done = now >= least && now === before;
    before = now;
    return done;
  }, async () => `${before} blocks on disk`);
};

describe('prompts that were computed', () => {
  test('are not computed again after a restart of the server, or when the engine was killed', async () => {
    const home = makeHome();
    let server = await Server.start({ home });
    let first;
    try {
      first = await complete(server, prompt);
      assert.equal(first.cached, 0);
      assert.ok(first.prompt > 400, `${first.prompt} tokens`);
      assert.ok((await complete(server, prompt)).cached >= first.prompt - 1, 'within one life of the engine');
      await settled(home, Math.floor(first.prompt / 64));
    } finally {
      await server.stop();
    }
    server = await Server.start({ home });
    try {
      const again = await complete(server, `${prompt} And`);
      assert.ok(again.cached >= Math.floor(first.prompt / 64) * 64 - 64, `${again.cached} of ${again.prompt} after a restart`);
      assert.equal((await complete(server, prompt)).text, first.text);
      const engines = childrenOf(server.pid);
      assert.equal(engines.length, 1);
      process.kill(engines[0], 'SIGKILL');
      await until(() => childrenOf(server.pid).length === 0);
      const afterKill = await complete(server, prompt);
      assert.ok(afterKill.cached > 400, `${afterKill.cached} after the engine was killed`);
      assert.equal(afterKill.text, first.text);
    } finally {
      await server.stop();
    }
  });

  test('lie where nobody else can read them', async () => {
    const home = makeHome();
    const server = await Server.start({ home });
    try {
      await complete(server, prompt);
      await settled(home);
      const root = path.join(home, 'cache/kv');
      for (const name of [root, ...fs.readdirSync(root, { recursive: true }).map((entry) => path.join(root, entry))]) {
        assert.equal(fs.statSync(name).mode & 0o077, 0, name);
      }
    } finally {
      await server.stop();
    }
  });

  test('are damaged on disk and computed again', async () => {
    const home = makeHome();
    let server = await Server.start({ home });
    const first = await complete(server, prompt);
    await settled(home, Math.floor(first.prompt / 64));
    await server.stop();
    const root = path.join(home, 'cache/kv');
    for (const name of blocksIn(root)) {
      const file = path.join(root, name);
      const bytes = fs.readFileSync(file);
      bytes[bytes.length >> 1] ^= 0xff;
      fs.writeFileSync(file, bytes);
    }
    server = await Server.start({ home });
    try {
      const again = await complete(server, prompt);
      assert.equal(again.cached, 0);
      assert.equal(again.text, first.text);
    } finally {
      await server.stop();
    }
  });

  test('are not written to disk where the settings say so', async () => {
    const home = makeHome({ settings: { kv_cache_disk_mib: 0 } });
    const server = await Server.start({ home });
    try {
      await complete(server, prompt);
      assert.ok((await complete(server, prompt)).cached > 400);
    } finally {
      await server.stop();
    }
    assert.deepEqual(blocksIn(path.join(home, 'cache/kv')), []);
  });

  test('go with their model', async () => {
    const folder = temporaryFolder('models');
    fs.mkdirSync(path.join(folder, 'me/tiny-llama-GGUF'), { recursive: true });
    const file = path.join(folder, 'me/tiny-llama-GGUF/tiny-llama-F32.gguf');
    fs.copyFileSync(path.join(models, 'atelier/tiny-llama-GGUF/tiny-llama-F32.gguf'), file);
    fs.cpSync(path.join(models, 'atelier/tiny-qwen2-GGUF'), path.join(folder, 'me/tiny-qwen2-GGUF'), { recursive: true });
    const home = makeHome({ modelsFolder: folder });
    const server = await Server.start({ home });
    try {
      await complete(server, prompt, { model: 'tiny-llama' });
      await settled(home);
      const unloaded = await fetch(`${server.url}/api/v1/models/unload`, {
        method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ instance_id: 'tiny-llama' }),
      });
      assert.equal(unloaded.status, 200, await unloaded.text());
      fs.rmSync(file);
      await complete(server, 'short', { model: 'tiny-qwen2' });
      assert.deepEqual(blocksIn(path.join(home, 'cache/kv')), []);
    } finally {
      await server.stop();
    }
  });
});

describe('what the engine does by itself', () => {
  test('can be set at load', async () => {
    const server = await Server.start();
    try {
      for (const setting of [{}, { prefix_cache: false }, { ngram_speculation: false }, { token_gap_ms: 50 }, { cache_tokens: 0 }, { kv_memory_bytes: 0 }]) {
        const loaded = await fetch(`${server.url}/api/v1/models/load`, {
          method: 'POST', headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify({ model, identifier: 'mine', ...setting }),
        });
        assert.equal(loaded.status, 200, await loaded.text());
        await complete(server, prompt, { model: 'mine' });
        const cached = (await complete(server, prompt, { model: 'mine' })).cached;
        assert.equal(cached > 0, setting.prefix_cache !== false, JSON.stringify(setting));
        await fetch(`${server.url}/api/v1/models/unload`, {
          method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ instance_id: 'mine' }),
        });
      }
      const refused = await fetch(`${server.url}/api/v1/models/load`, {
        method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ model, token_gap_ms: -1 }),
      });
      assert.equal(refused.status, 400);
      assert.match((await refused.json()).error.message, /token_gap_ms/);
    } finally {
      await server.stop();
    }
  });
});

describe('a draft model', () => {
  const chat = (server, extra) => server.post('/v1/chat/completions', {
    model, messages: [{ role: 'user', content: 'Say something about rivers.' }], max_tokens: 60, temperature: 0, ...extra,
  });

  test('guesses for a larger one, which says how often it was right', async () => {
    const server = await Server.start();
    try {
      const plain = await (await chat(server, {})).json();
      assert.deepEqual(plain.stats, {});
      const drafted = await (await chat(server, { draft_model: 'tiny-llama@q8_0' })).json();
      const { stats } = drafted;
      assert.match(stats.draft_model, /^tiny-llama/);
      assert.equal(stats.total_draft_tokens_count,
        stats.accepted_draft_tokens_count + stats.rejected_draft_tokens_count + stats.ignored_draft_tokens_count);
      assert.equal(drafted.usage.completion_tokens, plain.usage.completion_tokens);
    } finally {
      await server.stop();
    }
  });

  test('of another vocabulary, of another kind, or of no name is refused, and the server goes on', async () => {
    const server = await Server.start();
    try {
      const refused = async (draft_model) => {
        const response = await chat(server, { draft_model });
        const { error } = await response.json();
        return [response.status, error.code, error.param];
      };
      assert.deepEqual(await refused('tiny-qwen2'), [400, 'draft_model_incompatible', 'draft_model']);
      assert.deepEqual(await refused('no-such-model'), [404, 'model_not_found', 'draft_model']);
      assert.deepEqual((await refused('text-embedding-tiny-bert')).slice(0, 1), [400]);
      assert.equal((await chat(server, {})).status, 200);
    } finally {
      await server.stop();
    }
  });

  test('can be given at load, for all requests', async () => {
    const server = await Server.start();
    try {
      const loaded = await server.post('/api/v1/models/load', { model, identifier: 'mine', draft_model: 'tiny-llama@q8_0' });
      assert.equal(loaded.status, 200, await loaded.text());
      const answer = await (await chat(server, { model: 'mine' })).json();
      assert.match(answer.stats.draft_model, /^tiny-llama/);
      const absent = await server.post('/api/v1/models/load', { model, identifier: 'other', draft_model: 'no-such-model' });
      assert.equal(absent.status, 404);
    } finally {
      await server.stop();
    }
  });
});

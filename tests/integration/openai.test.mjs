// The unmodified OpenAI package against the server: what a program written for OpenAI's API does.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import OpenAI from 'openai';
import { Server, run } from './server.mjs';

const chatModel = 'words';
const embeddingModel = 'text-embedding-tiny-bert';
let server;
let client;

before(async () => {
  server = await Server.start();
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'lm-studio', maxRetries: 0 });
});
after(async () => { await server.stop(); });

const question = [{ role: 'user', content: 'What is a model?' }];

describe('models', () => {
  test('are listed, downloaded ones included', async () => {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    assert.ok(ids.includes(chatModel), ids.join(' '));
    assert.ok(ids.includes(embeddingModel), ids.join(' '));
  });

  test('are found one by one, with slashes in their id', async () => {
    assert.equal((await client.models.retrieve(chatModel)).id, chatModel);
    await assert.rejects(client.models.retrieve('nobody/nothing'), OpenAI.NotFoundError);
  });
});

describe('chat', () => {
  test('answers with the documented members', async () => {
    const answer = await client.chat.completions.create({ model: chatModel, messages: question, max_tokens: 12, seed: 1 });
    assert.match(answer.id, /^chatcmpl-[a-z0-9]{21,22}$/);
    assert.equal(answer.object, 'chat.completion');
    assert.equal(answer.model, chatModel);
    assert.equal(answer.system_fingerprint, chatModel);
    assert.equal(answer.choices.length, 1);
    assert.equal(answer.choices[0].message.role, 'assistant');
    assert.ok(answer.choices[0].message.content.length > 0);
    assert.equal(answer.choices[0].logprobs, null);
    assert.ok(['stop', 'length'].includes(answer.choices[0].finish_reason));
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
    assert.ok(answer.usage.completion_tokens <= 12);
  });

  test('gives the same text for the same seed, streamed or not', async () => {
    const request = { model: chatModel, messages: question, max_tokens: 24, seed: 7 };
    const whole = await client.chat.completions.create(request);
    const stream = await client.chat.completions.create({ ...request, stream: true, stream_options: { include_usage: true } });
    let text = '';
    let usage;
    let finish;
    const heads = new Set();
    for await (const chunk of stream) {
      heads.add(`${chunk.id} ${chunk.created} ${chunk.model} ${chunk.object}`);
      text += chunk.choices[0]?.delta.content ?? '';
      finish = chunk.choices[0]?.finish_reason ?? finish;
      usage = chunk.usage ?? usage;
    }
    assert.equal(text, whole.choices[0].message.content);
    assert.equal(finish, whole.choices[0].finish_reason);
    assert.deepEqual(usage, whole.usage);
    assert.equal(heads.size, 1);
  });

  test('has the stream begin with the role and end with its reason, with usage only when asked', async () => {
    const stream = await client.chat.completions.create({ model: chatModel, messages: question, max_tokens: 3, stream: true });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    assert.deepEqual(chunks[0].choices[0].delta, { role: 'assistant', content: '' });
    assert.deepEqual(chunks.at(-1).choices[0].delta, {});
    assert.equal(chunks.at(-1).choices[0].finish_reason, 'length');
    assert.ok(chunks.every((chunk) => chunk.usage === undefined));
  });

  test('stops before a stop string and never shows it', async () => {
    const whole = await client.chat.completions.create({ model: chatModel, messages: question, max_tokens: 40, seed: 3 });
    const words = whole.choices[0].message.content.split(' ');
    const stop = words[Math.floor(words.length / 2)];
    const cut = await client.chat.completions.create({ model: chatModel, messages: question, max_tokens: 40, seed: 3, stop });
    assert.equal(cut.choices[0].message.content, whole.choices[0].message.content.split(stop)[0]);
    assert.equal(cut.choices[0].finish_reason, 'stop');
  });

  test('gives several choices, each with its own seed', async () => {
    const answer = await client.chat.completions.create({ model: chatModel, messages: question, n: 3, max_tokens: 16, seed: 5 });
    assert.deepEqual(answer.choices.map((choice) => choice.index), [0, 1, 2]);
    const second = await client.chat.completions.create({ model: chatModel, messages: question, max_tokens: 16, seed: 6 });
    assert.equal(answer.choices[1].message.content, second.choices[0].message.content);
    assert.equal(answer.usage.prompt_tokens, second.usage.prompt_tokens);
  });

  test('reports log probabilities of chosen and likeliest tokens', async () => {
    const answer = await client.chat.completions.create(
      { model: chatModel, messages: question, max_tokens: 6, temperature: 0, logprobs: true, top_logprobs: 4 });
    const entries = answer.choices[0].logprobs.content;
    assert.equal(entries.map((entry) => entry.token).join(''), answer.choices[0].message.content);
    for (const entry of entries) {
      assert.ok(entry.logprob <= 0);
      assert.equal(entry.top_logprobs.length, 4);
      assert.deepEqual(Buffer.from(entry.bytes).toString(), entry.token);
      const sorted = [...entry.top_logprobs].sort((a, b) => b.logprob - a.logprob);
      assert.deepEqual(entry.top_logprobs, sorted);
    }
  });

  test('keeps special tokens in a message from acting', async () => {
    const plain = await client.chat.completions.create(
      { model: chatModel, messages: [{ role: 'user', content: '<|im_end|>' }], max_tokens: 1 });
    const empty = await client.chat.completions.create(
      { model: chatModel, messages: [{ role: 'user', content: 'x' }], max_tokens: 1 });
    assert.ok(plain.usage.prompt_tokens > empty.usage.prompt_tokens + 2, 'the marker was tokenised as one special token');
  });

  test('continues an assistant message that is not finished', async () => {
    const answer = await client.chat.completions.create({ model: chatModel, max_tokens: 4,
      messages: [...question, { role: 'assistant', content: 'A model is' }] });
    const fresh = await client.chat.completions.create({ model: chatModel, max_tokens: 4, messages: question });
    assert.ok(answer.usage.prompt_tokens > fresh.usage.prompt_tokens);
  });
});

describe('text completion', () => {
  test('applies no chat template', async () => {
    const answer = await client.completions.create({ model: chatModel, prompt: 'a', max_tokens: 4 });
    assert.match(answer.id, /^cmpl-[a-z0-9]{21}$/);
    assert.ok(answer.usage.prompt_tokens <= 2);
  });

  test('streams the text it gives whole', async () => {
    const request = { model: chatModel, prompt: 'The server', max_tokens: 10, seed: 11 };
    const whole = await client.completions.create(request);
    let text = '';
    for await (const chunk of await client.completions.create({ ...request, stream: true })) text += chunk.choices[0]?.text ?? '';
    assert.equal(text, whole.choices[0].text);
  });

  test('takes several prompts, echoes them and counts them', async () => {
    const answer = await client.completions.create(
      { model: chatModel, prompt: ['The server', 'A model'], max_tokens: 3, echo: true });
    assert.ok(answer.choices[0].text.startsWith('The server'));
    assert.ok(answer.choices[1].text.startsWith('A model'));
  });

  test('gives log probabilities in the old form', async () => {
    const answer = await client.completions.create(
      { model: chatModel, prompt: 'The server', max_tokens: 3, echo: true, logprobs: 2, temperature: 0 });
    const { tokens, token_logprobs: values, top_logprobs: top, text_offset: offsets } = answer.choices[0].logprobs;
    assert.equal(tokens.join(''), answer.choices[0].text);
    assert.equal(values[0], null);
    assert.ok(values.slice(1).every((value) => value <= 0));
    assert.equal(top.length, tokens.length);
    assert.equal(offsets[0], 0);
  });
});

describe('embeddings', () => {
  test('are unit vectors, the same in numbers and in base64', async () => {
    const numbers = await client.embeddings.create({ model: embeddingModel, input: ['a server', 'a model'], encoding_format: 'float' });
    const packed = await client.embeddings.create({ model: embeddingModel, input: ['a server', 'a model'] });
    assert.equal(numbers.data.length, 2);
    for (const { embedding } of numbers.data) {
      assert.ok(Math.abs(Math.hypot(...embedding) - 1) < 1e-4);
    }
    numbers.data[1].embedding.forEach((value, i) => assert.ok(Math.abs(value - packed.data[1].embedding[i]) < 1e-6));
    assert.ok(numbers.usage.prompt_tokens > 0);
  });

  test('can be shortened', async () => {
    const short = await client.embeddings.create({ model: embeddingModel, input: 'a server', dimensions: 8, encoding_format: 'float' });
    assert.equal(short.data[0].embedding.length, 8);
    assert.ok(Math.abs(Math.hypot(...short.data[0].embedding) - 1) < 1e-4);
    await assert.rejects(client.embeddings.create({ model: embeddingModel, input: 'a', dimensions: 100000 }), OpenAI.BadRequestError);
  });

  test('refuse or cut what is too long, as asked', async () => {
    const long = 'model '.repeat(3000);
    await assert.rejects(client.embeddings.create({ model: embeddingModel, input: long }),
      (error) => error instanceof OpenAI.BadRequestError && error.code === 'context_length_exceeded');
    const cut = await client.embeddings.create({ model: embeddingModel, input: long, truncate: true });
    assert.equal(cut.data.length, 1);
  });
});

describe('errors', () => {
  test('are those that the package has classes for', async () => {
    const create = (members) => client.chat.completions.create({ model: chatModel, messages: question, ...members });
    await assert.rejects(create({ temperature: 3 }), (error) => error instanceof OpenAI.BadRequestError && error.param === 'temperature');
    await assert.rejects(create({ messages: [] }), OpenAI.BadRequestError);
    await assert.rejects(create({ model: 'no-such-model' }),
      (error) => error instanceof OpenAI.NotFoundError && error.code === 'model_not_found');
    await assert.rejects(create({ model: embeddingModel }),
      (error) => error instanceof OpenAI.BadRequestError && error.code === 'invalid_model_type');
    await assert.rejects(client.embeddings.create({ model: chatModel, input: 'x' }), OpenAI.BadRequestError);
  });

  test('of prompts that are too long come before any stream', async () => {
    const long = [{ role: 'user', content: 'model '.repeat(20000) }];
    await assert.rejects(client.chat.completions.create({ model: chatModel, messages: long, stream: true }),
      (error) => error instanceof OpenAI.BadRequestError && error.code === 'context_length_exceeded');
  });

  test('do not come where a truncating policy makes room', async () => {
    const messages = [];
    for (let i = 0; i < 200; ++i) {
      messages.push({ role: 'user', content: `${i} ${'model '.repeat(30)}` }, { role: 'assistant', content: 'yes '.repeat(30) });
    }
    messages.push({ role: 'user', content: 'and now?' });
    await assert.rejects(client.chat.completions.create({ model: chatModel, messages, max_tokens: 2 }), OpenAI.BadRequestError);
    for (const policy of ['rollingWindow', 'truncateMiddle']) {
      const answer = await client.chat.completions.create({ model: chatModel, messages, max_tokens: 2, context_overflow_policy: policy });
      assert.ok(answer.usage.prompt_tokens > 500, policy);
    }
  });

  test('name what is not served yet', async () => {
    const error = await client.chat.completions
      .create({ model: chatModel, messages: question, response_format: { type: 'json_object' } }).catch((caught) => caught);
    assert.equal(error.status, 501);
    assert.equal(error.code, 'not_implemented');
  });
});

describe('concurrency', () => {
  test('lets many streams go on together', async () => {
    const texts = await Promise.all(Array.from({ length: 12 }, async (_, i) => {
      const stream = await client.chat.completions.create(
        { model: chatModel, messages: question, max_tokens: 20, seed: 100 + (i % 3), stream: true });
      let text = '';
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
      return text;
    }));
    assert.ok(texts.every((text) => text.length > 0));
  });
});

describe('the examples', () => {
  // The package is found where the tests have it: an example is copied beside it.
  const runExample = async (name, args) => {
    const folder = path.dirname(fileURLToPath(import.meta.url));
    const copy = fs.mkdtempSync(path.join(folder, 'node_modules/.example-'));
    fs.copyFileSync(path.join(folder, '../../examples/openai', name), path.join(copy, name));
    try {
      return await run(process.execPath, [path.join(copy, name), ...args], { env: { OPENAI_BASE_URL: `${server.url}/v1` } });
    } finally {
      fs.rmSync(copy, { recursive: true });
    }
  };

  test('run', async () => {
    const chat = await runExample('chat.mjs', [chatModel]);
    assert.equal(chat.code, 0, chat.stderr);
    assert.match(chat.stdout, /> What is a language model\?\n\S/);
    const embeddings = await runExample('embeddings.mjs', [embeddingModel, 'a model', 'a model', 'the wind over the hills']);
    assert.equal(embeddings.code, 0, embeddings.stderr);
    assert.match(embeddings.stdout, /^1\.000 {2}a model\n/);
  });
});

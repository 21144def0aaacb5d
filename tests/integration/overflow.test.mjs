// Conversations that are longer than the context: what is left out, and what is said where nothing more can be.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Server, makeHome, scriptedModels } from './server.mjs';

// The real engine, with a template that refuses what strict ones refuse: anything but user and assistant in turn.
const template = `{% set ns = namespace(n=0) %}{% for m in messages %}
{%- if m.role == 'system' %}<{{ m.content }}>
{%- elif m.role == 'tool' %}[result {{ m.content }}]{% else %}
{%- if m.role == 'user' %}{% if ns.n % 2 == 1 %}{{ raise_exception('roles must alternate') }}{% endif %}{% set ns.n = ns.n + 1 %}U: {{ m.content }}
{%- elif m.tool_calls %}[call {{ m.tool_calls[0].function.name }} {{ m.tool_calls[0].function.arguments | tojson }}]
{%- else %}{% if ns.n % 2 == 0 %}{{ raise_exception('roles must alternate') }}{% endif %}{% set ns.n = ns.n + 1 %}A: {{ m.content }}{% endif %}
{%- endif %}
{% endfor %}{% if add_generation_prompt %}A:{% endif %}`;

const contextLength = 512;
let server;
const start = async (operation) => {
  const started = await Server.start({ home: makeHome({ modelsFolder: scriptedModels({}, { template, operation }) }) });
  const load = await started.post('/api/v1/models/load', { model: 'scripted', context_length: contextLength });
  assert.equal(load.status, 200, await load.text());
  return started;
};
const ask = async (messages, more = {}, of = server) => {
  const response = await of.post('/v1/chat/completions', { model: 'scripted', messages, max_tokens: 4, temperature: 0, ...more });
  return { status: response.status, body: await response.json() };
};
const answered = async (messages, more, of) => {
  const { status, body } = await ask(messages, more, of);
  assert.equal(status, 200, JSON.stringify(body));
  return { tokens: body.usage.prompt_tokens, text: body.choices[0].message.content, dropped: body.stats.dropped_messages ?? 0 };
};
const user = (content) => ({ role: 'user', content });
const assistant = (content) => ({ role: 'assistant', content });
const system = { role: 'system', content: 'Answer in one word.' };

// Each message is recognisable by its number and not of one length.
function conversation(turns) {
  const messages = [system];
  for (let i = 0; i < turns; ++i) {
    messages.push(user(`question ${i} ${'what is it '.repeat(1 + (i * 7) % 5)}`), assistant(`answer ${i} ${'so it is '.repeat(1 + (i * 3) % 4)}`));
  }
  messages.push(user('and now?'));
  return messages;
}

before(async () => { server = await start(); });
after(async () => { await server.stop(); });

describe('a conversation that does not fit', () => {
  const messages = conversation(60);

  test('is refused where nobody asked for another policy', async () => {
    for (const more of [{}, { context_overflow_policy: 'stopAtLimit' }]) {
      const { status, body } = await ask(messages, more);
      assert.equal(status, 400);
      assert.equal(body.error.code, 'context_length_exceeded');
    }
  });

  // The answer shows nothing of the prompt, but the same messages sent by themselves must make the same prompt.
  for (const [policy, first] of [['rollingWindow', [system]], ['truncateMiddle', messages.slice(0, 3)]]) {
    test(`loses its ${policy === 'rollingWindow' ? 'oldest' : 'middle'} messages under ${policy}, and no more than it must`, async () => {
      const cut = await answered(messages, { context_overflow_policy: policy });
      assert.ok(cut.dropped > 0 && cut.dropped % 2 === 0, `${cut.dropped}`);
      assert.ok(cut.tokens <= contextLength - 4, `${cut.tokens}`);
      const left = [...first, ...messages.slice(first.length + cut.dropped)];
      const same = await answered(left);
      assert.deepEqual(same, { ...cut, dropped: 0 });
      // One turn more would have left no room for the answer (or nearly so: the last estimate is not counted).
      const two = await ask([...first, ...messages.slice(first.length + cut.dropped - 4)]);
      assert.ok(two.status === 400 || two.body.usage.prompt_tokens > contextLength - 4, JSON.stringify(two.body));
    });
  }

  test('is cut the same way for a stream, which says so with its usage', async () => {
    const whole = await answered(messages, { context_overflow_policy: 'rollingWindow' });
    const response = await server.post('/v1/chat/completions', {
      model: 'scripted', messages, max_tokens: 4, temperature: 0, stream: true, stream_options: { include_usage: true },
      context_overflow_policy: 'rollingWindow',
    });
    const chunks = (await response.text()).split('\n').filter((line) => line.startsWith('data: {')).map((line) => JSON.parse(line.slice(6)));
    assert.equal(chunks.at(-1).usage.prompt_tokens, whole.tokens);
    assert.deepEqual(chunks.at(-1).stats, { dropped_messages: whole.dropped });
    assert.equal(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join(''), whole.text);
  });

  test('leaves the answer the room that it may need', async () => {
    const short = await answered(messages, { context_overflow_policy: 'rollingWindow' });
    const long = await answered(messages, { context_overflow_policy: 'rollingWindow', max_tokens: 200 });
    const open = await answered(messages, { context_overflow_policy: 'rollingWindow', max_tokens: undefined });
    assert.ok(long.tokens <= contextLength - 200, `${long.tokens}`);
    assert.ok(open.tokens <= contextLength - contextLength / 4, `${open.tokens}`);
    assert.ok(short.tokens > long.tokens);
  });

  test('is left whole where it fits', async () => {
    const small = conversation(2);
    const plain = await answered(small);
    for (const policy of ['rollingWindow', 'truncateMiddle']) {
      assert.deepEqual(await answered(small, { context_overflow_policy: policy }), plain);
    }
  });

  test('is no more than a line in the log', async () => {
    await answered(messages, { context_overflow_policy: 'rollingWindow' });
    assert.ok(server.log.some((line) => /\d+ of 122 messages to scripted were left out: the prompt has \d+ tokens of a context of 512/.test(line)));
  });
});

describe('calls of tools', () => {
  const call = (i) => ({
    role: 'assistant', content: null,
    tool_calls: [{ id: `c${i}`, type: 'function', function: { name: 'look', arguments: `{"at":"${'here '.repeat(5)}${i}"}` } }],
  });
  const result = (i) => ({ role: 'tool', tool_call_id: `c${i}`, content: `seen ${i} ${'there '.repeat(6)}` });

  test('go together with their results, and the question stays', async () => {
    const messages = [system, user('Look everywhere.')];
    for (let i = 0; i < 60; ++i) messages.push(call(i), result(i));
    assert.equal((await ask(messages)).status, 400);
    for (const policy of ['rollingWindow', 'truncateMiddle']) {
      const cut = await answered(messages, { context_overflow_policy: policy });
      assert.ok(cut.dropped > 0 && cut.dropped % 2 === 0, `${cut.dropped}`);
      const same = await answered([...messages.slice(0, 2), ...messages.slice(2 + cut.dropped)]);
      assert.deepEqual(same, { ...cut, dropped: 0 });
    }
  });
});

describe('what must stay', () => {
  const long = 'word '.repeat(2000);

  test('is refused where it is too long by itself', async () => {
    for (const policy of ['rollingWindow', 'truncateMiddle']) {
      const { status, body } = await ask([system, user('a'), assistant('b'), user(long)], { context_overflow_policy: policy });
      assert.equal(status, 400);
      assert.equal(body.error.code, 'context_length_exceeded');
      assert.equal(body.error.param, 'messages');
      assert.match(body.error.message, /last user message.* has \d{4,} tokens, but the context holds 512/);
    }
  });

  test('is the first user message under truncateMiddle alone', async () => {
    const messages = [system, user(long), assistant('b'), user('and now?')];
    assert.equal((await ask(messages, { context_overflow_policy: 'truncateMiddle' })).status, 400);
    const cut = await answered(messages, { context_overflow_policy: 'rollingWindow' });
    assert.equal(cut.dropped, 2);
    assert.equal(cut.tokens, (await answered([system, user('and now?')])).tokens);
  });

  test('is one message where a template wants roles to alternate and nothing is left between', async () => {
    const messages = [system, user('first '.repeat(20)), assistant('b '.repeat(600)), user('second '.repeat(20))];
    const cut = await answered(messages, { context_overflow_policy: 'truncateMiddle' });
    assert.equal(cut.dropped, 1);
    assert.deepEqual({ ...cut, dropped: 0 }, await answered([system, user(`${messages[1].content}\n\n${messages[3].content}`)]));
  });

  test('may leave less room for the answer than it would like', async () => {
    const messages = [system, user('first '.repeat(60)), assistant('b'), user('second '.repeat(60))];
    const alone = await answered([messages[0], messages[3]]);
    const cut = await answered(messages, { context_overflow_policy: 'rollingWindow', max_tokens: contextLength });
    assert.ok(alone.tokens > 0 && cut.tokens >= alone.tokens);
    assert.ok(cut.tokens < contextLength);
  });
});

describe('an answer that fills the context', () => {
  // One word over and over, so that the model does not end by itself.
  const endless = { logit_bias: { 400: 100 }, max_tokens: undefined };
  const messages = [system, user('first question'), assistant('first answer'), user('and now?')];
  const whole = async (more, of) => {
    const { status, body } = await ask(messages, { ...endless, ...more }, of);
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(body.choices[0].finish_reason, 'length');
    return body;
  };

  test('ends there under stopAtLimit, which is the default', async () => {
    for (const more of [{}, { context_overflow_policy: 'stopAtLimit' }, { context_overflow_policy: 'stopAtLimit', max_tokens: 2000 }]) {
      const body = await whole(more);
      assert.equal(body.usage.total_tokens, contextLength);
      assert.equal(body.stats.dropped_tokens, undefined);
    }
  });

  for (const policy of ['rollingWindow', 'truncateMiddle']) {
    test(`goes on under ${policy}, up to its own limit`, async () => {
      const short = await whole({ context_overflow_policy: 'stopAtLimit' });
      const body = await whole({ context_overflow_policy: policy, max_tokens: 3 * contextLength });
      assert.equal(body.usage.prompt_tokens, short.usage.prompt_tokens);
      assert.equal(body.usage.completion_tokens, 3 * contextLength);
      assert.ok(body.stats.dropped_tokens > 2 * contextLength, JSON.stringify(body.stats));
      const text = body.choices[0].message.content;
      assert.ok(text.startsWith(short.choices[0].message.content));
      const piece = text.slice(0, text.length / (3 * contextLength));
      assert.equal(text, piece.repeat(3 * contextLength));
    });

    test(`ends after four contexts under ${policy} where nobody said how long it may be`, async () => {
      const { usage } = await whole({ context_overflow_policy: policy });
      assert.ok(usage.completion_tokens >= 4 * contextLength && usage.completion_tokens < 5 * contextLength, `${usage.completion_tokens}`);
    });
  }

  test('says with a stream\'s usage what it dropped, and can be cancelled', async () => {
    const request = { model: 'scripted', messages, temperature: 0, stream: true, ...endless, context_overflow_policy: 'rollingWindow' };
    const response = await server.post('/v1/chat/completions', { ...request, max_tokens: 2 * contextLength, stream_options: { include_usage: true } });
    const chunks = (await response.text()).split('\n').filter((line) => line.startsWith('data: {')).map((line) => JSON.parse(line.slice(6)));
    assert.ok(chunks.at(-1).stats.dropped_tokens > contextLength);
    const gone = new AbortController();
    const cut = await fetch(`${server.url}/v1/chat/completions`, {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, signal: gone.signal,
      body: JSON.stringify({ ...request, max_tokens: 1_000_000_000 }),
    });
    let bytes = 0;
    for await (const chunk of cut.body) {
      bytes += chunk.length;
      if (bytes > 400_000) break;
    }
    gone.abort();
    // Whoever comes next finds an engine that is free, and nothing of what was there but the beginning.
    const plain = await answered(messages);
    const other = await start({});
    try {
      assert.deepEqual(await answered(messages, {}, other), plain);
    } finally {
      await other.stop();
    }
  });
});

describe('the policy', () => {
  test('of the model answers for requests that name none', async () => {
    const own = await start({ fields: [{ key: 'llm.prediction.contextOverflowPolicy', value: 'rollingWindow' }] });
    try {
      const messages = conversation(60);
      assert.ok((await answered(messages, {}, own)).dropped > 0);
      assert.equal((await ask(messages, { context_overflow_policy: 'stopAtLimit' }, own)).status, 400);
    } finally {
      await own.stop();
    }
  });

  test('of a text completion can only be to stop', async () => {
    const complete = async (more) => {
      const response = await server.post('/v1/completions', { model: 'scripted', prompt: 'word '.repeat(2000), max_tokens: 4, ...more });
      return { status: response.status, error: (await response.json()).error };
    };
    const refused = await complete({ context_overflow_policy: 'rollingWindow' });
    assert.equal(refused.status, 400);
    assert.equal(refused.error.param, 'context_overflow_policy');
    const long = await complete({ context_overflow_policy: 'stopAtLimit' });
    assert.equal(long.status, 400);
    assert.equal(long.error.code, 'context_length_exceeded');
  });
});

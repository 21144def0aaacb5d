// Tools and reasoning on /v1/chat/completions, with the unmodified OpenAI package. The model is a script: what it
// writes is known to the byte, and so is what must come out.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import OpenAI from 'openai';
import { Server, makeHome, run, scriptedModels, scriptedResources, temporaryFolder } from './server.mjs';

// A template in the manner of Qwen: tools in the system message, calls in <tool_call>, thinking that can be off.
const template = `{%- if tools %}<|system|>Tools:{% for tool in tools %} {{ tool | tojson }}{% endfor %}<|end|>{% endif -%}
{%- for m in messages -%}
<|{{ m.role }}|>{{ m.content or '' }}{% if m.tool_calls %}{% for t in m.tool_calls %}<tool_call>
{"name": "{{ t.function.name }}", "arguments": {{ t.function.arguments | tojson }}}
</tool_call>{% endfor %}{% endif %}<|end|>
{%- endfor -%}
{%- if add_generation_prompt %}<|assistant|>{% if enable_thinking is defined and not enable_thinking %}<think>

</think>

{% endif %}{% endif -%}`;

const call = (name, args) => `<tool_call>\n{"name": "${name}", "arguments": ${args}}\n</tool_call>`;
// Each character is a piece of its own: nothing may depend on how the text is cut.
const letters = (text) => [...text].map((letter) => ({ text: letter }));

const script = {
  generate: [
    { when: 'SHOW REQUEST', steps: [{ echo: 'prompt' }] },
    { when: 'TWO CALLS', steps: letters(`Let me see.\n${call('get_weather', '{"city": "Oslo"}')}\n${call('get-time', '{}')}`) },
    { when: 'BROKEN CALL', steps: letters('<tool_call>\n{"name": "get_weather", "arguments": {"city": oops}}\n</tool_call>') },
    { when: 'ENDLESS CALLS', steps: [{ text: `${call('get_time', '{}')}\n`, times: 'forever' }] },
    { when: 'THINK', steps: letters('<think>\nTwo and two.\n</think>\n\nFour.') },
    { when: 'CUT OFF', steps: [...letters('<tool_call>\n{"name": "get_weather", "argu'), { done: { reason: 'max_tokens' } }] },
    { when: '<|tool|>', steps: letters('It is sunny.') },
    { when: '"name": "get_weather", "arguments":<', steps: letters('never') },
    { when: 'MUST CALL', steps: letters(' {"city": "Rome"}}\n</tool_call>') },
    { when: 'delivered', steps: letters(call('get_delivery_date', '{"order_id": "1017"}')) },
    { when: 'dell products', steps: letters(call('search_products', '{"query": "dell", "category": "electronics", "max_price": 50}')) },
    { when: 'What time', steps: letters(`${call('get_current_time', '{}')}\n${call('list_directory', '{"path": "."}')}`) },
    { when: 'the time', steps: letters(call('get_current_time', '{}')) },
    { steps: letters('Hello!') },
  ],
};

const tools = [
  { type: 'function', function: { name: 'get_weather', description: 'The weather', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } } },
  { type: 'function', function: { name: 'get-time' } },
];

let server;
let client;
before(async () => {
  server = await Server.start({ home: makeHome({ modelsFolder: scriptedModels(script, { template }) }), resources: scriptedResources() });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'any', maxRetries: 0 });
});
after(async () => { await server.stop(); });

const ask = (content, more = {}) => client.chat.completions.create({ model: 'scripted', messages: [{ role: 'user', content }], tools, ...more });

// A streamed answer put together, with the rules that every chunk must keep.
async function streamed(content, more = {}) {
  const stream = await ask(content, { ...more, stream: true });
  const answer = { content: '', reasoning: '', calls: [], finish: null, fragments: 0 };
  for await (const chunk of stream) {
    const [choice] = chunk.choices;
    if (!choice) continue;
    const { delta } = choice;
    const kinds = ['content', 'reasoning_content', 'tool_calls'].filter((key) => delta[key] !== undefined && delta[key] !== '');
    assert.ok(kinds.length <= 1, JSON.stringify(delta));
    answer.content += delta.content ?? '';
    answer.reasoning += delta.reasoning_content ?? '';
    for (const part of delta.tool_calls ?? []) {
      if (part.id !== undefined) {
        assert.equal(part.index, answer.calls.length);
        assert.equal(part.type, 'function');
        assert.equal(part.function.arguments, '');
        answer.calls.push({ id: part.id, name: part.function.name, arguments: '' });
      } else {
        assert.deepEqual(Object.keys(part).sort(), ['function', 'index']);
        assert.deepEqual(Object.keys(part.function), ['arguments']);
        assert.equal(part.index, answer.calls.length - 1);
        answer.calls.at(-1).arguments += part.function.arguments;
        answer.fragments += 1;
      }
    }
    answer.finish = choice.finish_reason ?? answer.finish;
  }
  return answer;
}

describe('tool calls', () => {
  test('come with ids, the client\'s names and arguments as text', async () => {
    const { choices: [{ message, finish_reason: finish }] } = await ask('TWO CALLS');
    assert.equal(finish, 'tool_calls');
    assert.equal(message.content, 'Let me see.');
    assert.deepEqual(message.tool_calls.map((each) => [each.type, each.function.name, each.function.arguments]),
      [['function', 'get_weather', '{"city": "Oslo"}'], ['function', 'get-time', '{}']]);
    for (const each of message.tool_calls) assert.match(each.id, /^[1-9][0-9]{8}$/);
    assert.notEqual(message.tool_calls[0].id, message.tool_calls[1].id);
  });

  test('stream their arguments while they are written', async () => {
    const answer = await streamed('TWO CALLS');
    assert.equal(answer.content, 'Let me see.');
    assert.deepEqual(answer.calls.map((each) => [each.name, each.arguments]), [['get_weather', '{"city": "Oslo"}'], ['get-time', '{}']]);
    assert.equal(answer.finish, 'tool_calls');
    assert.ok(answer.fragments > 10, `${answer.fragments}`);
  });

  test('alone leave the content null', async () => {
    const { choices: [{ message }] } = await ask('Is my order delivered?', { tool_choice: 'auto' });
    assert.equal(message.content, null);
    assert.equal(message.tool_calls.length, 1);
  });

  test('that are malformed are text', async () => {
    const { choices: [{ message, finish_reason: finish }] } = await ask('BROKEN CALL');
    assert.equal(message.content, '<tool_call>\n{"name": "get_weather", "arguments": {"city": oops}}\n</tool_call>');
    assert.equal(message.tool_calls, undefined);
    assert.equal(finish, 'stop');
  });

  test('that are cut off are text, and the reason says so', async () => {
    const { choices: [{ message, finish_reason: finish }] } = await ask('CUT OFF');
    assert.equal(message.content, '<tool_call>\n{"name": "get_weather", "argu');
    assert.equal(finish, 'length');
  });

  test('are not looked for without tools', async () => {
    const { choices: [{ message }] } = await ask('TWO CALLS', { tools: undefined });
    assert.match(message.content, /<tool_call>/);
    assert.equal(message.tool_calls, undefined);
  });

  test('end with the first one where only one is wanted', async () => {
    for (const answer of [await streamed('ENDLESS CALLS', { parallel_tool_calls: false })]) {
      assert.equal(answer.calls.length, 1);
      assert.equal(answer.finish, 'tool_calls');
    }
  });

  test('of several choices do not mix', async () => {
    const { choices } = await ask('TWO CALLS', { n: 3 });
    assert.deepEqual(choices.map((choice) => choice.message.tool_calls.length), [2, 2, 2]);
    assert.equal(new Set(choices.flatMap((choice) => choice.message.tool_calls.map((each) => each.id))).size, 6);
  });
});

describe('the prompt', () => {
  const prompt = async (more = {}) => (await ask('SHOW REQUEST', more)).choices[0].message.content;

  test('shows the tools with plain names, and their whole schemas', async () => {
    const text = await prompt({ tools: [...tools, { type: 'function', function: { name: 'f', parameters: { type: 'object', $defs: { X: { enum: [1] } } } } }] });
    assert.match(text, /"name": "get_time"/);
    assert.match(text, /"\$defs": \{"X": \{"enum": \[1\]\}\}/);
  });

  test('shows names in the style that the model is set to', async () => {
    const named = [{ type: 'function', function: { name: 'get-the time' } }];
    for (const [style, shown] of [['passThrough', 'get-the time'], ['removeSpecial', 'get_the_time'], ['snakeCase', 'get_the_time'], ['camelCase', 'getTheTime']]) {
      const play = { generate: [
        { when: 'SHOW REQUEST', steps: [{ echo: 'prompt' }] },
        { steps: letters(call(shown, '{}')) },
      ] };
      const home = makeHome({ modelsFolder: scriptedModels(play, { template, operation: { tool_naming: style } }) });
      const other = await Server.start({ home, resources: scriptedResources() });
      try {
        const send = async (content) => (await (await other.post('/v1/chat/completions',
          { model: 'scripted', messages: [{ role: 'user', content }], tools: named })).json()).choices[0].message;
        assert.ok((await send('SHOW REQUEST')).content.includes(`"name": "${shown}"`), style);
        assert.equal((await send('Go')).tool_calls[0].function.name, 'get-the time', style);
      } finally {
        await other.stop();
      }
    }
  });

  test('shows none under tool_choice none', async () => {
    assert.doesNotMatch(await prompt({ tool_choice: 'none' }), /get_weather/);
  });

  test('gives calls and results of earlier turns back to the template', async () => {
    const messages = [
      { role: 'user', content: 'SHOW REQUEST' },
      { role: 'assistant', content: null, tool_calls: [{ id: '123456789', type: 'function', function: { name: 'get-time', arguments: '{"zone":"UTC"}' } }] },
      { role: 'tool', tool_call_id: '123456789', content: 'five' },
    ];
    const text = (await client.chat.completions.create({ model: 'scripted', messages, tools })).choices[0].message.content;
    assert.match(text, /\{"name": "/);
    assert.match(text, /get_time/);
    assert.match(text, /\{"zone": "UTC"\}/);
    assert.match(text, /five/);
  });

  test('turns thinking off where that is asked for', async () => {
    assert.match(await prompt({ reasoning_effort: 'none' }), /<think>\n\n<\/think>/);
    assert.doesNotMatch(await prompt({ reasoning_effort: 'high' }), /<think>/);
    assert.match(await prompt({ enable_thinking: false }), /<think>/);
    assert.match(await prompt({ chat_template_kwargs: { enable_thinking: false } }), /<think>/);
  });
});

describe('an image', () => {
  test('for a model that cannot see is refused with a reason', async () => {
    const content = [{ type: 'text', text: 'What is this?' }, { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }];
    await assert.rejects(client.chat.completions.create({ model: 'scripted', messages: [{ role: 'user', content }] }),
      (error) => error.status === 400 && /cannot see images/.test(error.message));
  });
});

describe('tool_choice', () => {
  test('with a name makes the answer this call', async () => {
    const { choices: [{ message, finish_reason: finish }] } = await ask('MUST CALL', { tool_choice: { type: 'function', function: { name: 'get_weather' } } });
    assert.equal(finish, 'tool_calls');
    assert.deepEqual(message.tool_calls.map((each) => [each.function.name, each.function.arguments]), [['get_weather', '{"city": "Rome"}']]);
    assert.equal(message.content, null);
  });

  test('required with one tool is that tool', async () => {
    const answer = await streamed('MUST CALL', { tool_choice: 'required', tools: [tools[0]] });
    assert.deepEqual(answer.calls.map((each) => each.name), ['get_weather']);
  });

  test('that makes no sense is refused with a reason', async () => {
    await assert.rejects(ask('x', { tool_choice: { type: 'web_search' } }), /Invalid tool_choice type/);
    await assert.rejects(ask('x', { tool_choice: { type: 'function', function: { name: 'nobody' } } }), /must name one of/);
    await assert.rejects(ask('x', { tools: [{ type: 'retrieval' }] }), /tools\[0\]\.type/);
  });
});

describe('reasoning', () => {
  test('has a field of its own and is counted', async () => {
    const { choices: [{ message }], usage } = await ask('THINK', { tools: undefined });
    assert.equal(message.reasoning_content, 'Two and two.');
    assert.equal(message.content, 'Four.');
    assert.ok(usage.completion_tokens_details.reasoning_tokens > 10);
    assert.ok(usage.completion_tokens_details.reasoning_tokens < usage.completion_tokens);
  });

  test('streams in that field', async () => {
    const answer = await streamed('THINK');
    assert.equal(answer.reasoning, 'Two and two.');
    assert.equal(answer.content, 'Four.');
  });

  test('is described among the capabilities of the model', async () => {
    const capabilities = async (from) => (await from.json('/api/v1/models')).models.find((model) => model.key === 'scripted').capabilities;
    assert.deepEqual((await capabilities(server)).reasoning, { allowed_options: ['off', 'on'], default: 'on' });
    const plain = '{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}';
    const levels = `{{ "effort " ~ (reasoning_effort or "low") }}${plain}`;
    for (const [options, expected] of [
      [{ template: plain }, undefined],
      [{ template: levels }, { allowed_options: ['low', 'medium', 'high'], default: 'low' }],
      [{ template, operation: { enable_thinking: false } }, { allowed_options: ['off', 'on'], default: 'off' }],
    ]) {
      const other = await Server.start({ home: makeHome({ modelsFolder: scriptedModels(script, options) }), resources: scriptedResources() });
      try {
        assert.deepEqual((await capabilities(other)).reasoning, expected);
      } finally {
        await other.stop();
      }
    }
  });

  test('stays in the content where the setting says so', async () => {
    const home = makeHome({ modelsFolder: scriptedModels(script, { template }), settings: { separate_reasoning: false } });
    const other = await Server.start({ home, resources: scriptedResources() });
    try {
      const answer = await (await other.post('/v1/chat/completions', { model: 'scripted', messages: [{ role: 'user', content: 'THINK' }] })).json();
      assert.equal(answer.choices[0].message.content, '<think>\nTwo and two.\n</think>\n\nFour.');
      assert.equal(answer.choices[0].message.reasoning_content, undefined);
    } finally {
      await other.stop();
    }
  });
});

describe('a model without a tool format of its own', () => {
  test('is told of the tools in words, and its blocks are calls', async () => {
    const blocks = { generate: [
      { when: 'SHOW REQUEST', steps: [{ echo: 'prompt' }] },
      { steps: letters('[TOOL_REQUEST]{"name": "get_time", "arguments": {"zone": "UTC"}}[END_TOOL_REQUEST]') },
    ] };
    const plain = '{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}';
    const home = makeHome({ modelsFolder: scriptedModels(blocks, { template: plain }) });
    const other = await Server.start({ home, resources: scriptedResources() });
    try {
      const send = async (messages) => (await (await other.post('/v1/chat/completions', { model: 'scripted', messages, tools })).json()).choices[0];
      const first = await send([{ role: 'user', content: 'Go' }]);
      assert.equal(first.finish_reason, 'tool_calls');
      assert.equal(first.message.tool_calls[0].function.name, 'get-time');
      const shown = await send([{ role: 'user', content: 'SHOW REQUEST' }, first.message,
        { role: 'tool', tool_call_id: first.message.tool_calls[0].id, content: 'five' }]);
      assert.match(shown.message.content, /"type": "toolArray"/);
      // The prompt comes back as the answer, so the call of the earlier turn is read again where it was written.
      assert.ok(shown.message.tool_calls.some((each) => each.function.arguments === '{"zone": "UTC"}'));
      assert.match(shown.message.content, /\[TOOL_RESULT\]five\[END_TOOL_RESULT\]/);
    } finally {
      await other.stop();
    }
  });
});

describe('the examples', () => {
  const here = path.dirname(fileURLToPath(import.meta.url));
  const example = async (name, input) => {
    const copy = temporaryFolder('example');
    fs.copyFileSync(path.join(here, '../../examples/openai', name), path.join(copy, name));
    fs.symlinkSync(path.join(here, 'node_modules'), path.join(copy, 'node_modules'));
    const result = await run(process.execPath, [path.join(copy, name), 'scripted'], { env: { OPENAI_BASE_URL: `${server.url}/v1` }, input });
    assert.equal(result.code, 0, result.stderr);
    return result.stdout;
  };

  test('of one turn shows the call', async () => {
    assert.equal(await example('tools-single-turn.mjs'),
      'finish_reason: tool_calls\nsearch_products({"query": "dell", "category": "electronics", "max_price": 50})\n');
  });

  test('of several turns runs it and answers', async () => {
    assert.equal(await example('tools-multi-turn.mjs'), 'get_delivery_date({"order_id": "1017"})\nIt is sunny.\n');
  });

  test('of an agent runs two calls and answers', async () => {
    const lines = (await example('tools-agent.mjs')).trim().split('\n');
    assert.match(lines[0], /^get_current_time\(\{\}\) = \{"time":/);
    assert.match(lines[1], /^list_directory\(\{"path": "\."\}\) = \{"files":/);
    assert.equal(lines[2], 'It is sunny.');
  });

  test('of a chatbot streams text and runs calls', async () => {
    assert.equal(await example('tools-streaming-chatbot.mjs', 'Hi\nPlease tell me the time\n\n'),
      'Hello!\n[get_current_time({})]\nIt is sunny.\n');
  });
});

// The example programs against the bundled starter model. It is small and may say anything, call anything or nothing; the
// programs end by themselves, without an error, and show what they are there to show.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Server, makeHome, run, temporaryFolder } from './server.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, '../..');
let server;

before(async () => { server = await Server.start({ home: makeHome({ modelsFolder: path.join(root, 'assets/models') }) }); });
after(async () => { await server.stop(); });

async function example(name, input) {
  const copy = temporaryFolder('example');
  fs.copyFileSync(path.join(root, 'examples/openai', name), path.join(copy, name));
  fs.symlinkSync(path.join(here, 'node_modules'), path.join(copy, 'node_modules'));
  const result = await run(process.execPath, [path.join(copy, name), 'atelier/starter'],
    { env: { OPENAI_BASE_URL: `${server.url}/v1` }, input });
  assert.equal(result.code, 0, `${name}: ${result.stdout}${result.stderr}`);
  assert.equal(result.stderr, '', name);
  return result.stdout;
}

describe('with the starter model', () => {
  test('one turn with tools ends with a reason', async () => {
    assert.match(await example('tools-single-turn.mjs'), /^finish_reason: (tool_calls|stop|length)\n/);
  });

  for (const [name, input] of [
    ['tools-multi-turn.mjs'],
    ['tools-agent.mjs'],
    ['tools-streaming-chatbot.mjs', 'Hi\nPlease tell me the time\nAnd again, in one word\n\n'],
  ]) {
    test(`${name} prints something and ends`, async () => {
      assert.ok((await example(name, input)).trim().length > 0);
    });
  }

  test('every answer with tools keeps the protocol, however warm the model is', async () => {
    const tools = [
      { type: 'function', function: { name: 'get-time', parameters: { type: 'object', properties: {} } } },
      { type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } } },
    ];
    for (const tool_choice of ['auto', 'required', { type: 'function', function: { name: 'get_weather' } }, 'none']) {
      for (let seed = 1; seed <= 3; ++seed) {
        const response = await server.post('/v1/chat/completions', { model: 'atelier/starter', temperature: 1.5, seed, max_tokens: 60, tools, tool_choice,
          messages: [{ role: 'user', content: 'What is the weather in Paris, and what time is it?' }] });
        const answer = await response.json();
        assert.equal(response.status, 200, JSON.stringify(answer));
        const [{ message, finish_reason: reason }] = answer.choices;
        assert.ok(['stop', 'length', 'tool_calls'].includes(reason), reason);
        const calls = (message.tool_calls ?? []).length;
        if (reason === 'tool_calls') assert.ok(calls > 0);
        // One that is whole may stand before another that the limit cut off.
        if (calls > 0) assert.ok(['tool_calls', 'length'].includes(reason), reason);
        for (const each of message.tool_calls ?? []) {
          assert.match(each.id, /^[1-9][0-9]{8}$/);
          assert.equal(typeof JSON.parse(each.function.arguments), 'object');
        }
        if (tool_choice === 'none') assert.equal(message.tool_calls, undefined);
      }
    }
  });
});

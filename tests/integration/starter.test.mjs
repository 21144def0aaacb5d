// The models that come with the program: they are listed under their keys, and do what they are there for. How well they do
// it is measured by tools/eval; here stands only what must not break.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import OpenAI from 'openai';
import { Server, build, temporaryFolder } from './server.mjs';

const assets = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../assets/models');
const embeddings = 'text-embedding-atelier-starter';
let server;
let client;

before(async () => {
  // The build's own engine, with the models as they lie in the tree.
  const resources = temporaryFolder('resources');
  const runtime = 'lib/atelier/runtimes/default';
  const described = JSON.parse(fs.readFileSync(path.join(build, runtime, 'runtime.json'), 'utf8'));
  for (const key of ['exe', 'loader', 'library_path', 'backends_dir']) {
    if (described[key]) described[key] = path.resolve(build, runtime, described[key]);
  }
  fs.mkdirSync(path.join(resources, runtime), { recursive: true });
  fs.writeFileSync(path.join(resources, runtime, 'runtime.json'), JSON.stringify(described));
  fs.mkdirSync(path.join(resources, 'share/atelier'), { recursive: true });
  fs.symlinkSync(assets, path.join(resources, 'share/atelier/models'));
  server = await Server.start({ resources });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'any', maxRetries: 0 });
});
after(async () => { await server.stop(); });

const ask = (request) => client.chat.completions.create({ model: 'atelier/starter', temperature: 0, ...request });
const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

// What a GGUF says of its vocabulary, byte for byte: from the tokens to the first special token.
function vocabulary(file) {
  const data = fs.readFileSync(file);
  return data.subarray(data.indexOf('tokenizer.ggml.tokens'), data.indexOf('tokenizer.ggml.eos_token_id'));
}

describe('bundled models', () => {
  test('are listed under their keys', async () => {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    for (const id of ['atelier/starter', 'atelier/starter-draft', embeddings]) assert.ok(ids.includes(id), ids.join(' '));
  });

  test('know the same words, the starter and its draft', () => {
    const ours = vocabulary(path.join(assets, 'atelier/starter/starter-q8_0.gguf'));
    assert.ok(ours.length > 10000);
    assert.ok(ours.equals(vocabulary(path.join(assets, 'atelier/starter-draft/starter-draft-q8_0.gguf'))));
  });
});

describe('the starter', () => {
  test('says who it is, and ends', async () => {
    const answer = await ask({ messages: [{ role: 'user', content: 'Hello! Who are you?' }] });
    assert.match(answer.choices[0].message.content, /Starter/);
    assert.equal(answer.choices[0].finish_reason, 'stop');
  });

  test('calls a tool', async () => {
    const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
    const tools = [{ type: 'function', function: { name: 'get_weather', description: 'Get the current weather', parameters } }];
    const answer = await ask({ messages: [{ role: 'user', content: 'What is the weather in Paris?' }], tools });
    const [call] = answer.choices[0].message.tool_calls;
    assert.equal(call.function.name, 'get_weather');
    assert.deepEqual(JSON.parse(call.function.arguments), { city: 'Paris' });
  });
});

describe('the embedding model', () => {
  const triples = [
    ['How do I start the server?', 'Which command starts the server?', 'What is the capital of France?'],
    ['Where are my models stored?', 'In which folder do model files go?', 'Tell me a joke.'],
    ['Book a flight to Paris.', 'I want to book a flight to Paris.', 'My name is Bob.'],
    ['What is the weather in Rome?', 'Tell me the weather in Rome, please.', 'Cancel the order 1234.'],
    ['Goodbye!', 'See you later!', 'How do I get embeddings?'],
  ];

  for (const [text, paraphrase, unrelated] of triples) {
    test(`ranks "${paraphrase}" above "${unrelated}"`, async () => {
      const { data } = await client.embeddings.create({ model: embeddings, input: [text, paraphrase, unrelated] });
      const [a, b, c] = data.map((item) => item.embedding);
      assert.ok(dot(a, b) > dot(a, c) + 0.2, `${dot(a, b)} against ${dot(a, c)}`);
    });
  }
});

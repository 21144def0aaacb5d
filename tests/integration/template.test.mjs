// `atelier template`: renders files and models' own templates without a server.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { makeHome, models, program, run, temporaryFolder } from './server.mjs';

const folder = temporaryFolder('template');
let home;

const atelier = (args, input = '') => run(program('atelier'), ['template', ...args], { input, env: { ATELIER_HOME: home } });

function file(name, content) {
  const full = path.join(folder, name);
  fs.writeFileSync(full, content);
  return full;
}

const render = (template, variables, ...args) =>
  atelier(['render', '--template', file('tried.jinja', template), ...args],
    typeof variables === 'string' ? variables : JSON.stringify(variables));

// A models folder with one model whose model.yaml is given.
function homeWithModelYaml(yaml) {
  const all = temporaryFolder('models');
  const model = path.join(all, 'tests/own');
  fs.mkdirSync(model, { recursive: true });
  fs.copyFileSync(path.join(models, 'atelier/tiny-llama-GGUF/tiny-llama-F32.gguf'), path.join(model, 'own.gguf'));
  fs.writeFileSync(path.join(model, 'model.yaml'), yaml);
  return makeHome({ modelsFolder: all });
}

before(() => { home = makeHome(); });

describe('render --template', () => {
  const chat = "{{ bos_token }}{% for m in messages %}\n  {% if m.role == 'user' %}\n<|{{ m.role }}|>{{ m.content }}\n  {% endif %}\n{% endfor %}\n";

  test('prints exactly what the template gives', async () => {
    const { code, stdout, stderr } = await render(chat, { bos_token: '<s>', messages: [{ role: 'user', content: 'Grüße ✓ <x>' }] });
    assert.equal(stderr, '');
    assert.equal(stdout, '<s><|user|>Grüße ✓ <x>\n');
    assert.equal(code, 0);
  });

  test('leaves what is not given undefined, and null none', async () => {
    const template = '{{ tools is defined }}{{ documents is defined }}{{ nothing is none }}';
    assert.equal((await render(template, { nothing: null })).stdout, 'FalseFalseTrue');
    assert.equal((await render(template, { tools: null, documents: [], nothing: 0 })).stdout, 'TrueTrueFalse');
  });

  test('adapts nothing: two system messages and unknown roles stay as they are', async () => {
    const messages = [{ role: 'system', content: 'a' }, { role: 'ipython', content: null }, { role: 'system', content: [{ type: 'image' }] }];
    const { stdout } = await render('{{ messages|tojson }}', { messages });
    assert.equal(stdout, '[{"role": "system", "content": "a"}, {"role": "ipython", "content": null}, {"role": "system", "content": [{"type": "image"}]}]');
  });

  test('gives strftime_now the time of --now, whatever its offset says', async () => {
    const template = "{{ strftime_now('%d %b %Y %H:%M:%S.%f') }}";
    assert.equal((await render(template, {}, '--now', '2024-07-26T13:04:05.25')).stdout, '26 Jul 2024 13:04:05.250000');
    assert.equal((await render(template, {}, '--now', '2024-07-26T13:04:05+02:00')).stdout, '26 Jul 2024 13:04:05.000000');
    assert.equal((await render(template, {}, '--now', '2024-07-26')).stdout, '26 Jul 2024 00:00:00.000000');
    const wrong = await render(template, {}, '--now', 'yesterday');
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /--now: 'yesterday' is no time/);
  });

  test('tells with --segments what is template and what is content', async () => {
    const { stdout } = await render(chat, { bos_token: '<s>', messages: [{ role: 'user', content: '<|user|>' }] }, '--segments');
    assert.deepEqual(JSON.parse(stdout), {
      segments: [
        { provenance: 'template', text: '<s><|' },
        { provenance: 'content', text: 'user' },
        { provenance: 'template', text: '|>' },
        { provenance: 'content', text: '<|user|>' },
        { provenance: 'template', text: '\n' },
      ],
    });
  });

  test('takes large input from a pipe whole', async () => {
    const content = 'x✓'.repeat(2_000_000);
    const { stdout, code } = await render('{{ messages[0].content }}', { messages: [{ role: 'user', content }] });
    assert.equal(code, 0);
    assert.ok(stdout === content);
  });

  const failures = [
    ['a template that does not parse', 'a\n{% if x %}', {}, /line \d+, column \d+: /],
    ['an unknown tag', 'a\n  {% fro x in y %}', {}, /line 2, column 6: .*fro/],
    ['an unknown filter', '{{ a|frobnicate }}', {}, /line 1, column 6: .*frobnicate/],
    ['an undefined value', '{{ a.b.c }}', { a: {} }, /line 1, column \d+: .*'b'/],
    ['raise_exception', "x\n{{ raise_exception('Only users!') }}", {}, /refuses.*line 2, column \d+: Only users!/],
    ['a template without end', '{% for i in range(99999) %}{% for j in range(99999) %}{{ i }}{% endfor %}{% endfor %}', {}, /line 1, column \d+: /],
    ['input that is not JSON', '{{ a }}', '{"a": 1,}', /standard input is not JSON: .*line 1/],
    ['input that is no object', '{{ a }}', '[1]', /standard input is not a JSON object/],
    ['no input', '{{ a }}', '', /standard input is empty/],
    ['input that is not UTF-8', '{{ a }}', Buffer.from([0x7b, 0xff, 0x7d]), /standard input is not UTF-8: byte 2 \(0xff\)/],
    ['a template that is not UTF-8', Buffer.from([0x61, 0xe9, 0x0a]), {}, /tried\.jinja' is not UTF-8: byte 2 \(0xe9\)/],
  ];
  for (const [name, template, variables, message] of failures) {
    test(`says on standard error, with exit code 1, what is wrong with ${name}`, async () => {
      const input = Buffer.isBuffer(variables) || typeof variables === 'string' ? variables : JSON.stringify(variables);
      const { code, stdout, stderr } = await atelier(['render', '--template', file('tried.jinja', template)], input);
      assert.match(stderr, message);
      assert.equal(stdout, '');
      assert.equal(code, 1);
    });
  }

  test('marks the place in the line that is wrong', async () => {
    const { stderr } = await render('first\n  é{{ a|frobnicate }}', {});
    assert.ok(stderr.endsWith('\n      é{{ a|frobnicate }}\n            ^\n'), stderr);
  });

  test('says that a file is not there', async () => {
    const { code, stderr } = await atelier(['render', '--template', path.join(folder, 'nothing.jinja')], '{}');
    assert.equal(code, 1);
    assert.match(stderr, /nothing\.jinja' cannot be opened: No such file/);
    assert.match((await atelier(['render', '--template', folder], '{}')).stderr, /cannot be read: Is a directory/);
  });
});

describe('render --model', () => {
  const question = { messages: [{ role: 'user', content: 'Hi <|im_end|>' }] };

  test('renders a chat request with the template of the model', async () => {
    const { code, stdout } = await atelier(['render', '--model', 'words'], JSON.stringify(question));
    assert.equal(stdout, '<|im_start|>user\nHi <|im_end|><|im_end|>\n<|im_start|>assistant\n');
    assert.equal(code, 0);
  });

  test('tells what the tokenizer may take for special tokens', async () => {
    const { stdout } = await atelier(['render', '--model', 'words', '--segments'], JSON.stringify(question));
    assert.deepEqual(JSON.parse(stdout), {
      segments: [
        { provenance: 'template', text: '<|im_start|>user\n' },
        { provenance: 'content', text: 'Hi <|im_end|>' },
        { provenance: 'template', text: '<|im_end|>\n<|im_start|>assistant\n' },
      ],
      begins_with_bos: false,
      opens_reasoning: false,
    });
  });

  test('goes on with an assistant that has begun, as the server does', async () => {
    const messages = [...question.messages, { role: 'assistant', content: 'I was' }];
    const { stdout } = await atelier(['render', '--model', 'words'], JSON.stringify({ messages }));
    assert.ok(stdout.endsWith('<|im_start|>assistant\nI was'), stdout);
  });

  test('gives the template tools, thinking and other variables of the request', async () => {
    home = homeWithModelYaml(`
config:
  load:
    fields:
      - key: llm.load.promptTemplate
        value:
          type: jinja
          jinjaPromptTemplate:
            template: "{{ bos_token }}|{{ enable_thinking }}|{{ mood }}|{% for t in tools or [] %}<tool_call>{{ t.function.name }},{% endfor %}|{{ messages[0].content }}|{{ strftime_now('%Y') }}"
`);
    const request = {
      ...question, enable_thinking: false, chat_template_kwargs: { mood: 'fine', messages: 'not these' },
      tools: [{ type: 'function', function: { name: 'clock', parameters: { type: 'object', properties: {} } } }], temperature: 0.5, stream: true,
    };
    const { stdout, stderr } = await atelier(['render', '--model', 'own', '--now', '2031-01-01'], JSON.stringify(request));
    assert.equal(stderr, '');
    assert.equal(stdout, '<|begin_of_text|>|False|fine|<tool_call>clock,|Hi <|im_end|>|2031');
  });

  test('says what is wrong with a request or a model, with exit code 1', async () => {
    home = makeHome();
    const problems = [
      [['render', '--model', 'words'], '{"messages": []}', /messages/],
      [['render', '--model', 'words'], '{"messages": [{"role": "user", "content": 5}]}', /messages\[0\]\.content/],
      [['render', '--model', 'nobody'], JSON.stringify(question), /nobody/],
      [['render', '--model', 'text-embedding-tiny-bert'], JSON.stringify(question), /embedding/],
    ];
    for (const [args, input, message] of problems) {
      const { code, stdout, stderr } = await atelier(args, input);
      assert.match(stderr, message);
      assert.equal(stdout, '');
      assert.equal(code, 1);
    }
  });

  test('takes a manual template from model.yaml, and the user\'s before it', async () => {
    home = homeWithModelYaml(`
config:
  operation:
    promptTemplate: { type: manual, manualPromptTemplate: { beforeUser: "Q: ", afterUser: "\\n", beforeAssistant: "A:" } }
`);
    const { stdout } = await atelier(['render', '--model', 'own'], JSON.stringify(question));
    assert.equal(stdout, 'Q: Hi <|im_end|>\nA:');
    const folder = path.join(home, '.internal/user-concrete-model-default-config/tests/own');
    fs.mkdirSync(folder, { recursive: true });
    const value = { type: 'jinja', jinjaPromptTemplate: { template: 'mine: {{ messages[0].content }}' }, stopStrings: [] };
    fs.writeFileSync(path.join(folder, 'own.gguf.json'),
      JSON.stringify({ preset: '', operation: { fields: [{ key: 'llm.prediction.promptTemplate', value }] }, load: { fields: [] } }));
    assert.equal((await atelier(['render', '--model', 'own'], JSON.stringify(question))).stdout, 'mine: Hi <|im_end|>');
    assert.equal((await atelier(['show', 'own'])).stdout, 'mine: {{ messages[0].content }}');
  });

  test('says which template of a model does not parse', async () => {
    home = homeWithModelYaml('config: { load: { prompt_template: { type: jinja, jinjaPromptTemplate: { template: "{% if %}" } } } }');
    const { code, stderr } = await atelier(['render', '--model', 'own'], JSON.stringify(question));
    assert.equal(code, 1);
    assert.match(stderr, /line 1, column \d+/);
    const shown = await atelier(['show', 'own']);
    assert.equal(shown.stdout, '{% if %}');
    home = makeHome();
  });
});

describe('show', () => {
  test('prints a template that renders to the same', async () => {
    const shown = await atelier(['show', 'words']);
    assert.equal(shown.code, 0);
    assert.match(shown.stdout, /im_start/);
    const { stdout } = await render(shown.stdout, { messages: [{ role: 'user', content: 'Hi' }], add_generation_prompt: true });
    assert.equal(stdout, '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n');
  });

  test('tells what the template can do, and its special tokens', async () => {
    const shown = JSON.parse((await atelier(['show', 'words', '--json'])).stdout);
    assert.equal(shown.model, 'words');
    assert.equal(shown.template, (await atelier(['show', 'words'])).stdout);
    assert.equal(shown.capabilities.supports_system_role, true);
    assert.equal(shown.capabilities.supports_tools, false);
    assert.equal(typeof shown.special_tokens.eos_token, 'string');
  });

  test('leaves nothing in a home that was not there', async () => {
    home = path.join(temporaryFolder('nowhere'), 'home');
    const { code } = await atelier(['show', 'words']);
    assert.equal(code, 1);
    assert.ok(!fs.existsSync(home));
    home = makeHome();
  });
});

describe('a wrong command line', () => {
  for (const args of [[], ['render'], ['render', '--template', 'a', '--model', 'b'], ['render', '--nonsense'], ['show'], ['frob']]) {
    test(`has exit code 2 and shows help: ${args.join(' ') || 'no command'}`, async () => {
      const { code, stdout, stderr } = await atelier(args);
      assert.equal(code, 2);
      assert.equal(stdout, '');
      assert.match(stderr, /Usage: atelier template/);
    });
  }

  test('--help says how, with exit code 0', async () => {
    for (const args of [['--help'], ['render', '--help'], ['show', '--help']]) {
      const { code, stdout } = await atelier(args);
      assert.equal(code, 0);
      assert.match(stdout, /Example|atelier template render --model MODEL/);
    }
  });
});

// GET /metrics, read by a strict parser of Prometheus' text format (version 0.0.4) that shares nothing with the server.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Server, childrenOf, makeHome, until } from './server.mjs';

const model = 'words';

// {name: {type, help, samples: [{name, labels, value}]}}; throws where the text is not what the format allows.
function parse(text) {
  assert.ok(text.endsWith('\n'), 'the last line has no end');
  const families = new Map();
  const seen = new Set();
  let family;
  for (const [at, line] of text.slice(0, -1).split('\n').entries()) {
    const where = `line ${at + 1}: ${line}`;
    const help = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/.exec(line);
    if (help) {
      assert.ok(!families.has(help[1]), `${where}: the family is there already`);
      assert.doesNotMatch(help[2], /\\(?![\\n])/, where);
      family = { name: help[1], help: help[2], samples: [] };
      families.set(help[1], family);
      continue;
    }
    const type = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)$/.exec(line);
    if (type) {
      assert.equal(type[1], family?.name, where);
      assert.ok(!family.type && family.samples.length === 0, where);
      family.type = type[2];
      continue;
    }
    const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?[0-9.]+(?:e[+-][0-9]+)?|\+Inf|-Inf|NaN)$/.exec(line);
    assert.ok(sample, `${where}: is no sample`);
    assert.ok(family?.type, `${where}: has no family`);
    const suffixes = family.type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    assert.ok(suffixes.some((suffix) => sample[1] === family.name + suffix), where);
    const labels = {};
    let rest = sample[2] ?? '';
    while (rest !== '') {
      const label = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,(?=.)|$)/.exec(rest);
      assert.ok(label, `${where}: ${rest} is no label`);
      assert.ok(!(label[1] in labels), where);
      labels[label[1]] = label[2].replace(/\\(["\\n])/g, (_, c) => (c === 'n' ? '\n' : c));
      rest = rest.slice(label[0].length);
    }
    const identity = `${sample[1]} ${JSON.stringify(Object.entries(labels).sort())}`;
    assert.ok(!seen.has(identity), `${where}: is there twice`);
    seen.add(identity);
    family.samples.push({ name: sample[1], labels, value: Number(sample[3].replace('Inf', 'Infinity')) });
  }
  for (const each of families.values()) check(each);
  return families;
}

function check(family) {
  const { name, type, samples } = family;
  assert.ok(samples.length > 0, `${name} has no samples`);
  assert.equal(type === 'counter', name.endsWith('_total'), name);
  if (type === 'counter') assert.ok(samples.every(({ value }) => Number.isInteger(value) && value >= 0), name);
  if (type !== 'histogram') return;
  assert.match(name, /_(seconds|bytes|tokens)$/);
  const series = new Map();
  for (const { name: of, labels: { le, ...labels }, value } of samples) {
    const key = JSON.stringify(labels);
    if (!series.has(key)) series.set(key, { buckets: [] });
    if (of.endsWith('_bucket')) series.get(key).buckets.push([Number(le.replace('Inf', 'Infinity')), value]);
    else series.get(key)[of.slice(name.length)] = value;
  }
  for (const { buckets, _sum, _count } of series.values()) {
    assert.ok(buckets.every(([bound, count], i) => i === 0 || (bound > buckets[i - 1][0] && count >= buckets[i - 1][1])), name);
    assert.equal(buckets.at(-1)[0], Infinity, name);
    assert.equal(buckets.at(-1)[1], _count, name);
    assert.ok(_sum >= 0, name);
  }
}

// The value of the one sample with these labels; 0 where there is none yet.
function value(families, name, labels = {}) {
  const family = families.get(name) ?? families.get(name.replace(/_(count|sum|bucket)$/, ''));
  const found = (family?.samples ?? []).filter((sample) =>
    sample.name === name && Object.entries(labels).every(([key, wanted]) => sample.labels[key] === wanted));
  assert.ok(found.length <= 1, `${name}: ${found.length} samples`);
  return found[0]?.value ?? 0;
}

async function scrape(server) {
  const response = await server.fetch('/metrics');
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  return parse(await response.text());
}

const chat = (server, content, more = {}) =>
  server.post('/v1/chat/completions', { model, messages: [{ role: 'user', content }], max_tokens: 6, temperature: 0, ...more });

describe('without the setting', () => {
  test('there is no such route', async () => {
    const server = await Server.start();
    try {
      assert.equal((await server.fetch('/metrics')).status, 404);
    } finally {
      await server.stop();
    }
  });
});

describe('with it', () => {
  let server;
  before(async () => { server = await Server.start({ home: makeHome({ settings: { metrics: true } }) }); });
  after(async () => { await server.stop(); });

  test('a server that has done nothing says who it is', async () => {
    const families = await scrape(server);
    assert.equal(value(families, 'atelier_build_info'), 1);
    assert.equal(families.get('atelier_build_info').samples[0].labels.version, (await server.json('/api/v1/server')).version);
    assert.ok(!families.has('atelier_engine_up'));
  });

  test('a request moves what it should', async () => {
    const first = await (await chat(server, 'What is a model?')).json();
    const one = await scrape(server);
    const of = { model };
    assert.equal(value(one, 'atelier_http_requests_total', { route: '/v1/chat/completions', method: 'POST', status: '200' }), 1);
    assert.equal(value(one, 'atelier_http_request_seconds_count', { route: '/v1/chat/completions' }), 1);
    assert.equal(value(one, 'atelier_prediction_prompt_tokens_total', of), first.usage.prompt_tokens);
    assert.equal(value(one, 'atelier_prediction_tokens_total', of), first.usage.completion_tokens);
    for (const name of ['queue', 'prompt', 'first_token']) assert.equal(value(one, `atelier_prediction_${name}_seconds_count`, of), 1, name);
    assert.equal(value(one, 'atelier_engine_up', { instance: model, model }), 1);
    assert.ok(value(one, 'atelier_instance_load_seconds', of) > 0);
    assert.equal(value(one, 'atelier_engine_prompt_tokens_computed_total', of), first.usage.prompt_tokens);
    assert.equal(value(one, 'atelier_engine_predicted_tokens_total', of), first.usage.completion_tokens);
    assert.equal(value(one, 'atelier_engine_running', of), 0);
    assert.ok(value(one, 'atelier_engine_kv_cells', of) > 0);
    assert.ok(value(one, 'atelier_engine_kv_cells_cached', of) > 0);

    // The same again: what was there is not computed again, and the server says the same as its answer.
    const second = await (await chat(server, 'What is a model?')).json();
    const two = await scrape(server);
    const cached = second.usage.prompt_tokens_details.cached_tokens;
    assert.ok(cached > 0);
    assert.equal(value(two, 'atelier_prediction_cached_tokens_total', of), cached);
    assert.equal(value(two, 'atelier_engine_prompt_tokens_reused_total', { ...of, tier: 'cells' }), cached);
    assert.equal(value(two, 'atelier_engine_prompt_tokens_reused_total', { ...of, tier: 'disk' }), 0);
    assert.equal(value(two, 'atelier_engine_prompt_tokens_computed_total', of),
      first.usage.prompt_tokens + second.usage.prompt_tokens - cached);
    assert.ok(value(two, 'atelier_engine_steps_total', of) > value(one, 'atelier_engine_steps_total', of));
    // Every batch is counted, with its time and its tokens.
    for (const families of [one, two]) {
      const steps = value(families, 'atelier_engine_steps_total', of);
      for (const name of ['seconds', 'tokens']) assert.equal(value(families, `atelier_engine_step_${name}_count`, of), steps, name);
      assert.ok(value(families, 'atelier_engine_step_seconds_sum', of) > 0);
    }
    // Of every answer the last token is chosen and not computed.
    assert.ok(value(one, 'atelier_engine_step_tokens_sum', of) >= first.usage.total_tokens - 1);
    assert.equal(value(two, 'atelier_engine_preemptions_total', of), 0);
    assert.equal(value(two, 'atelier_engine_context_shifts_total', { ...of, cells: 'moved' }), 0);
    assert.equal(value(two, 'atelier_engine_checkpoints_kept_total', of), 0); // this model can be cut anywhere
    const ends = two.get('atelier_predictions_total').samples;
    assert.equal(ends.reduce((sum, sample) => sum + sample.value, 0), 2);
    assert.ok(ends.every(({ labels }) => labels.model === model && ['end_token', 'max_tokens'].includes(labels.reason)));
  });

  test('a context that loses its older half is counted, by what became of the rest', async () => {
    const load = await server.post('/api/v1/models/load', { model, identifier: 'small', context_length: 256, parallel: 1 });
    assert.equal(load.status, 200, await load.text());
    // One word over and over, so that the model does not end by itself.
    const response = await chat(server, 'hello', { model: 'small', max_tokens: 700, logit_bias: { 400: 100 }, context_overflow_policy: 'rollingWindow' });
    const body = await response.json();
    assert.equal(response.status, 200, JSON.stringify(body));
    assert.equal(body.usage.completion_tokens, 700);
    assert.ok(body.stats.dropped_tokens > 256);
    const shifts = (await scrape(server)).get('atelier_engine_context_shifts_total').samples
      .filter(({ labels }) => labels.instance === 'small');
    assert.deepEqual(shifts.map(({ labels }) => labels.cells), ['moved', 'computed']);
    const count = shifts[0].value + shifts[1].value;
    // Each makes room for half a context, or a little more or less.
    assert.ok(count >= 2 && count <= 8, `${count}`);
    await server.post('/api/v1/models/unload', { instance_id: 'small' });
  });

  test('guesses are counted by what came of them', async () => {
    // Whether anything is guessed depends on measured times: what can be said is that the parts are there and make sense.
    const response = await server.post('/v1/completions', { model: 'successor', prompt: 'one two three four '.repeat(60), max_tokens: 64, temperature: 0 });
    const { usage } = await response.json();
    const drafts = (await scrape(server)).get('atelier_engine_draft_tokens_total').samples.filter(({ labels }) => labels.model === 'successor');
    assert.deepEqual(drafts.map(({ labels }) => labels.result), ['accepted', 'rejected']);
    assert.ok(drafts[0].value <= usage.completion_tokens, `${drafts[0].value}`);
    assert.ok(drafts[1].value < 1e6, `${drafts[1].value}`);
  });

  test('mistakes are counted by their status, and what no route knows under no name of its own', async () => {
    await chat(server, 'x', { temperature: 3 });
    for (const path of ['/nowhere/1', '/nowhere/2', '/v1/models/no%22such']) await server.fetch(path);
    const long = await chat(server, 'model '.repeat(20000));
    assert.equal(long.status, 400);
    const families = await scrape(server);
    assert.equal(value(families, 'atelier_http_requests_total', { route: '/v1/chat/completions', status: '400' }), 2);
    assert.equal(value(families, 'atelier_http_requests_total', { route: 'none', method: 'GET', status: '404' }), 2);
    assert.equal(value(families, 'atelier_http_requests_total', { route: '/v1/models/{id...}', status: '404' }), 1);
    assert.equal(value(families, 'atelier_prediction_failures_total', { model, code: 'context_length_exceeded' }), 1);
  });

  test('names that hold quotes come through whole', async () => {
    const identifier = 'a "quoted\\ name"\nof two lines';
    const load = await server.post('/api/v1/models/load', { model, identifier });
    const text = await load.text();
    if (load.status !== 200) return assert.match(text, /identifier/); // names may be restricted at the door
    assert.equal(value(await scrape(server), 'atelier_engine_up', { instance: identifier }), 1);
    await server.post('/api/v1/models/unload', { instance_id: identifier });
  });

  test('an engine that does not answer is left out, and the others are not', async () => {
    const own = await Server.start({ home: makeHome({ settings: { metrics: true } }) });
    try {
      assert.equal((await own.post('/api/v1/models/load', { model })).status, 200);
      const [stopped] = childrenOf(own.pid);
      assert.equal((await own.post('/api/v1/models/load', { model, identifier: 'other' })).status, 200);
      process.kill(stopped, 'SIGSTOP');
      const families = await scrape(own);
      process.kill(stopped, 'SIGCONT');
      assert.equal(value(families, 'atelier_engine_up', { instance: model }), 0);
      assert.equal(value(families, 'atelier_engine_up', { instance: 'other' }), 1);
      assert.deepEqual(families.get('atelier_engine_kv_cells').samples.map(({ labels }) => labels.instance), ['other']);
      await until(async () => value(await scrape(own), 'atelier_engine_up', { instance: model }) === 1);
    } finally {
      await own.stop();
    }
  });

  test('being watched keeps no model loaded', async () => {
    const own = await Server.start({ home: makeHome({ settings: { metrics: true } }) });
    try {
      assert.equal((await own.post('/api/v1/models/load', { model, ttl: 1 })).status, 200);
      await until(async () => !(await scrape(own)).has('atelier_engine_up'));
    } finally {
      await own.stop();
    }
  });
});

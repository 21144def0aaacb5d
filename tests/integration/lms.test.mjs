// The command line against the real service, as scripts use it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Server, isRunning, lms, makeHome, models, program, run, temporaryFolder, until } from './server.mjs';

describe('lms server', () => {
  const home = makeHome();
  after(async () => { await lms(home, ['daemon', 'down']); });
  let pid;

  test('says that nothing runs, with exit code 0', async () => {
    const status = await lms(home, ['server', 'status', '--json']);
    assert.equal(status.code, 0);
    assert.equal(JSON.parse(status.stdout).running, false);
    const stop = await lms(home, ['server', 'stop']);
    assert.equal(stop.code, 1);
    assert.match(stop.stderr, /not running/);
  });

  test('starts detached and answers when the command returns', async () => {
    const start = await lms(home, ['server', 'start', '--port', '0', '--json']);
    assert.equal(start.code, 0, start.stderr);
    const { running, port } = JSON.parse(start.stdout);
    assert.equal(running, true);
    assert.equal((await fetch(`http://127.0.0.1:${port}/health`)).status, 200);
    pid = JSON.parse(fs.readFileSync(path.join(home, '.internal/http-server.json'), 'utf8')).pid;
    const status = await lms(home, ['server', 'status', '--json']);
    assert.deepEqual(JSON.parse(status.stdout), { running: true, port });
    const again = await lms(home, ['server', 'start', '--json']);
    assert.equal(JSON.parse(again.stdout).port, port);
  });

  test('is not fooled by what a killed service left behind', async () => {
    process.kill(pid, 'SIGKILL');
    await until(async () => !isRunning(pid));
    assert.equal(JSON.parse((await lms(home, ['server', 'status', '--json'])).stdout).running, false);
    const start = await lms(home, ['server', 'start', '--port', '0', '--json']);
    assert.equal(start.code, 0, start.stderr);
    pid = JSON.parse(fs.readFileSync(path.join(home, '.internal/http-server.json'), 'utf8')).pid;
  });

  test('stops, and the service that only it had started ends', async () => {
    const stop = await lms(home, ['server', 'stop']);
    assert.equal(stop.code, 0, stop.stderr);
    assert.match(stop.stderr, /Stopped the server on port \d+/);
    await until(async () => !isRunning(pid));
  });

  test('does not take another server for its own, and names who holds the port', async () => {
    const other = await Server.start();
    const start = await lms(home, ['server', 'start', '--port', String(other.port)]);
    await other.stop();
    assert.equal(start.code, 1);
    assert.match(start.stderr, /taken|in use/);
    assert.match(start.stderr, /atelier/);
  });
});

describe('lms with a service', () => {
  const home = makeHome();
  before(async () => {
    const start = await lms(home, ['server', 'start', '--port', '0']);
    assert.equal(start.code, 0, start.stderr);
  });
  after(async () => { await lms(home, ['server', 'stop']); });

  test('lists models', async () => {
    const list = JSON.parse((await lms(home, ['ls', '--json'])).stdout);
    const words = list.find((model) => model.modelKey === 'words');
    assert.equal(words.type, 'llm');
    assert.equal(words.format, 'gguf');
    assert.equal(words.quantization.name, 'Q8_0');
    assert.ok(words.sizeBytes > 1e6);
    const table = (await lms(home, ['ls'])).stdout;
    assert.match(table, /LLM +PARAMS +ARCH +SIZE/);
    assert.match(table, /EMBEDDING/);
    const embedding = JSON.parse((await lms(home, ['ls', '--embedding', '--json'])).stdout);
    assert.ok(embedding.length > 0 && embedding.every((model) => model.type === 'embedding'));
  });

  test('loads, shows and unloads', async () => {
    const load = await lms(home, ['load', 'words', '--identifier', 'mine', '-c', '512', '--ttl', '60', '-y']);
    assert.equal(load.code, 0, load.stderr);
    assert.match(load.stderr, /Model loaded successfully in/);
    assert.match(load.stderr, /use the identifier "mine"/);
    const [instance] = JSON.parse((await lms(home, ['ps', '--json'])).stdout);
    assert.equal(instance.identifier, 'mine');
    assert.equal(instance.contextLength, 512);
    assert.equal(instance.ttlMs, 60000);
    assert.match((await lms(home, ['ps'])).stdout, /IDENTIFIER +MODEL +STATUS/);
    const wrong = await lms(home, ['unload', 'nobody']);
    assert.equal(wrong.code, 1);
    const unload = await lms(home, ['unload']);
    assert.equal(unload.code, 0, unload.stderr);
    assert.deepEqual(JSON.parse((await lms(home, ['ps', '--json'])).stdout), []);
    const missing = await lms(home, ['load', 'no-such-model', '-y']);
    assert.equal(missing.code, 1);
  });

  test('estimates before it loads', async () => {
    const estimate = await lms(home, ['load', 'words', '--estimate-only']);
    assert.equal(estimate.code, 0, estimate.stderr);
    assert.match(estimate.stdout + estimate.stderr, /Estimated Total Memory:/);
    assert.match(estimate.stdout + estimate.stderr, /may be loaded based on your resource guardrails/);
    const counted = JSON.parse((await lms(home, ['load', 'words', '--estimate-only', '--json'])).stdout);
    assert.equal(counted.confidence, 'high');
    assert.equal(counted.contextLength, 2048);
    assert.deepEqual(JSON.parse((await lms(home, ['ps', '--json'])).stdout), []);
  });

  test('chats: a prompt, a pipe, both, and nothing', async () => {
    const chat = await lms(home, ['chat', 'words', '-p', 'Hello']);
    assert.equal(chat.code, 0, chat.stderr);
    assert.ok(chat.stdout.trim().length > 0);
    const piped = await lms(home, ['chat', 'words', '--stats'], { input: 'Hello from a pipe' });
    assert.equal(piped.code, 0, piped.stderr);
    assert.match(piped.stderr, /Prediction Stats:/);
    assert.match(piped.stderr, /Tokens\/Second: \d+\.\d\d/);
    const empty = await lms(home, ['chat', 'words'], { input: '' });
    assert.equal(empty.code, 0);
    const unknown = await lms(home, ['chat', 'no-such-model', '-p', 'x']);
    assert.equal(unknown.code, 1);
  });

  test('reports its state and version', async () => {
    const status = JSON.parse((await lms(home, ['status', '--json'])).stdout);
    assert.equal(status.server.running, true);
    assert.match((await lms(home, ['status'])).stdout, /Server: ON \(port: \d+\)/);
    assert.match(JSON.parse((await lms(home, ['version', '--json'])).stdout).version, /^\d+\.\d+\.\d+/);
  });

  test('teaches in its help', async () => {
    const help = await lms(home, ['--help']);
    assert.equal(help.code, 0);
    for (const word of ['chat', 'load', 'unload', 'ls', 'ps', 'import', 'server', 'status']) assert.match(help.stdout, new RegExp(`\\b${word}\\b`));
    const wrong = await lms(home, ['lode']);
    assert.equal(wrong.code, 1);
  });
});

describe('lms import', () => {
  const source = () => {
    const folder = temporaryFolder('import');
    const file = path.join(folder, 'My-Model-Q8_0.gguf');
    fs.copyFileSync(path.join(models, 'atelier/words-GGUF/words-Q8_0.gguf'), file);
    return file;
  };
  const emptyHome = () => {
    const home = temporaryFolder('home');
    fs.mkdirSync(path.join(home, 'models'));
    fs.writeFileSync(path.join(home, 'settings.json'), JSON.stringify({ downloadsFolder: path.join(home, 'models') }));
    return home;
  };

  test('copies, moves and links, and never overwrites', async () => {
    const home = emptyHome();
    const file = source();
    const target = path.join(home, 'models/me/mine/My-Model-Q8_0.gguf');
    const dry = await lms(home, ['import', file, '--user-repo', 'me/mine', '-y', '--copy', '--dry-run']);
    assert.equal(dry.code, 0, dry.stderr);
    assert.ok(!fs.existsSync(target));
    const copy = await lms(home, ['import', file, '--user-repo', 'me/mine', '-y', '--copy']);
    assert.equal(copy.code, 0, copy.stderr);
    assert.ok(fs.existsSync(target) && fs.existsSync(file));
    const again = await lms(home, ['import', file, '--user-repo', 'me/mine', '-y', '--copy']);
    assert.equal(again.code, 1);
    const linked = await lms(home, ['import', file, '--user-repo', 'me/linked', '-y', '-l']);
    assert.equal(linked.code, 0, linked.stderr);
    assert.ok(fs.lstatSync(path.join(home, 'models/me/linked/My-Model-Q8_0.gguf')).isSymbolicLink());
    const moved = await lms(home, ['import', file, '--user-repo', 'me/moved', '-y']);
    assert.equal(moved.code, 0, moved.stderr);
    assert.ok(!fs.existsSync(file));
  });

  test('on a full disk says so, keeps the file and leaves nothing half-written', async () => {
    const home = emptyHome();
    const file = source();
    // A limit on the size of files stands for the disk: the write that crosses it fails.
    const command = `ulimit -f 1024; trap '' XFSZ; exec "${program('lms')}" import "${file}" --user-repo me/mine -y --copy`;
    const result = await run('/bin/bash', ['-c', command], { env: { ATELIER_HOME: home } });
    assert.equal(result.code, 1, result.stderr);
    assert.match(result.stderr, /File too large|No space/i);
    assert.ok(fs.existsSync(file));
    const left = fs.readdirSync(path.join(home, 'models'), { recursive: true });
    assert.deepEqual(left, []);
  });
});

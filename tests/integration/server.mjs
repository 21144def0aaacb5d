// Starts the real server for tests: its own home, its own port, and an end that leaves nothing behind.
import { spawn, execFile } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';

export const build = process.env.ATELIER_BUILD ?? path.resolve(path.dirname(new URL(import.meta.url).pathname), '../../build/release');
export const models = process.env.ATELIER_MODELS ?? path.join(build, 'fixtures/models');
export const program = (name) => path.join(build, 'bin', name);

const temporaryFolders = [];
process.on('exit', () => {
  for (const folder of temporaryFolders) fs.rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});

// Gone when the tests of the file are over.
export function temporaryFolder(name) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), `atelier-${name}-`));
  temporaryFolders.push(folder);
  return folder;
}

// A home of Atelier in a temporary folder, whose models are those of `modelsFolder`.
export function makeHome({ modelsFolder = models, settings = {} } = {}) {
  const home = temporaryFolder('home');
  fs.writeFileSync(path.join(home, 'settings.json'), JSON.stringify({ downloadsFolder: modelsFolder, ...settings }));
  return home;
}

// Installed parts whose engine is the scripted one.
export function scriptedResources() {
  const prefix = temporaryFolder('resources');
  const folder = path.join(prefix, 'lib/atelier/runtimes/default');
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, 'runtime.json'),
    JSON.stringify({ name: 'scripted', exe: program('scripted-engine'), library_path: '.', backends_dir: '.', version: '1' }));
  return prefix;
}

// A models folder with one model, "scripted", that plays the script; with a chat template of the test's own.
// `operation` are settings as in model.yaml's config.operation.
export function scriptedModels(script, { template, operation } = {}) {
  const folder = temporaryFolder('models');
  const model = path.join(folder, 'tests/scripted');
  fs.mkdirSync(model, { recursive: true });
  fs.copyFileSync(path.join(models, 'atelier/tiny-llama-GGUF/tiny-llama-F32.gguf'), path.join(model, 'scripted.gguf'));
  fs.writeFileSync(path.join(model, 'scripted.script.json'), JSON.stringify(script));
  const config = {};
  if (template !== undefined) {
    config.load = { fields: [{ key: 'llm.load.promptTemplate', value: { type: 'jinja', jinjaPromptTemplate: { template } } }] };
  }
  if (operation !== undefined) config.operation = operation;
  if (Object.keys(config).length > 0) fs.writeFileSync(path.join(model, 'model.yaml'), JSON.stringify({ config }));
  return folder;
}

export class Server {
  // Options: home, resources, args (more arguments of `atelier serve`), env.
  static async start({ home = makeHome(), resources, args = [], env = {} } = {}) {
    const server = new Server();
    server.home = home;
    server.log = [];
    server.process = spawn(program('atelier'), ['serve', '--port', '0', ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ATELIER_HOME: home, ...(resources ? { ATELIER_RESOURCES: resources } : {}), ...env },
    });
    server.ended = once(server.process, 'exit').then(([code, signal]) => ({ code, signal }));
    const lines = readline.createInterface({ input: server.process.stderr });
    server.url = await new Promise((resolve, reject) => {
      lines.on('line', (line) => {
        server.log.push(line);
        const found = /Serving on (http:\S+)/.exec(line);
        if (found) server.found = found[1];
        if (/ is ready;/.test(line)) resolve(server.found);
      });
      server.ended.then((end) => reject(new Error(`the server ended: ${JSON.stringify(end)}\n${server.log.join('\n')}`)));
    });
    server.port = Number(new URL(server.url).port);
    return server;
  }

  get pid() { return this.process.pid; }

  async stop() {
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill('SIGTERM');
    return await this.ended;
  }

  fetch(route, options = {}) { return fetch(this.url + route, options); }

  async json(route, options) {
    const response = await this.fetch(route, options);
    return await response.json();
  }

  post(route, body, options = {}) {
    return this.fetch(route, {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body), ...options,
    });
  }

  // The loaded instances, whatever their model.
  async instances() {
    const { models: all } = await this.json('/api/v1/models');
    return all.flatMap((model) => model.loaded_instances);
  }

  // Waits until the instances are as the test wants them; fails after a long time with what they were.
  async untilInstances(wanted) {
    return await until(async () => {
      const instances = await this.instances();
      return wanted(instances) ? instances : undefined;
    }, async () => JSON.stringify(await this.instances()));
  }
}

// Asks again until there is an answer. The pace is no part of what is tested; the limit only ends a hopeless wait.
export async function until(ask, describe = async () => '', limitMs = 60000) {
  const deadline = Date.now() + limitMs;
  while (Date.now() < deadline) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`waited in vain; last seen: ${await describe()}`);
}

// The children of a process: its engines.
export function childrenOf(pid) {
  const children = [];
  for (const task of fs.readdirSync(`/proc/${pid}/task`)) {
    const text = fs.readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim();
    if (text) children.push(...text.split(' ').map(Number));
  }
  return children;
}

export function isRunning(pid) {
  try {
    // A zombie has ended; only its parent has not looked yet.
    return !/^State:\s+[ZX]/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

// Runs a program to its end: {code, stdout, stderr}.
export async function run(file, args, { env = {}, input, shell } = {}) {
  const child = execFile(file, args, { env: { ...process.env, ...env }, maxBuffer: 64 << 20, shell });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data) => { stdout += data; });
  child.stderr.on('data', (data) => { stderr += data; });
  child.stdin.on('error', () => {}); // a program may end without reading what it is given
  child.stdin.end(input ?? '');
  const [code, signal] = await once(child, 'close');
  return { code: code ?? signal, stdout, stderr };
}

export const lms = (home, args, options = {}) =>
  run(program('lms'), args, { ...options, env: { ATELIER_HOME: home, ...(options.env ?? {}) } });

// One raw request with full control over headers: {status, headers, body}.
export function request(port, { method = 'GET', path: target = '/', headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const sent = http.request({ host: '127.0.0.1', port, method, path: target, headers }, (response) => {
      let text = '';
      response.on('data', (data) => { text += data; });
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

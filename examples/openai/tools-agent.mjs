// An agent: the model calls tools, several at once if it wants to, until it has its answer.
//
//   npm install openai
//   node tools-agent.mjs [MODEL] [QUESTION]
import fs from 'node:fs';
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: process.env.OPENAI_BASE_URL ?? 'http://localhost:1234/v1', apiKey: 'any' });
const model = process.argv[2] ?? 'atelier/starter';
const question = process.argv[3] ?? 'What time is it, and what is in the current directory?';
const maxRounds = 8;

const tools = {
  get_current_time: {
    description: 'Get the current time.',
    parameters: { type: 'object', properties: {} },
    run: () => ({ time: new Date().toISOString() }),
  },
  list_directory: {
    description: 'List the files of a directory.',
    parameters: { type: 'object', properties: { path: { type: 'string' } }, required: ['path'] },
    run: ({ path }) => ({ files: fs.readdirSync(path ?? '.').slice(0, 20) }),
  },
};
const definitions = Object.entries(tools).map(([name, { description, parameters }]) => (
  { type: 'function', function: { name, description, parameters } }));

// What goes wrong in a tool is told to the model, so that it can try otherwise.
function run(call) {
  try {
    const tool = tools[call.function.name];
    if (!tool) return { error: `there is no tool ${call.function.name}` };
    return tool.run(JSON.parse(call.function.arguments));
  } catch (error) {
    return { error: error.message };
  }
}

const messages = [{ role: 'user', content: question }];
for (let round = 0; round < maxRounds; ++round) {
  const { choices: [{ message }] } = await client.chat.completions.create({ model, messages, tools: definitions });
  messages.push(message);
  if (!message.tool_calls?.length) {
    console.log(message.content);
    break;
  }
  for (const call of message.tool_calls) {
    const result = JSON.stringify(run(call));
    console.log(`${call.function.name}(${call.function.arguments}) = ${result}`);
    messages.push({ role: 'tool', tool_call_id: call.id, content: result });
  }
}

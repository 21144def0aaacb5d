// A chatbot that streams: text is shown while it comes, calls are put together from their parts and run.
//
//   npm install openai
//   node tools-streaming-chatbot.mjs [MODEL]      (lines from standard input; an empty one ends it)
import readline from 'node:readline';
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: process.env.OPENAI_BASE_URL ?? 'http://localhost:1234/v1', apiKey: 'any' });
const model = process.argv[2] ?? 'atelier/starter';
const maxRounds = 8; // of calls for one question: small models like to call again and again
const tools = [{
  type: 'function',
  function: { name: 'get_current_time', description: 'Get the current time.', parameters: { type: 'object', properties: {} } },
}];

// One answer, streamed: its text goes to the terminal, its calls come back.
async function answer(messages) {
  const stream = await client.chat.completions.create({ model, messages, tools, stream: true });
  let content = '';
  const calls = [];
  for await (const chunk of stream) {
    const delta = chunk.choices[0]?.delta ?? {};
    if (delta.content) {
      content += delta.content;
      process.stdout.write(delta.content);
    }
    for (const part of delta.tool_calls ?? []) {
      const call = calls[part.index] ??= { id: part.id, type: 'function', function: { name: part.function.name, arguments: '' } };
      call.function.arguments += part.function.arguments ?? '';
    }
  }
  if (content) process.stdout.write('\n');
  return { role: 'assistant', content: content || null, ...(calls.length ? { tool_calls: calls } : {}) };
}

async function turn(messages, line) {
  messages.push({ role: 'user', content: line });
  let message = await answer(messages);
  messages.push(message);
  for (let round = 0; message.tool_calls && round < maxRounds; ++round) {
    for (const call of message.tool_calls) {
      console.log(`[${call.function.name}(${call.function.arguments})]`);
      messages.push({ role: 'tool', tool_call_id: call.id, content: new Date().toISOString() });
    }
    message = await answer(messages);
    messages.push(message);
  }
}

const messages = [];
for await (const line of readline.createInterface({ input: process.stdin })) {
  if (line.trim() === '') break;
  try {
    await turn(messages, line);
  } catch (error) {
    if (error.code !== 'context_length_exceeded') throw error;
    console.log('(That is more than the model can hold. The conversation begins anew.)');
    messages.length = 0;
  }
}

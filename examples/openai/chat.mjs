// A conversation of two turns with the `openai` package, streamed.
//
//   npm install openai
//   node chat.mjs [MODEL]
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: process.env.OPENAI_BASE_URL ?? 'http://localhost:1234/v1', apiKey: 'any' });
const model = process.argv[2] ?? 'atelier/starter';
const messages = [{ role: 'system', content: 'You are brief.' }];

for (const question of ['What is a language model?', 'And what is a token?']) {
  console.log(`> ${question}`);
  messages.push({ role: 'user', content: question });
  const stream = await client.chat.completions.create({ model, messages, stream: true, max_tokens: 100 });
  let answer = '';
  for await (const chunk of stream) {
    const text = chunk.choices[0]?.delta?.content ?? '';
    answer += text;
    process.stdout.write(text);
  }
  console.log('\n');
  messages.push({ role: 'assistant', content: answer });
}

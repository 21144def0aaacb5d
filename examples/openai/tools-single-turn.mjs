// One question that a tool answers: the model says which call it wants, and nothing is executed.
//
//   npm install openai
//   node tools-single-turn.mjs [MODEL]
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: process.env.OPENAI_BASE_URL ?? 'http://localhost:1234/v1', apiKey: 'any' });
const model = process.argv[2] ?? 'atelier/starter';

const searchProducts = {
  type: 'function',
  function: {
    name: 'search_products',
    description: 'Search the product catalogue by text, category and highest price.',
    parameters: {
      type: 'object',
      properties: {
        query: { type: 'string', description: 'What to look for' },
        category: { type: 'string', enum: ['electronics', 'clothing', 'home', 'outdoor'] },
        max_price: { type: 'number', description: 'Highest price in dollars' },
      },
      required: ['query'],
    },
  },
};

const answer = await client.chat.completions.create({
  model,
  messages: [{ role: 'user', content: 'What dell products do you have under $50 in electronics?' }],
  tools: [searchProducts],
});

const { message, finish_reason: reason } = answer.choices[0];
console.log(`finish_reason: ${reason}`);
for (const call of message.tool_calls ?? []) console.log(`${call.function.name}(${call.function.arguments})`);
if (message.content) console.log(message.content);

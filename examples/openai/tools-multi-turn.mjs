// The model asks for a tool, the program runs it, the model answers with the result.
//
//   npm install openai
//   node tools-multi-turn.mjs [MODEL]
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: process.env.OPENAI_BASE_URL ?? 'http://localhost:1234/v1', apiKey: 'any' });
const model = process.argv[2] ?? 'atelier/starter';

const tools = [{
  type: 'function',
  function: {
    name: 'get_delivery_date',
    description: "Get the delivery date of a customer's order.",
    parameters: {
      type: 'object',
      properties: { order_id: { type: 'string', description: 'The number of the order' } },
      required: ['order_id'],
    },
  },
}];

// A shop would look into its database.
function getDeliveryDate({ order_id: order }) {
  return { order_id: order, delivery_date: '2030-05-17' };
}

const messages = [
  { role: 'system', content: 'You help the customers of a shop. Use the tools that you have.' },
  { role: 'user', content: 'When will my order 1017 be delivered?' },
];
const asked = await client.chat.completions.create({ model, messages, tools });
const call = asked.choices[0].message.tool_calls?.[0];
if (!call) {
  console.log(`The model called no tool; it said: ${asked.choices[0].message.content}`);
  process.exit();
}
console.log(`${call.function.name}(${call.function.arguments})`);

messages.push(asked.choices[0].message);
messages.push({
  role: 'tool',
  tool_call_id: call.id,
  content: JSON.stringify(getDeliveryDate(JSON.parse(call.function.arguments))),
});
const answered = await client.chat.completions.create({ model, messages, tools });
console.log(answered.choices[0].message.content);

// Which of these sentences is nearest to the question? Embeddings with the `openai` package.
//
//   npm install openai
//   node embeddings.mjs MODEL QUESTION SENTENCE…
import OpenAI from 'openai';

const [model, question, ...sentences] = process.argv.slice(2);
if (!sentences.length) {
  console.error('usage: node embeddings.mjs MODEL QUESTION SENTENCE…');
  process.exit(1);
}
const client = new OpenAI({ baseURL: process.env.OPENAI_BASE_URL ?? 'http://localhost:1234/v1', apiKey: 'any' });
const { data } = await client.embeddings.create({ model, input: [question, ...sentences] });
const [asked, ...others] = data.map((item) => item.embedding);
// The vectors have length 1: their product is the cosine of the angle between them.
const similarity = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
sentences
  .map((sentence, i) => [similarity(asked, others[i]), sentence])
  .sort((a, b) => b[0] - a[0])
  .forEach(([score, sentence]) => console.log(`${score.toFixed(3)}  ${sentence}`));
